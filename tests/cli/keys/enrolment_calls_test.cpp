#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

// What an enrolment costs on every HSM: the Cryptoki calls of `hsmbridge run`, counted by a module in front of SoftHSM.

using hsmbridge::test::Bench;
using hsmbridge::test::BenchOptions;
using hsmbridge::test::Cli;
using hsmbridge::test::Process;

namespace {

struct Counted {
  explicit Counted(unsigned quorum) : bench(options(quorum)) {
    std::string text = bench.cli().read(kConfiguration);
    const std::string module = Cli::module().string();
    text.replace(text.find(module), module.size(), HSMBRIDGE_COUNTING_MODULE);  // of the token web, the first
    bench.cli().write(kConfiguration, text);
  }
  std::string queue(const std::string& label) {
    const auto queued = bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--queue"});
    INFO(queued.err);
    REQUIRE(queued.status == 3);
    return Bench::id_in(queued);
  }
  // The calls of a daemon that lives until `until` is over; 0 when it never loaded the module.
  template <class Until>
  unsigned calls_of_run(Until until) {
    std::filesystem::remove(bench / "calls");
    Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {{"HSMBRIDGE_CALLS", (bench / "calls").string()}});
    until();
    daemon.signal(SIGTERM);
    CHECK(daemon.wait() == 0);
    if (!bench.cli().exists("calls")) return 0;
    std::istringstream lines(bench.cli().read("calls"));
    std::string function;
    unsigned count = 0;
    unsigned sum = 0;
    while (lines >> function >> count) sum += count;
    return sum;
  }
  unsigned calls_of_enrolments(const std::vector<std::string>& labels) {
    std::vector<std::string> ids;
    for (const auto& label : labels) ids.push_back(queue(label));
    const unsigned calls = calls_of_run([&] {
      for (const auto& id : ids) bench.run({"request", "watch", id});
    });
    for (const auto& id : ids) CHECK(bench.state_of(id) == "Completed");
    for (const auto& label : labels) CHECK(bench.objects(label).certificates == 1);
    return calls;
  }

  Bench bench;

 private:
  static BenchOptions options(unsigned quorum) {
    BenchOptions options;
    options.quorum = quorum;
    return options;
  }
  inline static const std::string kConfiguration = ".config/hsmbridge/hsmbridge.yaml";
};

}  // namespace

TEST_CASE("an enrolment with a new key and its certificate put on the token takes at most 40 calls") {
  Counted counted(0);
  const unsigned one = counted.calls_of_enrolments({"a"});
  const unsigned four = counted.calls_of_enrolments({"b", "c", "d", "e"});
  INFO(one << ' ' << four);
  CHECK(one > 0);
  CHECK(four - one <= 3 * 40);
}

TEST_CASE("polling a request makes no call of the token") {
  Counted counted(2);
  const auto pending = counted.bench.run({"enroll", "--new-key", "a", "--san", "dns:a.example.com"});
  INFO(pending.out << pending.err);
  REQUIRE(pending.status == 3);
  const auto polls = [&] {
    unsigned count = 0;
    for (const auto& line : counted.bench.journal()) count += line.starts_with("GET /v1/request/") ? 1U : 0U;
    return count;
  };
  // The start of the worker may make some.
  const auto calls_of_polls = [&](unsigned count) {
    const unsigned before = polls();
    return counted.calls_of_run([&] {
      while (polls() < before + count) {
      }
    });
  };
  const unsigned one = calls_of_polls(1);
  CHECK(one > 0);  // the start looks at the token, so the module counts
  CHECK(calls_of_polls(4) == one);
}
