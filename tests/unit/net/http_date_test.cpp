#include "net/http_date.h"

#include <catch2/catch.hpp>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::net;
using namespace std::chrono_literals;

namespace {

const Instant kNow = parse_rfc3339("2026-11-23T15:42:07Z");

}  // namespace

// The three texts are the examples of RFC 9110 §5.6.7: they name the same second.
TEST_CASE("all three forms of an HTTP date are read") {
  const Instant expected = parse_rfc3339("1994-11-06T08:49:37Z");
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", kNow) == expected);
  CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow) == expected);
  CHECK(parse_http_date("Sun Nov  6 08:49:37 1994", kNow) == expected);
  CHECK(parse_http_date("Sun Nov 16 08:49:37 1994", kNow) == parse_rfc3339("1994-11-16T08:49:37Z"));
}

TEST_CASE("a year of two digits more than fifty years ahead is in the past") {
  CHECK(parse_http_date("Monday, 23-Nov-76 15:42:07 GMT", kNow) == parse_rfc3339("2076-11-23T15:42:07Z"));
  CHECK(parse_http_date("Wednesday, 23-Nov-77 15:42:07 GMT", kNow) == parse_rfc3339("1977-11-23T15:42:07Z"));
  CHECK(parse_http_date("Monday, 23-Nov-26 15:42:07 GMT", kNow) == kNow);
}

TEST_CASE("what is no HTTP date is nothing") {
  for (const char* text :
       {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
        "1994-11-06T08:49:37Z", "Sun Nov 6 08:49:37 1994", "sun, 06 nov 1994 08:49:37 gmt", "tomorrow",
        "Sun, 06 Nov 1994 08:49:37 GMT "}) {
    INFO(text);
    CHECK_FALSE(parse_http_date(text, kNow));
  }
}

TEST_CASE("Retry-After is seconds or a date and never negative or beyond a year") {
  CHECK(parse_retry_after("120", kNow) == 120s);
  CHECK(parse_retry_after(" 0 ", kNow) == 0s);
  CHECK(parse_retry_after("Mon, 23 Nov 2026 15:44:07 GMT", kNow) == 120s);
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kNow) == 0s);
  CHECK(parse_retry_after("99999999999999999999999999", kNow) == 365 * 24h);
  CHECK(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", kNow) == 365 * 24h);
}

TEST_CASE("a Retry-After that is neither is ignored") {
  for (const char* text : {"", " ", "-1", "1.5", "+5", "soon", "5s", "0x10"}) {
    INFO(text);
    CHECK_FALSE(parse_retry_after(text, kNow));
  }
}
