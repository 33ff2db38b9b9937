// A CA whose key is at a TSB, as its operators and approvers use it; what it issues is judged by openssl.
#include "quorum.h"

#include <csignal>
#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::test;

TEST_CASE("a certificate of a CA whose key is at a TSB is signed once two of three approved its very bytes") {
  Quorum place;
  const Bench& bench = place.bench;
  const auto asked = place.enroll("www");
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = Bench::id_in(asked);
  CHECK(bench.state_of(id) == "AwaitingApproval");
  // The number is in the store, and the use of the key in the log, before anybody approves.
  CHECK(place.asked("SELECT count(*) FROM serial_numbers WHERE request = '" + id + "'") == "1\n");
  has(place.audit(), "ca-signature-asked");
  const auto explained = flat(bench.run({"request", "explain", id}).out);
  has(explained, "it is signed with key issuing-2026 at provider tsb");
  has(explained, "alice (ca operators) has not decided yet");

  const auto tasks = bench.tasks_of("alice");
  REQUIRE(tasks.size() == 1);
  const auto shown = bench.run({"approval", "show", "--as", "alice", tasks.front()});
  INFO(shown.out << shown.err);
  CHECK(shown.status == 0);
  has(shown.out, "issuing-2026");
  has(shown.out, "www.example.com");
  has(flat(shown.out), "our request " + id + ": exactly the bytes that were frozen there");

  CHECK(bench.approve_all("alice") == 1);
  CHECK(place.wait(id, "2s").status == 3);
  CHECK(bench.approve_all("bob") == 1);
  const auto done = place.wait(id);
  INFO(done.out << done.err << bench.run({"request", "history", id}).out);
  REQUIRE(done.status == 0);
  const auto judged = place.judged("www.pem");
  INFO(judged.out << judged.err);
  CHECK(judged.status == 0);
  CHECK(bench.objects("www").certificates == 1);
  CHECK(place.submissions() == 1);
  // The one that is installed has the number that was taken.
  const auto number = bench.cli().other({"openssl", "x509", "-in", "www.pem", "-noout", "-serial"}).out;
  CHECK(place.asked("SELECT upper(serial) FROM serial_numbers WHERE request = '" + id + "'") ==
        number.substr(number.find('=') + 1));
  CHECK(bench.run({"audit", "verify"}).status == 0);
}

TEST_CASE("where the key of a CA is, is said wherever the CA is shown") {
  Quorum place;
  has(place.bench.run({"ca", "show", "issuing"}).out, "issuing-2026 at provider tsb");
  has(place.bench.run({"ca", "list"}).out, "issuing-2026 at provider tsb");
  const Json shown = place.bench.run({"ca", "show", "issuing", "--json"}).json();
  CHECK(shown.at("key_provider").as_string() == "tsb");
  const auto tested = place.bench.run({"provider", "test", "issuing"});
  INFO(tested.out << tested.err);
  CHECK(tested.status == 0);
  has(flat(tested.out), "key issuing-2026 at provider tsb is the key of the certificate");
  has(tested.out, "2 of 3 in group ca operators");
  has(flat(place.bench.run({"doctor"}).out), "its key issuing-2026 is at provider tsb");
  has(place.bench.run({"provider", "types"}).out, "local-ca, key at a Securosys TSB");
}

TEST_CASE("all that a CA refuses it refuses before the TSB is asked") {
  Quorum place;
  const auto refused = place.enroll("www", {"--extended-usage", "codeSigning"});
  CHECK(refused.status == 4);
  has(flat(refused.out + refused.err), "profile tls does not permit the extended key usage codeSigning");
  const auto commanded = [&] { return place.enroll("root-like"); };
  place.change("    key: {provider: tsb, key: issuing-2026}\n",
               "    key: {provider: tsb, key: issuing-2026}\n    operator_command: true\n");
  const auto waits = commanded();
  CHECK(waits.status == 3);
  const auto id = Bench::id_in(waits);
  CHECK(place.bench.state_of(id) == "AwaitingCommand");
  CHECK(place.submissions() == 0);
  const auto shown = place.bench.run({"request", "command", id});
  const auto command = place.bench.run({"request", "command", id, "--yes", "--sha256", sha256_in(shown.err)});
  INFO(command.out << command.err);
  place.wait(id, "3s");
  CHECK(place.bench.state_of(id) == "AwaitingApproval");
  CHECK(place.submissions() == 1);
}

