// CRLs in shards, as openssl reads them.
#include "place.h"

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

constexpr int kKilled = 128 + SIGKILL;
const std::string kComplete = "file: issuing.crl, url: \"http://ca.example.com/issuing.crl\"";

struct Sharded : Place {
  Sharded() {
    set_crl("crl: {" + kComplete + ", read_back: false}", shards(2));
    make_both();
  }
  static std::string shards(unsigned count, const std::string& more = "") {
    return "crl: {shards: " + std::to_string(count) +
           ", file: \"issuing-{shard}.crl\", url: \"http://ca.example.com/issuing-{shard}.crl\", read_back: false" +
           more + "}";
  }
  void set_crl(const std::string& from, const std::string& to) const {
    std::string text = cli.read("hsmbridge.yaml");
    REQUIRE(text.find(from) != std::string::npos);
    cli.write("hsmbridge.yaml", text.replace(text.find(from), from.size(), to));
  }
  // Its certificate is in NAME.pem then. Gives the number of the shard that it names; "" for none.
  std::string issue(const std::string& name) const {
    const auto made = enroll(name, name + ".example.com");
    INFO(made.out << made.err);
    REQUIRE(made.status == 0);
    std::filesystem::rename(cli / "www.pem", cli / (name + ".pem"));
    const std::string text = text_of(name + ".pem");
    const std::string before = "URI:http://ca.example.com/issuing-";
    const auto at = text.find(before);
    if (at == std::string::npos) return "";
    return text.substr(at + before.size(), text.find(".crl", at) - at - before.size());
  }
  // One in each of the two shards.
  std::map<std::string, std::string> one_in_each() const {
    std::map<std::string, std::string> names;
    for (int i = 0; names.size() < 2; ++i) {
      REQUIRE(i < 40);
      const std::string name = "host" + std::to_string(i);
      names[issue(name)] = name;
    }
    return names;
  }
  void revoke(const std::string& name) const {
    const Json listed = cli.run({"cert", "list", "--json", "--name", name + ".example.com"}).json();
    const auto certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
    const auto done = cli.run({"cert", "revoke", certificate, "--reason", "superseded", "--yes"});
    INFO(done.err);
    REQUIRE(done.status == 0);
  }
  // openssl's verdict with these CRLs.
  std::string judged(const std::string& name, const std::vector<std::string>& crls) const {
    Words words{"openssl", "verify",   "-x509_strict", "-crl_check", "-extended_crl",
                "-CAfile", "root.pem", "-untrusted",   "issuing.pem"};
    for (const std::string& crl : crls) {
      words.push_back("-CRLfile");
      words.push_back(crl);
    }
    words.push_back(name + ".pem");
    const auto result = cli.other(words);
    return result.out + result.err;
  }
  std::string asked(const std::string& sql) const { return cli.other({"sqlite3", "store.db", sql}).out; }
};

const std::vector<std::string> kBoth{"issuing-0.crl", "issuing-1.crl"};

}  // namespace

TEST_CASE_METHOD(Sharded, "a check takes no serial number, and no shard is published longer for it") {
  issue("first");
  const auto everything = [&] {
    return asked("SELECT count(*) FROM serial_numbers") + asked("SELECT url, until FROM distribution_points") +
           asked("SELECT count(*) FROM leaves");
  };
  const std::string before = everything();
  for (int i = 0; i < 3; ++i) {
    const auto checked = enroll("other", "other.example.com", {"--check"});
    INFO(checked.out << checked.err);
    REQUIRE(checked.status == 0);
    has(checked.out, "no objections at issuing");
  }
  CHECK(enroll("odd", "www.example.org", {"--check"}).status == 4);  // which the CA above does not permit
  CHECK(everything() == before);
}

