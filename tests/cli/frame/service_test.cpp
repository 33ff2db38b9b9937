// The daemon as a service manager sees it.
#include "support/bench/bench.h"
#include "support/notify_socket.h"

#include <time.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <string>

namespace hsmbridge::test {
namespace {

constexpr const char* kConfiguration = ".config/hsmbridge/hsmbridge.yaml";

long long monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000LL + now.tv_nsec / 1'000;
}

}  // namespace

TEST_CASE("run tells a service manager when it is ready, what it waits for, that it lives, reloads and stops") {
  Bench bench;
  const auto asked = bench.run({"enroll", "--new-key", "web-1", "--san", "dns:www.example.com"});
  INFO(asked.err);
  REQUIRE(asked.status == 3);
  const std::string address = (bench / "notify").string();
  const NotifySocket socket(address);
  bench.cli().write("daemon.yaml", bench.cli().read(kConfiguration));
  Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "--config", "daemon.yaml", "run"},
                 {{"NOTIFY_SOCKET", address}, {"WATCHDOG_USEC", "2000000"}});
  auto first = socket.next();
  while (first == "WATCHDOG=1\n") first = socket.next();  // while it looks at tokens and providers
  CHECK(first == "READY=1\n");
  CHECK(socket.next_with("STATUS=").starts_with("STATUS=1 open request (1 AwaitingApproval)"));
  for (int i = 0; i < 3; ++i) socket.next_with("WATCHDOG=1");

  const auto before = monotonic_microseconds();
  daemon.signal(SIGHUP);
  const auto reloading = socket.next_with("RELOADING=1\n");
  const std::string key = "MONOTONIC_USEC=";
  const auto at = std::stoll(reloading.substr(reloading.find(key) + key.size()));
  CHECK(at >= before);
  CHECK(at <= monotonic_microseconds());
  socket.next_with("READY=1\n");
  CHECK(socket.next_with("STATUS=").starts_with("STATUS=1 open request (1 AwaitingApproval)"));

  // One that cannot be read is not taken, and the work goes on with the one before.
  const auto good = bench.cli().read("daemon.yaml");
  bench.cli().write("daemon.yaml", "tokens: [\n");
  CHECK(bench.cli().run({"--config", "daemon.yaml", "run", "--check"}).status == 2);
  daemon.signal(SIGHUP);
  socket.next_with("RELOADING=1\n");
  socket.next_with("READY=1\n");
  bench.wait_for_words("the configuration is not taken");
  REQUIRE(bench.approve_all("alice") == 1);
  REQUIRE(bench.approve_all("bob") == 1);
  const auto refused = socket.next_with("0 open requests");
  CHECK(refused.starts_with("STATUS=the configuration of 20"));
  CHECK(refused.find("Z was refused: see the log; 0 open requests") != std::string::npos);
  CHECK(bench.state_of(Bench::id_in(asked)) == "Completed");

  bench.cli().write("daemon.yaml", good);
  CHECK(bench.cli().run({"--config", "daemon.yaml", "run", "--check"}).status == 0);
  daemon.signal(SIGHUP);
  socket.next_with("STATUS=0 open requests");

  daemon.signal(SIGTERM);
  socket.next_with("STOPPING=1\n");
  CHECK(daemon.wait() == 0);
}

TEST_CASE("run is never ready with a configuration that cannot be read") {
  const Cli cli;
  const NotifySocket socket((cli / "notify").string());
  cli.write("daemon.yaml", "tokens: [\n");
  Process daemon(cli, {HSMBRIDGE_PROGRAM, "--config", "daemon.yaml", "run"},
                 {{"NOTIFY_SOCKET", (cli / "notify").string()}});
  CHECK(daemon.wait() == 2);
  CHECK_FALSE(socket.has_more());
}

}  // namespace hsmbridge::test
