#include "service/requests/request_id.h"

#include "base/error.h"

#include <catch2/catch.hpp>

namespace hsmbridge {

TEST_CASE("a request id is six characters of time and ten of randomness") {
  const Bytes zeros(8, 0);
  const Bytes ones(8, 0xFF);
  CHECK(service::request_id(parse_rfc3339("2025-01-01T00:00:00Z"), zeros).str() == "0000000000000000");
  CHECK(service::request_id(parse_rfc3339("2025-01-01T00:00:31Z"), ones).str() == "00000ZZZZZZZZZZZ");
  CHECK(service::request_id(parse_rfc3339("2025-01-01T00:00:32Z"), zeros).str() == "0000100000000000");
}

TEST_CASE("later requests have greater ids") {
  const Bytes ones(8, 0xFF);
  const Bytes zeros(8, 0);
  CHECK(service::request_id(parse_rfc3339("2026-11-23T15:42:07Z"), ones) <
        service::request_id(parse_rfc3339("2026-11-23T15:42:08Z"), zeros));
}

TEST_CASE("a clock before 2025 and too little randomness make no id") {
  CHECK_THROWS_AS(service::request_id(parse_rfc3339("2024-12-31T23:59:59Z"), Bytes(8, 0)), Error);
  CHECK_THROWS_AS(service::request_id(parse_rfc3339("2059-12-31T23:59:59Z"), Bytes(8, 0)), Error);
  CHECK_THROWS_AS(service::request_id(parse_rfc3339("2026-01-01T00:00:00Z"), Bytes(6, 0)), Error);
}

TEST_CASE("a typed id is read as Crockford base32 reads it") {
  CHECK(service::request_prefix("1rzt-kyhp") == "1RZTKYHP");
  CHECK(service::request_prefix("oIl") == "011");
  for (const char* wrong : {"", "-", "U", "a b", "00000000000000000", "\xc3\xa9"}) {
    INFO(wrong);
    CHECK_THROWS_AS(service::request_prefix(wrong), Error);
  }
}

}  // namespace hsmbridge
