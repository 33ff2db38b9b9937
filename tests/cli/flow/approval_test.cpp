#include "base/bytes.h"
#include "base/json.h"
#include "support/bench/bench.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

std::string pending(const Bench& bench, const std::string& label, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words{"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com"};
  words.insert(words.end(), more.begin(), more.end());
  const auto asked = bench.run(words);
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  return Bench::id_in(asked);
}

}  // namespace

TEST_CASE("an approver sees the certificate and our request before anything is signed") {
  Bench bench;
  const auto id = pending(bench, "web-1");
  const auto tasks = bench.tasks_of("alice");
  REQUIRE(tasks.size() == 1);
  const auto shown = bench.run({"approval", "show", "--as", "alice", tasks[0].substr(0, 8)});
  INFO(shown.out << shown.err);
  CHECK(shown.status == 0);
  CHECK(shown.out.find("our request " + id + ": exactly the bytes that were frozen there") != std::string::npos);
  CHECK(shown.out.find("Alternative name: dns:web-1.example.com") != std::string::npos);
  CHECK(shown.out.find("Signing key:  ca-key") != std::string::npos);
  const auto sha = bench.run({"request", "show", id}).out;
  const auto json = bench.run({"--json", "approval", "show", "--as", "alice", tasks[0]}).json();
  CHECK(sha.find(json.at("payload_sha256").as_string()) != std::string::npos);
}

TEST_CASE("without a terminal an approval wants --yes and signs nothing") {
  Bench bench;
  pending(bench, "web-1");
  const auto task = bench.tasks_of("alice").at(0);
  const auto asked = bench.run({"approval", "accept", "--as", "alice", task});
  INFO(asked.out << asked.err);
  CHECK(asked.status == 4);
  CHECK(asked.err.find("--yes") != std::string::npos);
  CHECK(bench.count("POST /v1/approval") == 0);
  CHECK(bench.run({"approval", "accept", "--as", "alice", task, "--yes"}).status == 0);
  CHECK(bench.count("POST /v1/approval") == 1);
  // The task is gone once it is decided.
  const auto again = bench.run({"approval", "accept", "--as", "alice", task, "--yes"});
  CHECK(again.status == 1);
  CHECK(again.err.find("no open task") != std::string::npos);
}

TEST_CASE("without a question bytes that no request here froze are approved by their hash only") {
  Bench bench;
  pending(bench, "web-1");
  // An approver's own machine: the same TSB, and a store that knows nothing of the request.
  auto text = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  text.replace(text.find("hsmbridge.db"), 12, "approver.db");
  bench.cli().write("approver.yaml", text);
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"--config", "approver.yaml"});
    return bench.run(words);
  };
  const auto task = bench.tasks_of("alice").at(0);
  const auto sha = run({"--json", "approval", "show", "--as", "alice", task}).json().at("payload_sha256").as_string();
  const auto blind = run({"approval", "accept", "--as", "alice", task, "--yes"});
  INFO(blind.out << blind.err);
  CHECK(blind.status == 4);
  CHECK(blind.err.find("approval show --as alice " + task.substr(0, 8) + "`, then give the --sha256 that it shows") !=
        std::string::npos);
  CHECK(run({"approval", "accept", "--as", "alice", task, "--sha256", std::string(64, 'a'), "--yes"}).status == 4);
  CHECK(bench.count("POST /v1/approval") == 0);
  CHECK(run({"approval", "accept", "--as", "alice", task, "--sha256", sha, "--yes"}).status == 0);
  CHECK(bench.count("POST /v1/approval") == 1);
}

TEST_CASE("every use of an approver's key is in the audit log before its signature leaves") {
  Bench bench;
  pending(bench, "web-1");
  const auto task = bench.tasks_of("alice").at(0);
  REQUIRE(bench.run({"approval", "accept", "--as", "alice", task, "--yes"}).status == 0);
  const auto leaves = bench.cli().other({"sqlite3", "hsmbridge.db",
                                         "SELECT count(*) FROM leaves WHERE CAST(data AS TEXT) LIKE "
                                         "'%approver-key-used%' AND CAST(data AS TEXT) LIKE '%approving task%'"});
  INFO(leaves.err);
  CHECK(leaves.out == "1\n");
}

TEST_CASE("who approves must be said when several people have a key here") {
  Bench bench;
  const auto nobody = bench.run({"approval", "list"});
  CHECK(nobody.status == 1);
  CHECK(nobody.err.find("alice") != std::string::npos);
  CHECK(nobody.err.find("--as NAME") != std::string::npos);
  CHECK(bench.run({"approval", "list", "--as", "mallory"}).status == 1);
  const auto none = bench.run({"approval", "list", "--as", "carol"});
  CHECK(none.status == 0);
  CHECK(none.out == "nothing waits for carol at tsb\n");
}