TEST_CASE_METHOD(Sharded, "openssl finds a certificate good or revoked by the shard that it names") {
  const auto names = one_in_each();
  const auto first = cli.run({"ca", "crl", "issuing"});
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  has(first.out, "CRL 1 of issuing, shard 0 with 0 revoked");
  has(first.out, "CRL 2 of issuing, shard 1 with 0 revoked");
  for (const auto& [shard, name] : names) {
    CAPTURE(shard);
    has(judged(name, kBoth), name + ".pem: OK");
    has(judged(name, {"issuing-" + shard + ".crl"}), name + ".pem: OK");
    // The other one says nothing of it.
    CHECK(judged(name, {"issuing-" + std::string(shard == "0" ? "1" : "0") + ".crl"}).find(": OK") ==
          std::string::npos);
  }
  const std::string text = cli.other({"openssl", "crl", "-in", "issuing-1.crl", "-noout", "-text"}).out;
  has(flat(text), "X509v3 Issuing Distribution Point: critical Full Name: URI:http://ca.example.com/issuing-1.crl");

  revoke(names.at("1"));
  has(flat(cli.run({"ca", "show", "issuing"}).out), "CRL of shard 1: what was revoked since the last one: 1");
  const auto second = cli.run({"ca", "crl", "issuing"});
  CHECK(second.status == 0);
  has(second.out, "CRL of shard 0 of issuing is not due: number 1, until ");
  has(second.out, "CRL 3 of issuing, shard 1 with 1 revoked");
  has(judged(names.at("1"), kBoth), "certificate revoked");
  has(judged(names.at("0"), kBoth), names.at("0") + ".pem: OK");
  const auto checked = cli.run({"ca", "crl", "issuing", "--check"});
  CHECK(checked.status == 0);
  has(checked.out, "issuing, shard 0: CRL 1 is valid until");
  has(checked.out, "issuing, shard 1: CRL 3 is valid until");
  const auto all = cli.run({"ca", "crl", "issuing", "--all", "--json"}).json();
  CHECK(all.at("crls").as_array().size() == 2);

  // One that cannot be published holds up no other.
  const std::string zero = cli.read("issuing-0.crl");
  cli.write("issuing-0.crl", cli.read("issuing-1.crl"));
  const auto part = cli.run({"ca", "crl", "issuing", "--all"});
  CHECK(part.status == 1);
  has(part.out, "CRL 6 of issuing, shard 1 with 1 revoked");
  has(flat(part.err), "holds the CRL of http://ca.example.com/issuing-1.crl, and not that of");
  cli.write("issuing-0.crl", zero);

  // Fewer would leave out one that a certificate names.
  set_crl("shards: 2", "shards: 3");
  CHECK(cli.run({"ca", "crl", "issuing"}).status == 0);
  for (int i = 0; issue("more" + std::to_string(i)) != "2"; ++i) REQUIRE(i < 40);
  set_crl("crl: {shards: 3, file: \"issuing-{shard}.crl\", url: \"http://ca.example.com/issuing-{shard}.crl\"",
          "crl: {" + kComplete);
  const auto fewer = cli.run({"ca", "crl", "issuing"});
  CHECK(fewer.status == 1);
  has(flat(fewer.err), "certificates that have not ended name the CRL http://ca.example.com/issuing-");
  CHECK_FALSE(cli.exists("issuing.crl"));

  // Whoever asks hears it long before the last one is overdue.
  set_crl("crl: {" + kComplete,
          "crl: {shards: 2, file: \"issuing-{shard}.crl\", url: \"http://ca.example.com/issuing-{shard}.crl\"");
  const auto one = cli.run({"ca", "crl", "issuing", "--check"});
  CHECK(one.status == 1);
  has(one.out, "issuing, shard 0: CRL ");
  has(flat(one.out),
      "issuing: no other CRL is signed: certificates that have not ended name the CRL http://ca.example.com/");
  has(flat(one.err), "set `shards` and `url` back to what they were");
  has(cli.run({"ca", "crl", "issuing", "--check", "--json"}).json().at("obstacle").as_string(),
      "certificates that have");
  const auto doctor = cli.run({"doctor"});
  CHECK(doctor.status == 1);
  has(flat(doctor.out), "provider issuing: next CRL");
}

