// CRLs of a CA whose key is at a TSB: each is a request that its quorum approves, one after the other.
#include "quorum.h"

#include <csignal>
#include <filesystem>
#include <functional>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

struct Lists : Quorum {
  explicit Lists(unsigned quorum = 2, const std::string& more = "")
      : Quorum(quorum,
               "    crl: {file: /nowhere/issuing.crl, url: \"http://ca.example.com/issuing.crl\", read_back: false" +
                   more + "}\n") {
    change("/nowhere/issuing.crl", (bench / "issuing.crl").string());
  }
  void approve(const std::string& id) const {
    REQUIRE(bench.approve_all("alice") >= 1);
    REQUIRE(bench.approve_all("carol") >= 1);
    const auto done = wait(id);
    INFO(done.out << done.err << bench.run({"request", "history", id}).out);
    REQUIRE(done.status == 0);
  }
  std::string crl_text() const {
    const auto shown = bench.cli().other({"openssl", "crl", "-inform", "DER", "-in", "issuing.crl", "-noout", "-text",
                                          "-crlnumber", "-CAfile", certificate});
    has(shown.out + shown.err, "verify OK");
    return shown.out;
  }
  std::string first_certificate() const {
    const auto listed = bench.run({"cert", "list", "--json", "--profile", "www"}).json();
    return listed.at("certificates").as_array().at(0).at("sha256").as_string();
  }
  void pem_crl() const {
    bench.cli().other({"openssl", "crl", "-inform", "DER", "-in", "issuing.crl", "-out", "crl.pem"});
  }
};

}  // namespace

TEST_CASE("a number that may have been signed and never came back is revoked once its request is over") {
  Lists place(0);
  const Bench& bench = place.bench;
  const auto revoke = [&](const std::string& number, const std::string& reason, bool asks = false) {
    Words words{"ca", "revoke", "issuing", number, "--reason", reason};
    if (!asks) words.push_back("--yes");
    return bench.run(words);
  };
  const auto number_of = [&](const std::string& id) {
    const auto number = place.asked("SELECT serial FROM serial_numbers WHERE request = '" + id + "'");
    REQUIRE(number.size() > 1);
    return number.substr(0, number.size() - 1);
  };
  REQUIRE(bench.rig({"fault", "--kind", "drop-after", "--method", "POST", "--path", "/v1/sign"}).status == 0);
  const auto lost = place.enroll("www", {"--wait", "--timeout", "30s"});
  INFO(lost.out << lost.err);
  REQUIRE(lost.status == 6);
  const auto id = Bench::id_in(lost);
  const auto number = number_of(id);
  // The TSB has signed it. While the request is open it may still be fetched.
  const auto open = revoke(number, "superseded");
  CHECK(open.status == 1);
  has(flat(open.err), "request " + id + ", for which the serial number " + number + " was taken, is open");
  REQUIRE(bench.run({"request", "resolve", id, "--abandon", "--reason", "a test"}).status == 0);

  const auto asked = revoke(number, "keyCompromise", true);
  CHECK(asked.status == 4);
  has(flat(asked.err), "CN=www.example.com, until ");
  has(flat(asked.err), "which may have been signed for request " + id);
  const auto revoked = revoke(number, "keyCompromise");
  INFO(revoked.out << revoked.err);
  REQUIRE(revoked.status == 0);
  CHECK(place.asked("SELECT status FROM keys WHERE label = 'www'") == "compromised\n");
  CHECK(revoke(number, "keyCompromise").status == 1);  // it is already
  const auto crl = place.crl();
  INFO(crl.out << crl.err);
  place.finish(Bench::id_in(crl));
  const std::string text = place.crl_text();
  std::string upper = number;
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  has(text, "Serial Number: " + upper);
  has(text, "Key Compromise");

  // What nobody was asked to sign is no certificate.
  place.change("    key: {provider: tsb, key: issuing-2026}\n",
               "    key: {provider: tsb, key: issuing-2026}\n    operator_command: true\n");
  const auto never = Bench::id_in(place.enroll("never"));
  REQUIRE(bench.state_of(never) == "AwaitingCommand");
  REQUIRE(bench.run({"request", "cancel", never}).status == 0);
  const auto nothing = revoke(number_of(never), "superseded");
  CHECK(nothing.status == 1);
  has(flat(nothing.err), "nothing was handed to be signed under it: there is no such certificate");
  CHECK(bench.run({"audit", "verify"}).status == 0);
}

