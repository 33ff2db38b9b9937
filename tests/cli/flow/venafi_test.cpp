#include "base/file.h"
#include "cli/flow/cloud_bench.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

namespace hsmbridge::test {
namespace {

// Lines of a profile that has two people, who are made here, approve at this bridge.
std::string wants_two(CloudBench& bench) {
  std::string people = "people:\n";
  for (const std::string name : {"alice", "bob"}) {
    REQUIRE(bench.cli.run({"key", "generate", "--token", "web", "--label", name, "--spec", "ed25519"}).status == 0);
    REQUIRE(bench.cli.run({"key", "public", "--token", "web", name, "--out", name + ".pub"}).status == 0);
    people += "  " + name + ": {public_key: " + (bench.cli / (name + ".pub")).string() + ", token: web, key: " + name +
              ", accounts: []}\n";
  }
  return "    approval: {quorum: 2, of: [alice, bob]}\n" + people;
}

}  // namespace

TEST_CASE("the main job with Venafi ends with a certificate next to its key") {
  CloudBench bench;
  const auto done = bench.enroll();
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  CHECK(bench.cli.pkcs11_tool("web", {"--list-objects", "--type", "cert"}).out.find("web-1") != std::string::npos);
  CHECK(bench.rig.count("POST /outagedetection/v1/certificaterequests 201") == 1);
}

TEST_CASE("a request at Venafi waits for its approvers, and they can decide from here") {
  CloudBench bench("Approval");
  const auto asked = bench.enroll({});
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = Bench::id_in(asked);
  CHECK(says(bench.cli.run({"request", "wait", id, "--timeout", "2s"}), "0 of 2 approvals"));
  // Under each of its two names.
  for (const char* type : {"cyberark-certificate-manager", "venafi-tls-protect-cloud"}) {
    bench.type = type;
    bench.configure("Approval", bench.key_of_ops());
    CHECK(says(bench.cli.run({"request", "explain", id}), "hsmbridge approval accept --provider cloud " + id));
  }
  for (const char* user : {"alice", "bob"}) {
    const auto key = bench.cli.write(std::string(user) + ".key", bench.rig.api_key(user) + "\n");
    bench.configure("Approval", "api_key: \"file:" + key.string() + "\"");
    const auto refused = bench.cli.run({"approval", "accept", "--provider", "cloud", id}, "");
    CHECK(refused.status != 0);
    const auto accepted =
        bench.cli.run({"approval", "accept", "--provider", "cloud", id, "--reason", "reviewed", "--yes"});
    INFO(accepted.out << accepted.err);
    REQUIRE(accepted.status == 0);
  }
  const auto done = bench.cli.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
}

TEST_CASE("a CSR is sent to Venafi once people at this bridge have approved it") {
  CloudBench bench;
  bench.configure("Default", bench.key_of_ops(), "", wants_two(bench));
  const auto asked = bench.enroll({});
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = Bench::id_in(asked);
  CHECK(says(bench.cli.run({"request", "explain", id}), "hsmbridge approval show " + id));
  const auto shown = bench.cli.run({"approval", "show", id, "--as", "alice"});
  CHECK(shown.status == 0);
  CHECK(says(shown, "Alternative name: dns:www.example.com"));
  for (const char* person : {"alice", "bob"}) {
    CHECK(bench.orders() == 0);
    const auto accepted = bench.cli.run({"approval", "accept", id, "--as", person, "--yes"});
    INFO(accepted.out << accepted.err);
    REQUIRE(accepted.status == 0);
  }
  const auto done = bench.cli.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(bench.orders() == 1);
}

TEST_CASE("a CSR that people approved for one zone is not sent to another one, and they are asked again") {
  CloudBench bench;
  const auto approval = wants_two(bench);
  bench.configure("Default", bench.key_of_ops(), "", approval);
  const auto id = Bench::id_in(bench.enroll({}));
  CHECK(says(bench.cli.run({"approval", "show", id, "--as", "alice"}), R"("zone": "Payments\\Default")"));
  for (const char* person : {"alice", "bob"}) {
    REQUIRE(bench.cli.run({"approval", "accept", id, "--as", person, "--yes"}).status == 0);
  }
  bench.configure("Approval", bench.key_of_ops(), "", approval);
  auto shown = bench.cli.run({"approval", "show", id, "--as", "alice"});
  for (int i = 0; i < 10 && shown.status != 0; ++i) {
    CHECK(bench.cli.run({"request", "wait", id, "--timeout", "4s"}).status != 0);
    shown = bench.cli.run({"approval", "show", id, "--as", "alice"});
  }
  CHECK(says(shown, R"("zone": "Payments\\Approval")"));
  CHECK(bench.orders() == 0);
}

TEST_CASE("what waits for our account at Venafi is listed, shown and compared before it is decided") {
  CloudBench bench("Approval");
  const auto none = bench.cli.run({"approval", "list", "--provider", "cloud"});
  CHECK(none.out == "nothing waits for our account at cloud\n");
  const auto id = Bench::id_in(bench.enroll({}));
  CHECK(says(bench.cli.run({"approval", "list", "--provider", "cloud"}), id));
  const auto listed = bench.cli.run({"--json", "approval", "list", "--provider", "cloud"}).json();
  const auto& task = listed.at("tasks").as_array().at(0);
  CHECK(task.at("request").as_string() == id);
  CHECK(task.at("status").as_string() == "PENDING_APPROVAL");
  CHECK(task.find("operation") == nullptr);
  for (const auto& name : {id, task.at("task").as_string()}) {
    const auto shown = bench.cli.run({"approval", "show", "--provider", "cloud", name});
    INFO(shown.out << shown.err);
    CHECK(shown.status == 0);
    CHECK(says(shown, "it holds the CSR that we sent"));
    CHECK(says(shown, "next: hsmbridge approval accept --provider cloud " + id));
  }
  // A provider whose approvers decide with keys of their own is asked as one of them.
  CHECK(bench.cli.run({"approval", "list", "--provider", "cloud", "--as", "alice"}).status == 1);
}

TEST_CASE("a rejection at Venafi is exit 4 with who and why") {
  CloudBench bench("Approval");
  const auto id = Bench::id_in(bench.enroll({}));
  const auto key = bench.cli.write("alice.key", bench.rig.api_key("alice") + "\n");
  bench.configure("Approval", "api_key: \"file:" + key.string() + "\"");
  REQUIRE(bench.cli.run({"approval", "reject", "--provider", "cloud", id, "--reason", "not ours", "--yes"}).status ==
          0);
  const auto ended = bench.cli.run({"request", "wait", id, "--timeout", "30s"});
  CHECK(ended.status == 4);
  CHECK(says(ended, "not ours"));
  // Decided is decided.
  CHECK(bench.cli.run({"approval", "accept", "--provider", "cloud", id, "--yes"}).status != 0);
  CHECK(bench.leaves().find(R"("kind":"provider-decision-answered")") != std::string::npos);
  CHECK(bench.leaves().find(R"("outcome":"taken")") != std::string::npos);
}

TEST_CASE("a request that is being withdrawn is not approved from here, but may be rejected") {
  CloudBench bench("Approval");
  const auto id = Bench::id_in(bench.enroll({}));
  const auto reference = Json::parse(bench.cli.run({"request", "show", id, "--json"}).out)
                             .at("current")
                             .at("submission")
                             .at("reference")
                             .as_string();
  bench.cli.run({"request", "cancel", id});
  const auto key = bench.cli.write("alice.key", bench.rig.api_key("alice") + "\n");
  bench.configure("Approval", "api_key: \"file:" + key.string() + "\"");
  // By either of its ids, however it is typed.
  std::string upper = reference;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  for (const auto& name : {id, reference, upper}) {
    const auto refused = bench.cli.run({"approval", "accept", "--provider", "cloud", name, "--yes"});
    CHECK(refused.status == 4);
    CHECK(says(refused, "is being withdrawn"));
  }
  // Nor when it has ended here, while it still waits there.
  REQUIRE(bench.cli.run({"request", "resolve", id, "--abandon", "--reason", "test"}).status == 0);
  const auto ended = bench.cli.run({"approval", "accept", "--provider", "cloud", upper, "--yes"});
  CHECK(ended.status == 4);
  CHECK(says(ended, "is not waited for here: it is Abandoned"));
  CHECK(bench.cli.run({"approval", "reject", "--provider", "cloud", reference, "--yes"}).status == 0);
}

TEST_CASE("somebody else's request is approved by whoever reads it, and not by --yes") {
  CloudBench bench("Approval");
  const auto id = Bench::id_in(bench.enroll({}));
  const auto reference = Json::parse(bench.cli.run({"request", "show", id, "--json"}).out)
                             .at("current")
                             .at("submission")
                             .at("reference")
                             .as_string();
  const auto key = bench.cli.write("alice.key", bench.rig.api_key("alice") + "\n");
  bench.configure("Approval", "api_key: \"file:" + key.string() + "\"");
  CHECK(bench.cli.run({"approval", "accept", "--provider", "cloud", id, "--yes", "--sha256", "00"}).status == 2);
  // A store that knows nothing of it.
  for (const char* file : {"hsmbridge.db", "hsmbridge.db-wal", "hsmbridge.db-shm"}) {
    std::filesystem::remove(bench.cli / file);
  }
  REQUIRE(bench.cli.run({"store", "init", "--start-over"}).status == 0);
  const auto blind = bench.cli.run({"approval", "accept", "--provider", "cloud", reference, "--yes"});
  CHECK(blind.status == 4);
  CHECK(says(blind, "--yes is for requests of this bridge"));
  CHECK(bench.rig.count("POST /v1/certificaterequests/" + reference + "/approval/") == 0);
}

TEST_CASE("a decision that the service refuses is in the audit log as that") {
  CloudBench bench("Approval");
  const auto id = Bench::id_in(bench.enroll({}));
  // Whoever ordered may not approve.
  const auto own = bench.cli.run({"approval", "accept", "--provider", "cloud", id, "--yes"});
  CHECK(own.status == 4);
  CHECK(says(own, "Forbidden"));
  CHECK(bench.leaves().find(R"("outcome":"denied: )") != std::string::npos);
  CHECK(bench.leaves().find(R"("outcome":"taken")") == std::string::npos);
}

TEST_CASE("a key that is refused while a request waits ends nothing") {
  CloudBench bench("Approval");
  const auto id = Bench::id_in(bench.enroll({}));
  const auto wrong = bench.cli.write("wrong.key", "no-such-key\n");
  bench.configure("Approval", "api_key: \"file:" + wrong.string() + "\"");
  const auto waiting = bench.cli.run({"request", "wait", id, "--timeout", "2s"});
  CHECK(waiting.status == 3);
  CHECK(says(waiting, "Invalid api key"));
  CHECK(says(waiting, "AwaitingApproval"));
}

TEST_CASE("a certificate for another key is quarantined, kept and installed nowhere") {
  CloudBench bench;
  bench.rig.command(R"(venafi set --knobs '{"wrong_key":true}')");
  const auto result = bench.enroll();
  CHECK(result.status == 6);
  CHECK(says(result, "FATAL key-differs"));
  CHECK(says(result, "installed nowhere"));
  CHECK(bench.cli.pkcs11_tool("web", {"--list-objects", "--type", "cert"}).out.find("web-1") == std::string::npos);
}

TEST_CASE("issued without ids is said as that, and ends well when they come") {
  CloudBench bench;
  bench.rig.command(R"(venafi set --knobs '{"without_ids":true}')");
  const auto first = bench.enroll({"--wait", "--timeout", "2s"});
  CHECK(first.status == 3);
  CHECK(says(first, "ISSUED, but not which certificate"));
  bench.rig.command(R"(venafi set --knobs '{"without_ids":false}')");
  const auto done = bench.cli.run({"request", "wait", Bench::id_in(first), "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
}

TEST_CASE("a wrong API key, an unknown alias and a template without uploads are one clear sentence each") {
  CloudBench bench;
  const auto wrong = bench.cli.write("wrong.key", "no-such-key\n");
  bench.configure("Default", "api_key: \"file:" + wrong.string() + "\"");
  // Somebody may correct it while the request waits, and nothing was sent.
  const auto key = bench.enroll({"--wait", "--timeout", "2s"});
  CHECK(key.status == 3);
  CHECK(says(key, "Invalid api key"));
  CHECK(bench.rig.count("POST /outagedetection/v1/certificaterequests ") == 0);

  CloudBench alias("Defalt");
  const auto unknown = alias.enroll({"--wait", "--timeout", "2s"});
  CHECK(unknown.status == 3);
  CHECK(says(unknown, "has no issuing template with the alias \"Defalt\"; it has: Approval, "));

  CloudBench closed("NoUpload");
  const auto tested = closed.cli.run({"provider", "test", "cloud"});
  CHECK(tested.status == 4);
  CHECK(
      says(tested, "nothing can be ordered there: the issuing template NoUpload does not accept CSRs made elsewhere"));
  const auto refused = closed.enroll();
  CHECK(refused.status == 4);
  CHECK(says(refused, "does not accept CSRs made elsewhere"));
}

TEST_CASE("a zone without a backslash is a configuration error with its line") {
  CloudBench bench;
  bench.configure("", "api_key: env:KEY", "Payments");
  const auto result = bench.enroll();
  CHECK(result.status == 2);
  CHECK(says(result, "has no backslash"));
  CHECK(says(result, "providers.cloud.zone"));
}

TEST_CASE("enroll --check makes nothing and lists every objection") {
  CloudBench bench("Strict");
  const auto checked = bench.enroll({"--check", "--san", "ip:192.0.2.1"});
  CHECK(checked.status == 4);
  CHECK(says(checked, "subject ST is missing; allowed: Zurich"));
  CHECK(says(checked, "IP address \"192.0.2.1\": none is allowed"));
  CHECK(bench.cli.pkcs11_tool("web", {"--list-objects"}).out.find("web-1") == std::string::npos);
  CHECK(says(bench.cli.run({"request", "list"}), "no requests"));

  CloudBench good;
  REQUIRE(good.cli.run({"key", "generate", "--token", "web", "--label", "there", "--spec", "ec:P-256"}).status == 0);
  const auto fine = good.cli.run({"enroll", "--key", "there", "--san", "dns:www.example.com", "--check"});
  INFO(fine.out << fine.err);
  CHECK(fine.status == 0);
  CHECK(says(fine, "its dry run accepts the request"));
  CHECK(good.rig.count("POST /outagedetection/v1/certificaterequests/validation 201") == 1);
  CHECK(good.rig.count("POST /outagedetection/v1/certificaterequests 201") == 0);
}

TEST_CASE("a policy is shown, and a provider without one says so") {
  CloudBench bench("Strict");
  const auto shown = bench.cli.run({"provider", "show", "cloud", "--policy"});
  INFO(shown.out << shown.err);
  CHECK(shown.status == 0);
  CHECK(says(shown, "Payments\\Strict"));
  CHECK(says(shown, R"(.*\.example\.com)"));
  const auto tested = bench.cli.run({"provider", "test", "cloud"});
  CHECK(tested.status == 0);
  CHECK(says(tested, "API key of ops@example.com"));
}

TEST_CASE("an API key that Venafi repeats, whatever the status, is written nowhere") {
  CloudBench bench;
  const auto key = bench.rig.api_key("ops");
  const auto clean = [&](const CliResult& result) { return (result.out + result.err).find(key) == std::string::npos; };
  unsigned made = 0;
  for (const char* status : {"200", "201", "400", "401", "403", "404", "412", "429", "500", "503"}) {
    CAPTURE(status);
    const auto echo = R"({"errors":[{"code":1001,"message":"key )" + key + R"( is odd","args":[")" + key +
                      R"("]}],"certificateRequests":[{"id":"x y","status":")" + key + R"("}]})";
    bench.rig.command(std::string("fault --kind status --method POST --path /outagedetection/v1/certificaterequests "
                                  "--status ") +
                      status + " --body '" + echo + "'");
    CHECK(clean(
        bench.cli.run({"enroll", "--provider", "cloud", "--profile", "server", "--new-key",
                       "web-" + std::to_string(++made), "--san", "dns:www.example.com", "--wait", "--timeout", "1s"})));
    const auto list = bench.cli.run({"request", "list", "--json"});
    CHECK(clean(list));
    const auto id = list.json().at("requests").as_array().at(0).at("id").as_string();
    for (const char* verb : {"show", "explain", "history"}) {
      CHECK(clean(bench.cli.run({"request", verb, id, "--json"})));
    }
    bench.rig.command("fault --clear");
  }
  CHECK(bench.cli.other({"sh", "-c", "cat hsmbridge.db* | grep -c -a -F " + key}).out == "0\n");
}