TEST_CASE("a task whose request is withdrawn or over here is not approved") {
  Bench bench;
  const auto id = pending(bench, "web-1");
  const auto task = bench.tasks_of("alice").at(0);
  // The TSB does not learn of it: its task stays.
  REQUIRE(bench
              .rig({"fault", "--kind", "status", "--status", "503", "--method", "DELETE", "--path", "/v1/request",
                    "--times", "0"})
              .status == 0);
  REQUIRE(bench.run({"request", "cancel", id}).status == 3);
  const auto refused = bench.run({"approval", "accept", "--as", "alice", task, "--yes"});
  INFO(refused.out << refused.err);
  CHECK(refused.status == 4);
  CHECK(refused.err.find("our request " + id + " is Withdrawing here") != std::string::npos);
  CHECK(bench.run({"approval", "show", "--as", "alice", task}).status == 4);
  // Nor with its hash.
  const auto shas = bench.run({"--json", "approval", "show", "--as", "alice", task}).json();
  const auto again = bench.run(
      {"approval", "accept", "--as", "alice", task, "--yes", "--sha256", shas.at("payload_sha256").as_string()});
  CHECK(again.status == 4);
  CHECK(bench.count("POST /v1/approval") == 0);
}

TEST_CASE("a certificate that the TSB would build with another content is not approved for our request") {
  BenchOptions options;
  options.serve = {"--generation", "2.5"};
  options.provider = "    mode: certificate\n";
  Bench bench(options);
  const auto id = pending(bench, "web-1", {"--cn", "web-1.example.com"});
  const auto honest = bench.tasks_of("alice").at(0);
  const auto shown = bench.run({"approval", "show", "--as", "alice", honest});
  INFO(shown.out << shown.err);
  CHECK(shown.status == 0);

  // Somebody with an API key posts our CSR and our mark, and asks for a CA of another name.
  Json inner;
  std::string line;
  for (std::istringstream state(bench.cli().read("rig/tsb-state.jsonl")); std::getline(state, line);) {
    const auto at = line.find("signCertificateRequest");
    if (at == std::string::npos) continue;
    const auto record = Json::parse(line);
    const Json* body = record.find("body");
    if (body == nullptr) body = record.at("request").find("body");
    inner = body->at("signCertificateRequest");
  }
  inner.set("commonName", "evil");
  inner.set("certificateAuthority", true);
  Json attributes = Json::object({{"commonName", "evil"}});
  inner.set("standardCertificateAttributes", attributes);
  bench.cli().write("evil.json",
                    Json::object({{"signCertificateRequest", inner}, {"requestSignature", Json()}}).dump());
  const auto about = Json::parse(bench.cli().read("rig/tsb.json"));
  const auto posted =
      bench.cli().other({"curl", "-sS", "--cacert", "rig/ca.pem", "-H", "Content-Type: application/json", "-H",
                         "X-API-KEY: " + about.at("api_keys").at("keyOperationToken").as_array().at(0).as_string(),
                         "-d", "@evil.json", about.at("url").as_string() + "/v1/certificate/sign"});
  INFO(posted.out << posted.err);
  REQUIRE(posted.out.find("signRequestId") != std::string::npos);
  std::string evil;
  for (const auto& task : bench.tasks_of("alice")) {
    if (task != honest) evil = task;
  }
  const auto refused = bench.run({"approval", "accept", "--as", "alice", evil, "--yes"});
  INFO(refused.out << refused.err);
  CHECK(refused.status == 4);
  CHECK(refused.err.find("ca-unrequested") != std::string::npos);
  CHECK(refused.err.find("its common name is \"evil\"") != std::string::npos);
  CHECK(bench.count("POST /v1/approval") == 0);
  CHECK(id.size() == 16);
}

TEST_CASE("an approver's key that is not the one pinned is not used") {
  Bench bench;
  pending(bench, "web-1");
  auto text = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  const std::string pin = "  alice: {token: alice, key: approver";
  REQUIRE(text.find(pin + "}") != std::string::npos);
  const auto other = bench.cli().read("bob.pem");
  std::string spki = other.substr(other.find('\n') + 1);
  spki.erase(spki.find("-----END"));
  spki.erase(std::remove(spki.begin(), spki.end(), '\n'), spki.end());
  text.replace(text.find(pin), pin.size(), pin + ", spki: \"" + spki + "\"");
  bench.cli().write("pinned.yaml", text);
  const auto refused = bench.run({"--config", "pinned.yaml", "approval", "list", "--as", "alice"});
  INFO(refused.out << refused.err);
  CHECK(refused.status == 1);
  CHECK(refused.err.find("is not the one that `spki` of alice names") != std::string::npos);
}