TEST_CASE(
    "a CRL is approved under the quorum of the CA's key, published when it is signed, and revokes what was revoked") {
  Lists place;
  const Bench& bench = place.bench;
  const auto www = Bench::id_in(place.enroll("www"));
  place.approve(www);
  const auto asked = place.crl();
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = Bench::id_in(asked);
  CHECK(bench.state_of(id) == "AwaitingApproval");
  has(asked.out, "CRL of issuing");
  has(flat(bench.run({"request", "explain", id}).out), "signed with key issuing-2026 at provider tsb");
  has(flat(bench.run({"request", "show", id}).out), "CRL 1 of CN=Example Issuing, O=Example, C=CH with 0 revoked");
  has(bench.run({"request", "list"}).out, "issue-crl CRL of issuing");
  CHECK_FALSE(bench.cli().exists("issuing.crl"));

  // Typed again it goes on with the same one: no second number.
  const auto again = place.crl();
  CHECK(again.status == 3);
  CHECK(Bench::id_in(again) == id);
  has(flat(again.err), "request " + id + " for the CRL is open: going on with it");
  CHECK(place.asked("SELECT count(*) FROM crls") == "1\n");
  CHECK(place.submissions() == 2);

  // An approver sees the list, and that it is the very one that was frozen here.
  const auto tasks = bench.tasks_of("alice");
  REQUIRE(tasks.size() == 1);
  const auto shown = bench.run({"approval", "show", "--as", "alice", tasks.front()});
  INFO(shown.out << shown.err);
  CHECK(shown.status == 0);
  has(flat(shown.out), "our request " + id + ": exactly the bytes that were frozen there");

  // Revoked while the first one waits: on the next one.
  CHECK(again.err.find("it lacks") == std::string::npos);
  REQUIRE(bench.run({"cert", "revoke", place.first_certificate(), "--reason", "keyCompromise", "--yes"}).status == 0);
  const auto lacks = place.crl();
  CHECK(Bench::id_in(lacks) == id);
  has(flat(lacks.err),
      "it lacks what was revoked since it was made: 1. For a CRL with that: hsmbridge request cancel " + id +
          ", and this command again");
  place.approve(id);
  has(place.crl_text(), "crlNumber=0x01");
  has(flat(bench.run({"request", "explain", id}).out), "CRL 1 of issuing with 0 revoked, valid until");
  place.pem_crl();
  CHECK(place.judged("www.pem", "crl.pem").status == 0);

  const auto second = place.crl();
  REQUIRE(second.status == 3);
  place.approve(Bench::id_in(second));
  const auto text = place.crl_text();
  has(text, "crlNumber=0x02");
  has(text, "Key Compromise");
  place.pem_crl();
  const auto refused = place.judged("www.pem", "crl.pem");
  CHECK(refused.status != 0);
  has(refused.out + refused.err, "certificate revoked");
  has(bench.run({"ca", "show", "issuing"}).out, "number 2, until ");
  CHECK(bench.run({"ca", "crl", "issuing", "--check"}).status == 0);
  CHECK(bench.run({"audit", "verify"}).status == 0);
}

TEST_CASE("a CRL that people reject is not published, and the next one has the next number") {
  Lists place;
  const auto id = Bench::id_in(place.crl());
  for (const std::string name : {"bob", "carol"}) {
    const auto tasks = place.bench.tasks_of(name);
    REQUIRE(tasks.size() == 1);
    REQUIRE(place.bench.run({"approval", "reject", "--as", name, tasks.front(), "--yes"}).status == 0);
  }
  CHECK(place.wait(id).status == 4);
  CHECK(place.bench.state_of(id) == "Rejected");
  CHECK_FALSE(place.bench.cli().exists("issuing.crl"));
  const auto next = place.crl();
  REQUIRE(next.status == 3);
  CHECK(Bench::id_in(next) != id);
  place.approve(Bench::id_in(next));
  has(place.crl_text(), "crlNumber=0x02");
}