TEST_CASE("the service is known under the name that it is sold under today") {
  CloudBench bench;
  const auto file = bench.cli / ".config/hsmbridge/hsmbridge.yaml";
  auto text = std::string(as_text(read_file(file)));
  text.replace(text.find("venafi-tls-protect-cloud"), std::string("venafi-tls-protect-cloud").size(),
               "cyberark-certificate-manager");
  bench.cli.write(".config/hsmbridge/hsmbridge.yaml", text);
  CHECK(bench.enroll().status == 0);
  CHECK(says(bench.cli.run({"provider", "types"}), "venafi-tls-protect-cloud or cyberark-certificate-manager"));
}

TEST_CASE("a service account's JWT is signed by a key in the token") {
  CloudBench bench;
  REQUIRE(bench.cli.run({"key", "generate", "--token", "web", "--label", "jwt", "--spec", "ec:P-256"}).status == 0);
  const auto pem = bench.cli.run({"key", "public", "--token", "web", "jwt"}).out;
  const Json body = Json::object({{"name", "hsmbridge"}, {"authenticationType", "rsaKey"}, {"publicKey", pem}});
  const auto made =
      bench.cli.other({"curl", "-sS", "--cacert", bench.rig.about().at("ca").as_string(), "-H",
                       "tppl-api-key: " + bench.rig.api_key("ops"), "-H", "Content-Type: application/json", "-d",
                       body.dump(), bench.rig.about().at("url").as_string() + "/v1/serviceaccounts"});
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  const auto client = Json::parse(made.out).at("id").as_string();
  bench.configure("Default", "service_account: {client_id: " + client + ", key: {token: web, key: jwt}}");
  const auto done = bench.enroll();
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(bench.rig.count("POST /v1/oauth/token/serviceaccount 200") >= 1);
  const auto leaves = bench.leaves();
  CHECK(leaves.find(R"("kind":"service-account-key-used")") != std::string::npos);
  CHECK(leaves.find("a JWT for an access token at cloud") != std::string::npos);
}

}  // namespace hsmbridge::test