TEST_CASE_METHOD(Sharded, "killed between shards no number is used twice, and the next run publishes what is missing") {
  const auto names = one_in_each();
  for (const auto& [shard, name] : names) revoke(name);
  std::int64_t last = 0;
  for (unsigned passing = 1;; ++passing) {
    REQUIRE(passing < 40);
    INFO(passing);
    cli.set("HSMBRIDGE_FAILPOINT", "store.before-commit:" + std::to_string(passing));
    const auto died = cli.run({"ca", "crl", "issuing", "--all"});
    cli.unset("HSMBRIDGE_FAILPOINT");
    const auto next = cli.run({"ca", "crl", "issuing"});
    INFO(next.out << next.err);
    REQUIRE(next.status == 0);
    REQUIRE(cli.run({"ca", "crl", "issuing", "--check"}).status == 0);
    for (const auto& [shard, name] : names) has(judged(name, kBoth), "certificate revoked");
    const auto highest = std::stoll(asked("SELECT MAX(number) FROM crls"));
    CHECK(highest > last);
    last = highest;
    if (died.status != kKilled) break;
  }
  CHECK(asked("SELECT number FROM crls GROUP BY issuer, number HAVING count(*) > 1").empty());
  CHECK(asked("SELECT sha256 FROM crls WHERE sha256 <> '' GROUP BY sha256 HAVING count(*) > 1").empty());
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(Sharded, "a CA that has published complete CRLs goes on with these beside its shards") {
  set_crl(shards(2), "crl: {" + kComplete + ", read_back: false}");
  CHECK(issue("old").empty());
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  set_crl("crl: {" + kComplete + ", read_back: false}", shards(2));
  const auto refused = cli.run({"ca", "crl", "issuing"});
  CHECK(refused.status == 1);
  has(flat(refused.err), "certificates that have not ended name no shard");
  has(flat(refused.err), "complete: {file:");
  set_crl(shards(2), shards(2, ", complete: {" + kComplete + "}"));
  const auto shard = issue("new");
  CHECK_FALSE(shard.empty());
  revoke("old");
  revoke("new");
  const auto published = cli.run({"ca", "crl", "issuing"});
  INFO(published.out << published.err);
  REQUIRE(published.status == 0);
  has(published.out, "CRL 2 of issuing with 2 revoked");
  has(published.out, "CRL 3 of issuing, shard 0");
  has(judged("old", {"issuing.crl"}), "certificate revoked");
  has(judged("new", {"issuing-" + shard + ".crl"}), "certificate revoked");
}

namespace {

// Before the backup one certificate in each shard, and CRLs 1 and 2; after it one more, two revocations, and CRLs 3 and 4.
struct Restored : Sharded {
  std::map<std::string, std::string> names;
  std::string since;

  Restored() {
    set_crl("    chain: root.pem\n", "    chain: root.pem\n    serial_log: issuing.log\n");
    names = one_in_each();
    REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
    REQUIRE(cli.run({"store", "backup", "backup.db"}).status == 0);
    since = issue("since");
    revoke(names.at("0"));
    revoke("since");
    REQUIRE(cli.run({"ca", "crl", "issuing", "--all"}).status == 0);
    for (const char* side : {"store.db-wal", "store.db-shm"}) std::filesystem::remove(cli / side);
    std::filesystem::copy(cli / "backup.db", cli / "store.db", std::filesystem::copy_options::overwrite_existing);
    REQUIRE(cli.run({"store", "accept-restored"}).status == 0);
    CHECK(cli.run({"ca", "crl", "issuing"}).status == 4);
  }
  CliResult resume(const Words& more) const {
    Words words{"ca", "resume", "issuing", "--yes"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }
};

}  // namespace

TEST_CASE_METHOD(Restored, "a CA with shards goes on in a restored store once it was given the last CRL of each") {
  const auto one = resume({"--crl", "issuing-0.crl"});
  CHECK(one.status == 2);
  has(flat(one.err), "the last CRL of shard 1 is missing");
  const auto twice = resume({"--crl", "issuing-0.crl", "--crl", "issuing-0.crl"});
  CHECK(twice.status == 2);
  has(flat(twice.err), "issuing-0.crl is the second CRL for ");
  std::filesystem::create_directory(cli / "last");
  for (const std::string& crl : kBoth) std::filesystem::copy(cli / crl, cli / ("last/" + crl));
  const auto resumed = resume({"--crl", "last"});
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  has(resumed.out, "CRL 5 of issuing, shard 0");
  has(resumed.out, "CRL 6 of issuing, shard 1");
  has(judged(names.at("0"), kBoth), "certificate revoked");
  has(judged("since", {"issuing-" + since + ".crl"}), "certificate revoked");
  has(judged(names.at("1"), kBoth), names.at("1") + ".pem: OK");
  CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 0);
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(Restored,
                 "where the last CRLs of all shards are lost the numbers go on, and what is revoked again is on each") {
  for (const std::string& crl : kBoth) std::filesystem::remove(cli / crl);
  CHECK(resume({"--next-crl-number", "2"}).status == 1);
  const auto resumed = resume({"--next-crl-number", "100"});
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  has(resumed.out, "CRL 101 of issuing, shard 0");
  has(resumed.out, "CRL 102 of issuing, shard 1");
  // Only its number is known, and not which shard it names.
  const std::string serial = cli.other({"openssl", "x509", "-in", "since.pem", "-noout", "-serial"}).out;
  const auto again = cli.run({"ca", "revoke", "issuing", serial.substr(serial.find('=') + 1, serial.size() - 8),
                              "--reason", "superseded", "--yes"});
  INFO(again.err);
  REQUIRE(again.status == 0);
  const auto next = cli.run({"ca", "crl", "issuing"});
  has(next.out, "CRL 103 of issuing, shard 0 with 1 revoked");
  has(next.out, "CRL 104 of issuing, shard 1 with 1 revoked");
  has(judged("since", kBoth), "certificate revoked");
}
