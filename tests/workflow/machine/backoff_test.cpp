#include "workflow/machine/backoff.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE("polling begins soon grows with the time waited and stays bounded") {
  const Timing timing;
  const RequestId id("0a1b2c3d4e5f6g7h");
  struct Row {
    Duration waited, least, most;
  };
  for (const Row& row : {Row{0s, 4500ms, 5500ms}, Row{10s, 4500ms, 5500ms}, Row{10min, 54s, 66s}, Row{1h, 324s, 396s},
                         Row{24h * 30, 810s, 990s}}) {
    INFO(duration_text(row.waited));
    const Duration pause = next_poll(id, row.waited, std::nullopt, timing);
    CHECK(pause >= row.least);
    CHECK(pause <= row.most);
  }
}

TEST_CASE("a poll never comes sooner than the provider asked") {
  const Timing timing;
  CHECK(next_poll(RequestId("x"), 0s, 2h, timing) == 2h);
  CHECK(next_retry(RequestId("x"), 1, 2h, timing) == 2h);
  CHECK(next_poll(RequestId("x"), 10min, 1s, timing) >= 54s);
}

TEST_CASE("no provider puts a request to sleep for longer than a day") {
  const Timing timing;
  CHECK(next_poll(RequestId("x"), 0s, 24h * 365, timing) == 24h);
  CHECK(next_retry(RequestId("x"), 1, 24h * 365, timing) == 24h);
  CHECK(patient(10min, 24h * 365) == 24h);
  CHECK(patient(48h, 24h * 365) == 48h);
}

TEST_CASE("requests spread over a fifth of the pause and each keeps its own place") {
  const Timing timing;
  Duration least = 1h;
  Duration most = 0s;
  for (int i = 0; i < 200; ++i) {
    const RequestId id(std::to_string(i));
    const Duration pause = next_poll(id, 1h, std::nullopt, timing);
    CHECK(pause == next_poll(id, 1h, std::nullopt, timing));
    least = std::min(least, pause);
    most = std::max(most, pause);
  }
  CHECK(least < 340s);
  CHECK(most > 380s);
}

TEST_CASE("retries double up to the longest") {
  const Timing timing;
  const RequestId id("0a1b2c3d4e5f6g7h");
  CHECK(next_retry(id, 1, std::nullopt, timing) <= 11s);
  CHECK(next_retry(id, 3, std::nullopt, timing) >= 36s);
  CHECK(next_retry(id, 1000, std::nullopt, timing) <= 66min);
}