TEST_CASE("approvals at this bridge come before those at the TSB") {
  Quorum place;
  const Cli& cli = place.bench.cli();
  cli.make_token("dora");
  place.change("tokens:\n", "tokens:\n  dora: {module: " + Cli::module().string() +
                                ", uri: \"pkcs11:token=dora\", pin: \"file:" + (place.bench / "dora.pin").string() +
                                "\"}\n");
  REQUIRE(cli.run({"key", "generate", "--token", "dora", "--label", "approver", "--spec", "ec:P-256"}).status == 0);
  cli.write("dora.pem", cli.run({"key", "public", "--token", "dora", "approver"}).out);
  place.change("people:\n", "people:\n  dora: {public_key: " + (place.bench / "dora.pem").string() +
                                ", token: dora, key: approver, accounts: [nobody-here]}\n");
  place.change("  www: {provider: issuing,", "  www: {approval: {quorum: 1, of: [dora]}, provider: issuing,");
  const auto asked = place.enroll("www");
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = Bench::id_in(asked);
  CHECK(place.bench.state_of(id) == "AwaitingLocalApproval");
  CHECK(place.submissions() == 0);
  const auto shown = place.bench.run({"approval", "show", id, "--as", "dora", "--json"});
  INFO(shown.err);
  const auto accepted = place.bench.run(
      {"approval", "accept", id, "--as", "dora", "--yes", "--sha256", shown.json().at("payload_sha256").as_string()});
  INFO(accepted.out << accepted.err);
  CHECK(accepted.status == 0);
  place.wait(id, "3s");
  CHECK(place.bench.state_of(id) == "AwaitingApproval");
  CHECK(place.submissions() == 1);
}

TEST_CASE("a lost answer is never followed by a second submission with the key of a CA") {
  Quorum place(0);
  REQUIRE(place.bench.rig({"fault", "--kind", "drop-after", "--method", "POST", "--path", "/v1/sign"}).status == 0);
  const auto lost = place.enroll("www", {"--wait", "--timeout", "30s"});
  INFO(lost.out << lost.err);
  REQUIRE(lost.status == 6);
  const auto id = Bench::id_in(lost);
  CHECK(place.bench.state_of(id) == "Unresolved");
  place.finish(id);
  CHECK(place.submissions() == 1);
  CHECK(place.judged("www.pem").status == 0);
}

TEST_CASE("what people at the TSB reject, or do not approve in time, ends without a certificate") {
  SECTION("rejected") {
    Quorum place;
    const auto id = Bench::id_in(place.enroll("www"));
    for (const std::string name : {"alice", "bob"}) {
      const auto tasks = place.bench.tasks_of(name);
      REQUIRE(tasks.size() == 1);
      REQUIRE(place.bench.run({"approval", "reject", "--as", name, tasks.front(), "--yes"}).status == 0);
    }
    CHECK(place.wait(id).status == 4);
    CHECK(place.bench.state_of(id) == "Rejected");
    CHECK_FALSE(place.bench.cli().exists("www.pem"));
  }
  SECTION("expired") {
    Quorum place(2, "", {"--timeout", "60"});
    const auto id = Bench::id_in(place.enroll("www"));
    REQUIRE(place.bench.rig({"clock", "--advance", "2h"}).status == 0);
    CHECK(place.wait(id).status == 4);
    CHECK(place.bench.state_of(id) == "Expired");
    CHECK_FALSE(place.bench.cli().exists("www.pem"));
  }
  SECTION("cancelled here") {
    Quorum place;
    const auto id = Bench::id_in(place.enroll("www"));
    CHECK(place.bench.run({"request", "cancel", id, "--reason", "a mistake"}).status == 3);
    CHECK(place.wait(id).status == 4);
    CHECK(place.bench.state_of(id) == "Cancelled");
    CHECK(place.bench.tasks_of("alice").empty());
  }
}

TEST_CASE("a certificate that is not of the key at the TSB asks nobody") {
  Quorum place;
  place.change("certificate: " + place.certificate, "certificate: " + (place.bench / "rig/ca-key.pem").string());
  const auto tested = place.bench.run({"provider", "test", "issuing"});
  CHECK(tested.status == 1);
  has(flat(tested.err), "key issuing-2026 at provider tsb is not the key of");
  place.change(
      "www: {provider: issuing, token: web, key: \"ec:P-256\", anchors: [" + place.certificate,
      "www: {provider: issuing, token: web, key: \"ec:P-256\", anchors: [" + (place.bench / "rig/ca-key.pem").string());
  const auto waits = place.enroll("www");
  INFO(waits.out << waits.err);
  CHECK(waits.status == 3);
  has(flat(waits.out + waits.err), "is not the key of");
  CHECK(place.submissions() == 0);
}

