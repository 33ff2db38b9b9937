#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

}  // namespace

TEST_CASE("a refused API key pauses its provider, is told once, and every request goes on when it is corrected") {
  Bench bench;
  std::vector<std::string> ids;
  for (const std::string label : {"web-1", "web-2", "web-3"}) {
    const auto asked = bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com"});
    INFO(asked.err);
    REQUIRE(asked.status == 3);
    ids.push_back(Bench::id_in(asked));
    REQUIRE(bench.state_of(ids.back()) == "AwaitingApproval");
  }
  REQUIRE(bench.approve_all("alice") == 3);
  REQUIRE(bench.approve_all("bob") == 3);
  const std::string right = bench.cli().read("keyOperation.key");
  bench.cli().write("keyOperation.key", "not-the-key\n");
  Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {});
  bench.wait_for_words("waiting for provider tsb");
  const unsigned refused = bench.count("GET /v1/request/");
  daemon.run_for(std::chrono::seconds{3});
  // One question at a time while it is down, whoever waits.
  CHECK(bench.count("GET /v1/request/") <= refused + 3);
  for (const auto& id : ids) CHECK(bench.state_of(id) == "AwaitingApproval");
  const auto explained = bench.run({"request", "show", ids.back()});
  INFO(explained.out);

  bench.cli().write("keyOperation.key", right);
  CHECK(bench.run({"provider", "test", "tsb"}).status == 0);
  bench.wait_for_words("provider tsb works again");
  for (const auto& id : ids) {
    const auto done = bench.run({"request", "wait", id, "--timeout", "20s"});
    INFO(done.out << done.err);
    CHECK(done.status == 0);
  }
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
  const std::string said = bench.cli().read("process.err");
  INFO(said);
  CHECK(count(said, "waiting for provider tsb") == 1);
  CHECK(said.find("not-the-key") == std::string::npos);
}

}  // namespace hsmbridge::test