TEST_CASE("a CRL whose answer was lost is looked up, and never asked for twice") {
  Lists place(0);
  REQUIRE(place.bench.rig({"fault", "--kind", "drop-after", "--method", "POST", "--path", "/v1/sign"}).status == 0);
  auto lost = place.crl();
  INFO(lost.out << lost.err);
  const auto id = Bench::id_in(lost);
  lost = place.wait(id);
  REQUIRE(lost.status == 6);
  CHECK(place.bench.state_of(id) == "Unresolved");
  // No other number meanwhile.
  CHECK(Bench::id_in(place.crl()) == id);
  place.finish(id);
  CHECK(place.submissions() == 1);
  has(place.crl_text(), "crlNumber=0x01");
}

TEST_CASE("the daemon asks for a CRL after a revocation, once, and publishes it when it is signed") {
  Lists place(2, ", every: 24h, next_update: 4d");
  const auto www = Bench::id_in(place.enroll("www"));
  place.approve(www);
  const auto first = place.crl();  // a person's
  place.approve(Bench::id_in(first));
  REQUIRE(place.bench.run({"cert", "revoke", place.first_certificate(), "--reason", "superseded", "--yes"}).status ==
          0);
  Process daemon(place.bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {});
  place.bench.wait_for_words("CA issuing: its next CRL is due, and is request");
  const auto open = [&] { return place.bench.run({"request", "list", "--open", "--json"}).json(); };
  std::string id;
  for (int i = 0; i < 100 && place.bench.tasks_of("alice").empty(); ++i) daemon.run_for(std::chrono::milliseconds{100});
  const auto listed = open();
  REQUIRE(listed.at("requests").as_array().size() == 1);
  id = listed.at("requests").as_array().front().at("id").as_string();
  daemon.run_for(std::chrono::seconds{12});  // more rounds: no other one
  CHECK(open().at("requests").as_array().size() == 1);
  REQUIRE(place.bench.approve_all("alice") == 1);
  REQUIRE(place.bench.approve_all("bob") == 1);
  for (int i = 0; i < 300 && place.bench.state_of(id) != "Completed"; ++i) {
    daemon.run_for(std::chrono::milliseconds{100});
  }
  CHECK(place.bench.state_of(id) == "Completed");
  has(place.crl_text(), "crlNumber=0x02");
  has(place.crl_text(), "Superseded");
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
}

TEST_CASE("killed anywhere on its way a CRL is asked for once, and no number is out twice") {
  Lists place(0);
  std::int64_t last = 0;
  for (const std::string point : {"engine.after-start", "engine.after-run", "engine.before-outcome",
                                  "store.before-commit", "store.after-commit"}) {
    const unsigned step = point.starts_with("store.") ? 2 : 1;
    for (unsigned passing = 1;; passing += step) {
      REQUIRE(passing < 60);
      INFO(point << " " << passing);
      const auto before = place.submissions();
      place.bench.cli().set("HSMBRIDGE_FAILPOINT", point + ":" + std::to_string(passing));
      const auto died = place.crl();
      place.bench.cli().unset("HSMBRIDGE_FAILPOINT");
      const auto listed = place.bench.run({"request", "list", "--open", "--json"}).json();
      const auto& open = listed.at("requests").as_array();
      REQUIRE(open.size() <= 1);
      if (!open.empty()) place.finish(open.front().at("id").as_string());
      if (place.submissions() == before) {  // it died before anything was written down
        auto next = place.crl();
        if (next.status == 3) next = place.wait(Bench::id_in(next));
        INFO(next.out << next.err);
        REQUIRE(next.status == 0);
      }
      CHECK(place.submissions() == before + 1);
      const auto text = place.crl_text();
      const auto at = text.find("crlNumber=0x");
      REQUIRE(at != std::string::npos);
      const auto number = std::stoll(text.substr(at + 12), nullptr, 16);
      CHECK(number > last);
      last = number;
      CHECK(place.bench.run({"ca", "crl", "issuing", "--check"}).status == 0);
      if (died.status != 128 + SIGKILL) break;
    }
  }
  CHECK(place.asked("SELECT number FROM crls GROUP BY issuer, number HAVING count(*) > 1").empty());
  CHECK(place.bench.run({"audit", "verify"}).status == 0);
}