TEST_CASE("an approver sees whether the application key signed the note") {
  BenchOptions options;
  options.provider = "    application_key: {token: web, key: application}\n";
  Bench bench(options);
  REQUIRE(
      bench.run(bench.cli().on("web", {"key", "generate", "--label", "application", "--spec", "ec:P-256"})).status ==
      0);
  pending(bench, "web-1");
  const auto task = bench.tasks_of("alice").at(0);
  CHECK(bench.run({"approval", "show", "--as", "alice", task}).out.find("by the application key: yes") !=
        std::string::npos);
  // An approver's own bridge has the public half only; here another key's.
  auto text = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  const std::string line = "application_key: {token: web, key: application}";
  text.replace(text.find(line), line.size(), "application_public_key: " + (bench / "bob.pem").string());
  bench.cli().write("approver.yaml", text);
  const auto unsigned_note = bench.run({"--config", "approver.yaml", "approval", "show", "--as", "alice", task});
  INFO(unsigned_note.out << unsigned_note.err);
  CHECK(unsigned_note.out.find("by the application key: no") != std::string::npos);
  CHECK(unsigned_note.out.find(
            "OBJECTION: its note is not signed by the application key: nobody can tell who wrote it") !=
        std::string::npos);
  CHECK(unsigned_note.status == 4);
}

TEST_CASE("a task whose note names our request at another provider or another attempt is an objection") {
  Bench bench;
  const auto id = pending(bench, "web-1");
  const auto task = bench.tasks_of("alice").at(0);
  // The same server under another name: the request was made for the first.
  auto text = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  for (const std::string from : {"\n  tsb:\n", "provider: tsb\n"}) {
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from) + from.find("tsb"), 3, "second");
  }
  bench.cli().write("second.yaml", text);
  const auto other = bench.run({"--config", "second.yaml", "approval", "show", "--as", "alice", task});
  INFO(other.out << other.err);
  CHECK(other.status == 4);
  CHECK(other.out.find("OBJECTION: its note names our request " + id +
                       ", which is for provider tsb and not for second") != std::string::npos);

  // Somebody with an API key posts the same bytes with a note of another attempt and another CSR.
  Json inner;
  std::string line;
  for (std::istringstream state(bench.cli().read("rig/tsb-state.jsonl")); std::getline(state, line);) {
    if (line.find("signRequest\"") == std::string::npos) continue;
    const auto record = Json::parse(line);
    const Json* body = record.find("body");
    if (body == nullptr) body = record.at("request").find("body");
    if (const Json* request = body->find("signRequest"); request != nullptr) inner = *request;
  }
  Json note = Json::parse(as_text(from_base64(inner.at("metaData").as_string())));
  note.set("attempt", 2);
  note.set("csrSha256", std::string(64, '0'));
  inner.set("metaData", base64(as_bytes(note.dump())));
  bench.cli().write("other.json", Json::object({{"signRequest", inner}, {"requestSignature", Json()}}).dump());
  const auto about = Json::parse(bench.cli().read("rig/tsb.json"));
  const auto posted =
      bench.cli().other({"curl", "-sS", "--cacert", "rig/ca.pem", "-H", "Content-Type: application/json", "-H",
                         "X-API-KEY: " + about.at("api_keys").at("keyOperationToken").as_array().at(0).as_string(),
                         "-d", "@other.json", about.at("url").as_string() + "/v1/sign"});
  INFO(posted.out << posted.err);
  REQUIRE(posted.out.find("signRequestId") != std::string::npos);
  for (const auto& foreign : bench.tasks_of("alice")) {
    if (foreign == task) continue;
    const auto refused = bench.run({"approval", "accept", "--as", "alice", foreign, "--yes"});
    INFO(refused.out << refused.err);
    CHECK(refused.status == 4);
    const auto shown = bench.run({"approval", "show", "--as", "alice", foreign}).out;
    CHECK(shown.find("names attempt 2 of our request " + id + ", which waits for its attempt 1") != std::string::npos);
    CHECK(shown.find("names another certificate request (CSR)") != std::string::npos);
  }
  CHECK(bench.count("POST /v1/approval") == 0);
}

TEST_CASE("a provider is listed and shown and proves its credentials") {
  Bench bench;
  CHECK(bench.run({"provider", "list"}).out.find("securosys-tsb") != std::string::npos);
  CHECK(bench.run({"provider", "show", "tsb"}).status == 0);
  const auto tested = bench.run({"provider", "test", "tsb"});
  INFO(tested.out << tested.err);
  CHECK(tested.status == 0);
  CHECK(tested.out.find("2 of 3 in group operators") != std::string::npos);
  bench.stop_rig();
  const auto away = bench.run({"provider", "test", "tsb"});
  CHECK(away.status == 5);
  CHECK(away.out.empty());
}

}  // namespace hsmbridge::test
