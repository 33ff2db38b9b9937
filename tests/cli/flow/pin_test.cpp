#include "support/bench/bench.h"
#include "support/faulty_module/faults.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

// Requests that wait for `run`, at a token behind a module that fails on command.
class Queue {
 public:
  explicit Queue(unsigned length) : bench_(options()) {
    auto text = bench_.cli().read(kConfiguration);
    const auto module = Cli::module().string();
    const auto at = text.find(module);
    REQUIRE(at != std::string::npos);
    bench_.cli().write(kConfiguration, text.replace(at, module.size(), Faults::module().string()));
    for (unsigned i = 0; i < length; ++i) {
      const auto label = "web-" + std::to_string(i);
      const auto queued =
          bench_.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--queue"});
      INFO(queued.err);
      REQUIRE(queued.status == 3);
      ids_.push_back(Bench::id_in(queued));
    }
  }

  Bench& bench() { return bench_; }
  // Which of them `run` leaves where.
  unsigned in_state(const std::string& state) const {
    unsigned count = 0;
    for (const auto& id : ids_) count += bench_.state_of(id) == state ? 1U : 0U;
    return count;
  }
  std::string explained() const { return bench_.run({"request", "explain", ids_.front()}).out; }
  int run_for(std::chrono::milliseconds time, const std::string& faults = "") {
    Process daemon(bench_.cli(), {HSMBRIDGE_PROGRAM, "run"}, {{"HSMBRIDGE_FAULTS", faults}});
    daemon.run_for(time);
    if (daemon.running()) daemon.signal(SIGTERM);
    return daemon.wait();
  }
  // Whether `run` completes all of them.
  bool completes() {
    for (int i = 0; i < 20 && in_state("Completed") < ids_.size(); ++i) run_for(std::chrono::seconds{3});
    return in_state("Completed") == ids_.size();
  }

 private:
  static BenchOptions options() {
    BenchOptions options;
    options.quorum = 0;
    return options;
  }
  inline static const std::string kConfiguration = ".config/hsmbridge/hsmbridge.yaml";
  Bench bench_;
  std::vector<std::string> ids_;
};

}  // namespace

TEST_CASE("a wrong PIN ends no request, each says why it waits and goes on after a retry") {
  Queue queue(5);
  queue.bench().cli().write("web.pin", "9999\n");
  queue.run_for(std::chrono::seconds{3});
  CHECK(queue.in_state("Preparing") == 5);
  INFO(queue.explained());
  CHECK(queue.explained().find("PIN") != std::string::npos);
  queue.bench().cli().write("web.pin", "1234\n");
  queue.run_for(std::chrono::seconds{2});
  CHECK(queue.in_state("Preparing") == 5);  // nobody said that it was corrected
  CHECK(queue.bench().run({"token", "login", "web", "--retry"}).status == 0);
  CHECK(queue.completes());
}

TEST_CASE("two kills in a login with the right PIN lose none of the requests that wait for it") {
  Queue queue(8);
  for (int i = 0; i < 2; ++i) CHECK(queue.run_for(std::chrono::seconds{10}, "C_Login=0xdead0009:1") == 128 + SIGKILL);
  queue.run_for(std::chrono::seconds{3});
  CHECK(queue.in_state("Preparing") == 8);
  CHECK(queue.bench().run({"token", "login", "web", "--retry"}).status == 0);
  CHECK(queue.completes());
}

TEST_CASE("two answers of a token in trouble to a login lose none of the requests that wait for it") {
  Queue queue(3);
  for (const char* const code : {"0x30", "0x5", "0xa3", "0x1"}) {  // DEVICE_ERROR, GENERAL_ERROR, PIN_EXPIRED, CANCEL
    queue.run_for(std::chrono::seconds{3}, std::string("C_Login=") + code + ":9");
    CHECK(queue.in_state("Preparing") == 3);
  }
  CHECK(queue.bench().run({"token", "login", "web", "--retry"}).status == 0);
  CHECK(queue.completes());
}

}  // namespace hsmbridge::test