TEST_CASE("a CA at a TSB is taken over, and its first CRL here is a request too") {
  Lists place(0);
  place.bench.cli().write("index.txt", "V\t301231235959Z\t\t1001\tunknown\t/CN=old.example.com\n");
  const auto adopted =
      place.bench.run({"ca", "adopt", "issuing", "--index", "index.txt", "--next-crl-number", "1", "--yes"});
  INFO(adopted.out << adopted.err);
  REQUIRE(adopted.status == 0);
  has(adopted.out, "its next CRL is a request there: hsmbridge ca crl issuing");
  CHECK_FALSE(place.bench.cli().exists("issuing.crl"));
  REQUIRE(place.bench.run({"ca", "revoke", "issuing", "1001", "--reason", "superseded", "--yes"}).status == 0);
  const auto asked = place.crl();
  INFO(asked.out << asked.err);
  place.finish(Bench::id_in(asked));
  has(place.crl_text(), "Serial Number: 1001");
}

TEST_CASE("a CA at a TSB of a restored store gives no number that the lost one may have asked for") {
  Lists place(0);
  const Cli& cli = place.bench.cli();
  place.finish(Bench::id_in(place.crl()));
  REQUIRE(place.bench.run({"store", "backup", "backup.db"}).status == 0);
  place.finish(Bench::id_in(place.crl()));
  std::filesystem::copy(cli / "issuing.crl", cli / "last.crl");
  for (const char* side : {"hsmbridge.db-wal", "hsmbridge.db-shm"}) std::filesystem::remove(cli / side);
  std::filesystem::copy(cli / "backup.db", cli / "hsmbridge.db", std::filesystem::copy_options::overwrite_existing);
  REQUIRE(place.bench.run({"store", "accept-restored"}).status == 0);
  const auto resumed =
      place.bench.run({"ca", "resume", "issuing", "--certificates", place.certificate, "--crl", "last.crl", "--yes"});
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  has(flat(resumed.out), "1000000 numbers of CRLs are left out");
  has(place.audit(), "crl_numbers_skipped");
  const auto next = place.crl();
  INFO(next.out << next.err);
  place.finish(Bench::id_in(next));
  has(place.crl_text(), "crlNumber=0x0F4243");
}

TEST_CASE("a CRL of the future at a TSB is followed by one that a person asks for by name") {
  Lists place(0);
  const auto ahead = place.bench.cli().other(
      {"faketime", "-m", "--exclude-monotonic", "-f", "+30d", Cli::program().string(), "ca", "crl", "issuing"});
  INFO(ahead.out << ahead.err);
  REQUIRE(ahead.status == 3);
  REQUIRE(place.bench.cli()
              .other({"faketime", "-m", "--exclude-monotonic", "-f", "+30d", Cli::program().string(), "request", "wait",
                      Bench::id_in(ahead), "--timeout", "50s"})
              .status == 0);
  const auto waits = place.crl();
  const auto id = Bench::id_in(waits);
  has(flat(place.bench.run({"request", "explain", id}).out), "the last CRL is of ");
  const auto open = place.bench.run({"ca", "crl", "issuing", "--clock-was-ahead", "--yes"});
  CHECK(open.status == 1);
  has(flat(open.err), "hsmbridge request cancel " + id + ", and this command again");
  REQUIRE(place.bench.run({"request", "cancel", id}).status == 0);
  const auto made = place.bench.run({"ca", "crl", "issuing", "--clock-was-ahead", "--yes"});
  INFO(made.out << made.err);
  place.finish(Bench::id_in(made));
  has(place.crl_text(), "crlNumber=0x02");
  CHECK(place.bench.run({"ca", "crl", "issuing", "--check"}).status == 0);
}

TEST_CASE("a CA at a TSB that publishes no CRL says so") {
  Quorum place(0);
  const auto refused = place.crl();
  CHECK(refused.status == 2);
  has(flat(refused.err), "provider issuing does not say where its CRL goes");
}
