#include "base/clock.h"

#include "base/error.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;
using namespace std::chrono_literals;

namespace {

Instant at(std::int64_t seconds, std::int64_t milliseconds = 0) {
  return Instant{std::chrono::seconds{seconds} + std::chrono::milliseconds{milliseconds}};
}

template <class Function>
bool refused(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.kind() == ErrorKind::invalid_input;
  }
  return false;
}

}  // namespace

// The seconds are what `date -u -d TEXT +%s` prints.
TEST_CASE("a time is written as RFC 3339 in UTC") {
  CHECK(rfc3339(at(0)) == "1970-01-01T00:00:00Z");
  CHECK(rfc3339(at(1795448527)) == "2026-11-23T15:42:07Z");
  CHECK(rfc3339(at(1795448527, 5)) == "2026-11-23T15:42:07.005Z");
  CHECK(rfc3339(at(1709164800)) == "2024-02-29T00:00:00Z");
  CHECK(rfc3339(at(-1)) == "1969-12-31T23:59:59Z");
}

TEST_CASE("RFC 3339 is read with any offset and fraction") {
  const std::vector<std::pair<std::string, Instant>> texts{
      {"2026-11-23T15:42:07Z", at(1795448527)},
      {"2026-11-23t15:42:07z", at(1795448527)},
      {"2026-11-23 15:42:07Z", at(1795448527)},
      {"2026-11-23T16:42:07+01:00", at(1795448527)},
      {"2026-11-23T16:42:07+0100", at(1795448527)},
      {"2026-11-23T10:12:07-05:30", at(1795448527)},
      {"2026-11-23T15:42:07.1Z", at(1795448527, 100)},
      {"2026-11-23T15:42:07.123456789Z", at(1795448527, 123)},
      {"2024-02-29T00:00:00-00:00", at(1709164800)},
      // A leap second is the next second, RFC 3339 section 5.6.
      {"1990-12-31T23:59:60Z", at(662688000)},
  };
  for (const auto& [text, instant] : texts) {
    INFO(text);
    CHECK(parse_rfc3339(text) == instant);
  }
}

TEST_CASE("a text that is no RFC 3339 time is refused") {
  for (const char* text :
       {"", "2026-11-23", "2026-11-23T15:42:07", "2026-11-23T15:42Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-11-23T24:00:00Z", "2026-11-23T15:60:00Z", "2026-11-23T15:42:61Z", "2026-11-23T15:42:07.Z",
        "2026-11-23T15:42:07ZZ", "2026-11-23T15:42:07+1", "2026-11-23T15:42:07+24:00", "2026-11-23T15:42:07+01:60",
        "26-11-23T15:42:07Z", "+026-11-23T15:42:07Z", "2026-11-23X15:42:07Z", "2026-00-23T15:42:07Z", "1795448527"}) {
    INFO(text);
    CHECK(refused([text] { parse_rfc3339(text); }));
  }
}

TEST_CASE("what is written as a time is read back as the same time") {
  for (const Instant instant : {at(0), at(1795448527, 999), at(4102444800), at(253402300799)}) {
    CHECK(parse_rfc3339(rfc3339(instant)) == instant);
  }
}

TEST_CASE("a duration is a sum of days hours minutes seconds and milliseconds") {
  CHECK(parse_duration("90d") == 90 * 24h);
  CHECK(parse_duration("12h") == 12h);
  CHECK(parse_duration("30m") == 30min);
  CHECK(parse_duration("45s") == 45s);
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("1d12h") == 36h);
  CHECK(parse_duration("1m30s500ms") == 90s + 500ms);
  CHECK(parse_duration("0s") == 0s);
}

TEST_CASE("a duration without a unit or beyond all sense is refused") {
  for (const char* text : {"", "90", "d", "90 d", "90D", "-1d", "+1d", "1.5h", "1y", "90days", "1h30",
                           "99999999999999d", "6000000000d6000000000d", "18446744073709551617s", "1dd"}) {
    INFO(text);
    CHECK(refused([text] { parse_duration(text); }));
  }
}

TEST_CASE("a duration is written in the shortest form that reads back") {
  CHECK(duration_text(0s) == "0s");
  CHECK(duration_text(36h) == "1d12h");
  CHECK(duration_text(90s + 500ms) == "1m30s500ms");
  CHECK(duration_text(-90s) == "-1m30s");
  for (const Duration duration : {Duration{1}, Duration{86400001}, Duration{123456789}}) {
    CHECK(parse_duration(duration_text(duration)) == duration);
  }
}

TEST_CASE("a duration is spoken in at most two units without a gap") {
  CHECK(spoken(0s) == "0 seconds");
  CHECK(spoken(8s) == "8 seconds");
  CHECK(spoken(1s) == "1 second");
  CHECK(spoken(12min) == "12 minutes");
  CHECK(spoken(76h) == "3 days 4 hours");
  CHECK(spoken(24h + 5min) == "1 day");
  CHECK(spoken(3 * 24h + 4h + 5min) == "3 days 4 hours");
  CHECK(spoken(-90s) == "1 minute 30 seconds");
  CHECK(spoken(250ms) == "250 milliseconds");
  CHECK(spoken(2s + 250ms) == "2 seconds");
}

TEST_CASE("the system clock agrees with itself and the boot clock never goes back") {
  const SystemClock clock;
  const Duration before = clock.since_boot();
  CHECK(clock.now() > at(1'700'000'000));
  CHECK(clock.since_boot() >= before);
}
