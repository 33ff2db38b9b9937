#include "service/worker/left_out_watch.h"
#include "support/cli/cli.h"
#include "tools/hsmbridge/wiring/wiring.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

using namespace hsmbridge;
using test::Cli;
using namespace std::chrono_literals;

TEST_CASE("what is left out is looked at again and again and found once") {
  std::atomic<int> looks{0};
  std::atomic<int> found{0};
  {
    const service::LeftOutWatch watch([&looks] { return ++looks == 3; }, [&found] { ++found; }, 1ms);
    while (found == 0) std::this_thread::yield();
  }
  CHECK(looks == 3);
  CHECK(found == 1);
  const auto start = std::chrono::steady_clock::now();
  {
    const service::LeftOutWatch idle([] { return true; }, [] {}, 1h);
  }
  CHECK(std::chrono::steady_clock::now() - start < 10s);
}

TEST_CASE("the end of a watch does not wait for a look that hangs") {
  std::promise<void> looking;
  std::promise<void> answer;
  std::promise<void> gone;
  std::atomic<int> found{0};
  {
    // Gone with the look, when its thread ends.
    const std::shared_ptr<void> end(nullptr, [&gone](void*) { gone.set_value(); });
    const service::LeftOutWatch watch(
        [&, end] {
          looking.set_value();
          answer.get_future().wait();
          return true;
        },
        [&found] { ++found; }, 1ms);
    looking.get_future().wait();
  }
  answer.set_value();
  REQUIRE(gone.get_future().wait_for(10s) == std::future_status::ready);
  CHECK(found == 0);
}

TEST_CASE("a token and a provider that could not be used are used when they can be") {
  const Cli cli;
  const auto pin = (cli / "web.pin").string();
  const auto ca = (cli / "ca.pem").string();
  cli.write("key", "secret\n");
  const auto config = cli.write(
      "c.yaml",
      "store: {path: " + (cli / "s.db").string() + "}\ntokens:\n  web: {module: " + Cli::module().string() +
          ", uri: \"pkcs11:token=web\", pin: \"file:" + pin +
          "\", deadline: 10s}\nproviders:\n  tsb: {type: securosys-tsb, url: \"https://127.0.0.1:1\", ca: " + ca +
          ", api_keys: {key_operation: \"file:" + (cli / "key").string() + "\"}, sign_key: ca, time_limit: 7s}\n");
  const auto wiring = cli::Wiring::open(config);
  int looks = 0;
  const auto before = wiring->engine_options({}, [&looks] { ++looks; });
  CHECK(looks == 2);  // a watchdog that is told before each is not late, however many hang
  CHECK(before.lanes.size() == 1);
  CHECK(before.timing.count("tsb") == 1);  // its timers ring all the same
  REQUIRE(wiring->left_out().size() == 2);
  CHECK(wiring->left_out()[0].lane == "token:web");
  CHECK(wiring->left_out()[1].lane == "provider:tsb");
  CHECK_FALSE(wiring->left_out_look()());

  cli.write("web.pin", "1234\n");
  CHECK(wiring->left_out_look()());
  const auto token = wiring->engine_options({}, {});
  CHECK(token.lanes.count("token:web") == 1);
  // The lease of a token's lane outlasts what may be done there under one claim: opening the key and signing.
  CHECK(token.limit_of("token:web") >= 20s);
  CHECK(token.lanes.count("provider:tsb") == 0);
  REQUIRE(cli.other({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", "ca.key", "-out", "ca.pem", "-days", "1", "-subj", "/CN=x"})
              .status == 0);
  CHECK(wiring->left_out_look()());
  const auto all = wiring->engine_options({}, {});
  CHECK(all.lanes.count("provider:tsb") == 1);
  CHECK(all.limit_of("provider:tsb") == 7s);
  CHECK(wiring->left_out().empty());
}