TEST_CASE("a CA's key at a TSB is told apart from the provider's own, and from a second CA's") {
  Quorum place;
  const std::string good = place.bench.cli().read(Quorum::kFile);
  struct Row {
    std::string from, to, problem;
  };
  for (const Row& row : {
           Row{"sign_key: ca-key", "sign_key: issuing-2026", "is the sign_key of provider tsb too"},
           Row{"{provider: tsb, key: issuing-2026}", "{provider: tsp, key: issuing-2026}",
               "'tsp' is not among the providers of this file"},
           Row{"{provider: tsb, key: issuing-2026}", "{provider: issuing, key: issuing-2026}",
               "is of type local-ca, which keeps no key of a CA here"},
           Row{"{provider: tsb, key: issuing-2026}", "{provider: tsb, token: web, key: issuing-2026}",
               "names both a token and a provider"},
           Row{"{provider: tsb, key: issuing-2026}",
               "{provider: tsb, key: issuing-2026}\n    root: {subject: {CN: Root}}", "is for a key in a token"},
       }) {
    CAPTURE(row.problem);
    place.bench.cli().write(Quorum::kFile, good);
    place.change(row.from, row.to);
    const auto refused = place.bench.run({"ca", "list"});
    CHECK(refused.status == 2);
    has(flat(refused.err), row.problem);
  }
  // The TSB's entry without a key of its own certifies nothing.
  place.bench.cli().write(Quorum::kFile, good);
  place.change("    sign_key: ca-key\n    issuer: " + (place.bench / "rig/ca-key.pem").string() + "\n", "");
  has(place.bench.run({"provider", "test", "tsb"}).out, "it has no sign_key");
  const auto refused =
      place.bench.run({"enroll", "--profile", "server", "--new-key", "w", "--san", "dns:w.example.com"});
  CHECK(refused.status == 4);
  has(flat(refused.out + refused.err), "provider tsb has no sign_key");
  CHECK(place.enroll("www").status == 3);
}

TEST_CASE("no leaf is certified for the key of a CA at a TSB, and the CA is not made by ca init") {
  Quorum place;
  // The TSB makes a CSR with the CA's key, as its quorum lets it.
  const auto root = place.bench.run({"ca", "init", "issuing", "--parent", "tsb", "--yes"});
  CHECK(root.status == 1);
  has(flat(root.err), "is there, and was not touched");
  std::filesystem::rename(place.certificate, place.bench / "elsewhere.pem");
  const auto parent = place.bench.run({"ca", "init", "issuing", "--parent", "tsb", "--profile", "www", "--yes"});
  CHECK(parent.status == 2);
  has(flat(parent.err), "the key issuing-2026 of the CA issuing is at provider tsb: its CSR is made there");
  has(flat(parent.err), "hsmbridge enroll --csr FILE --ca --provider tsb");
  const auto alone = place.bench.run({"ca", "init", "issuing", "--yes"});
  CHECK(alone.status == 2);
  has(flat(alone.err), "a root is made with a key in a token alone");
}

