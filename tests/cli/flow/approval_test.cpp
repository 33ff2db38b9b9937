#include "base/json.h"
#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <string>

namespace hsmbridge::test {
namespace {

std::string pending(const Bench& bench, const std::string& label) {
  const auto asked = bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com"});
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
  CHECK(none.out == "carol has nothing to decide at tsb\n");
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
