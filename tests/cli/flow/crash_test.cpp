#include "support/bench/bench.h"
#include "support/faulty_module/faults.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

constexpr const char* kConfiguration = ".config/hsmbridge/hsmbridge.yaml";

}  // namespace

TEST_CASE("a module that crashes at every signature pauses its own token and ends no request") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  bench.cli().make_token("crashing");
  auto text = bench.cli().read(kConfiguration);
  const std::string tokens = "tokens:\n";
  text.insert(text.find(tokens) + tokens.size(),
              "  crashing: {module: " + Faults::module().string() +
                  ", uri: \"pkcs11:token=crashing\", pin: \"file:" + (bench / "crashing.pin").string() + "\"}\n");
  bench.cli().write(kConfiguration, text);
  const auto queue = [&](const std::string& token) {
    std::vector<std::string> ids;
    for (const std::string number : {"1", "2"}) {
      const auto label = token + "-" + number;
      const auto queued = bench.run(
          {"enroll", "--token", token, "--new-key", label, "--san", "dns:" + label + ".example.com", "--queue"});
      INFO(queued.err);
      REQUIRE(queued.status == 3);
      ids.push_back(Bench::id_in(queued));
    }
    return ids;
  };
  // A crash may cut short a login of the other token too. That says nothing of its PIN once the token was seen to count
  // wrong ones.
  const auto pin = bench.cli().read("web.pin");
  bench.cli().write("web.pin", "000000");
  CHECK(bench.run({"token", "login", "web"}).status != 0);
  bench.cli().write("web.pin", pin);
  REQUIRE(bench.run({"token", "login", "web", "--retry"}).status == 0);
  const auto all_are = [&](const std::vector<std::string>& ids, const std::string& state) {
    for (const auto& id : ids) {
      if (bench.state_of(id) != state) return false;
    }
    return true;
  };
  const auto dies_within_seconds = [&](const std::string& faults) {
    Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {{"HSMBRIDGE_FAULTS", faults}});
    daemon.run_for(std::chrono::seconds{3});
    if (daemon.running()) daemon.signal(SIGTERM);
    return daemon.wait() == 128 + SIGSEGV;
  };
  // As a supervisor starts it again, whatever it died of.
  const auto restarted_until = [&](const std::vector<std::string>& ids, const std::string& faults) {
    int crashes = 0;
    for (int i = 0; i < 30 && !all_are(ids, "Completed"); ++i) {
      if (dies_within_seconds(faults)) ++crashes;
    }
    INFO(bench.run({"request", "explain", ids.front()}).out);
    CHECK(all_are(ids, "Completed"));
    return crashes;
  };
  const std::string faults = "C_Sign=0xdead000b:1000000";
  // The first deaths may be anybody's, and take with them what is under way. Once it is only this token's signatures that
  // kill, nothing is submitted while one of them is tried.
  const auto bad = queue("crashing");
  int deaths = 0;
  for (int i = 0; i < 20 && deaths < 3; ++i) deaths += dies_within_seconds(faults) ? 1 : 0;
  REQUIRE(deaths == 3);
  const auto good = queue("web");
  restarted_until(good, faults);
  CHECK(bench.count("POST /v1/sign") == 2);
  CHECK(all_are(bad, "Preparing"));
  const auto explained = bench.run({"request", "explain", bad.front()}).out;
  INFO(explained);
  CHECK(explained.find("'sign_csr' ended without an outcome") != std::string::npos);
  // The vendor's new version of the module.
  REQUIRE(bench.run({"token", "login", "crashing"}).status == 0);
  CHECK(restarted_until(bad, "") == 0);
}

}  // namespace hsmbridge::test