TEST_CASE("a CA below a root in a token is made by the CSR that the TSB signed under quorum") {
  Quorum place(1);
  Bench& bench = place.bench;
  const Cli& cli = bench.cli();
  cli.make_token("root");
  place.change("tokens:\n", "tokens:\n  root: {module: " + Cli::module().string() +
                                ", uri: \"pkcs11:token=root\", pin: \"file:" + (bench / "root.pin").string() + "\"}\n");
  const auto issuing = (bench / "issuing.pem").string();
  const auto root = (bench / "root.pem").string();
  place.change("certificate: " + place.certificate, "certificate: " + issuing + "\n    chain: " + root);
  place.change("anchors: [" + place.certificate, "anchors: [" + root);
  place.change("providers:\n",
               "providers:\n  root:\n    type: local-ca\n    certificate: " + root +
                   "\n    key: {token: root, key: root-2026}\n    root: {subject: {C: CH, O: Example, "
                   "CN: Example Root}, validity: 7300d}\n    profiles:\n      sub-ca:\n        validity: "
                   "3650d\n        usage: [keyCertSign, cRLSign]\n        basic_constraints: "
                   "\"CA:TRUE,pathlen:0\"\n");
  place.change("profiles:\n  server:",
               "profiles:\n  sub-ca:\n    subject: {C: CH, O: Example, CN: Example Issuing}\n"
               "    usage: [keyCertSign, cRLSign]\n    anchors: [" +
                   root + "]\n  server:");
  const auto made = bench.run({"ca", "init", "root", "--yes"});
  INFO(made.err);
  REQUIRE(made.status == 0);

  // The vendor's own way to a CSR.
  const auto about = Json::parse(cli.read("rig/tsb.json"));
  const auto post = cli.other(
      {"curl", "-sS", "--fail-with-body", "--cacert", "rig/ca.pem", "-X", "POST", "-H",
       "X-API-KEY: " + about.at("api_keys").at("keyOperationToken").as_array().at(0).as_string(), "-H",
       "Content-Type: application/json", "--data",
       R"({"csrSignRequest":{"signKeyName":"issuing-2026","signatureAlgorithm":"SHA256_WITH_ECDSA",)"
       R"("keyPassword":null,"validity":365,"standardCertificateAttributes":{"commonName":"Example Issuing"}}})",
       about.at("url").as_string() + "/v1/certificate/request"});
  INFO(post.out << post.err);
  REQUIRE(post.status == 0);
  const auto request = Json::parse(post.out).at("signRequestId").as_string();
  const auto tasks = bench.run({"approval", "list", "--as", "alice", "--json"}).json();
  const Json& task = tasks.at("tasks").as_array().at(0);
  REQUIRE(bench
              .run({"approval", "accept", "--as", "alice", task.at("task").as_string(), "--sha256",
                    task.at("payload_sha256").as_string(), "--yes"})
              .status == 0);
  const auto got = cli.other({"curl", "-sS", "--cacert", "rig/ca.pem", "-H",
                              "X-API-KEY: " + about.at("api_keys").at("keyOperationToken").as_array().at(0).as_string(),
                              about.at("url").as_string() + "/v1/request/" + request});
  cli.write("issuing.csr", Json::parse(got.out).at("result").as_string());

  const auto certified = bench.run({"enroll", "--csr", "issuing.csr", "--ca", "--path-length", "0", "--provider",
                                    "root", "--profile", "sub-ca", "--install", "file:leaf:" + issuing});
  INFO(certified.out << certified.err);
  REQUIRE(certified.status == 0);
  has(flat(bench.run({"ca", "show", "issuing"}).out), "Issues: yes");
  has(flat(bench.run({"provider", "test", "issuing"}).out), "is the key of the certificate");

  const auto asked = place.enroll("www");
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  REQUIRE(bench.approve_all("carol") == 1);
  place.finish(Bench::id_in(asked));
  const auto verified =
      cli.other({"openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "issuing.pem", "www.pem"});
  INFO(verified.out << verified.err);
  CHECK(verified.status == 0);
  // A leaf for that key, by the same CSR.
  const auto leaf = bench.run({"enroll", "--csr", "issuing.csr", "--provider", "root", "--profile", "sub-ca",
                               "--install", "file:leaf:" + (bench / "x.pem").string()});
  CHECK(leaf.status == 4);
  has(flat(leaf.err), "is the key of the CA issuing: it gets no certificate but a CA's");
}

TEST_CASE("killed around the submission there is one for each request, and one certificate of its number") {
  Quorum place(0);
  unsigned made = 0;
  for (const std::string failpoint : {"engine.after-start", "engine.after-run", "engine.before-outcome"}) {
    for (unsigned passing = 1;; ++passing) {
      REQUIRE(passing < 40);
      const auto label = "key-" + std::to_string(++made);
      const auto before = place.submissions();
      const auto point = failpoint + ":" + std::to_string(passing);
      INFO(point);
      std::filesystem::remove(place.bench / "www.pem");
      place.bench.cli().set("HSMBRIDGE_FAILPOINT", point);
      const auto died = place.enroll(label, {"--wait", "--timeout", "20s"});
      place.bench.cli().unset("HSMBRIDGE_FAILPOINT");
      if (died.status == 128 + SIGKILL) {
        const auto listed = place.bench.run({"request", "list", "--json", "--name", label + ".example.com"}).json();
        const auto& requests = listed.at("requests").as_array();
        if (requests.empty()) {
          place.finish(Bench::id_in(place.enroll(label)));
        } else {
          place.finish(requests.front().at("id").as_string());
        }
      } else {
        INFO(died.out << died.err);
        REQUIRE(died.status == 0);
      }
      CHECK(place.submissions() == before + 1);
      CHECK(place.judged("www.pem").status == 0);
      if (died.status != 128 + SIGKILL) break;
    }
  }
  CHECK(place.asked("SELECT issuer, serial FROM certificates GROUP BY issuer, serial HAVING count(*) > 1").empty());
  CHECK(place.bench.run({"audit", "verify"}).status == 0);
}
