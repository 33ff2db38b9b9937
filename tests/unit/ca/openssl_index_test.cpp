// The database of `openssl ca`, as openssl writes it and as it may be broken.
#include "ca/openssl_index.h"

#include "base/error.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;

TEST_CASE("an index says what was issued, when it ends and why it was revoked") {
  const auto all = ca::read_openssl_index(
      "V\t270101000000Z\t\t1000\tunknown\t/C=CH/CN=one\n"
      "R\t270101000000Z\t260301120000Z,keyCompromise\t1001\tunknown\t/CN=two\n"
      "E\t250101000000Z\t\t0A\tunknown\t/CN=three\r\n"
      "R\t20510101000000Z\t260301120000Z\t7F00FF\tunknown\t/CN=four\n"
      "R\t270101000000Z\t260301120000Z,CAkeyTime,20260101000000Z\t1002\tunknown\t/CN=five\n",
      "index.txt");
  REQUIRE(all.size() == 5);
  CHECK(all[0] == ca::IssuedBefore{"1000", "/C=CH/CN=one", parse_rfc3339("2027-01-01T00:00:00Z"), std::nullopt,
                                   "index.txt, line 1"});
  CHECK(all[1].revoked == ca::RevokedBefore{parse_rfc3339("2026-03-01T12:00:00Z"), 1});
  CHECK(all[2].serial == "0a");
  CHECK(all[3].not_after == parse_rfc3339("2051-01-01T00:00:00Z"));
  CHECK(all[3].serial == "7f00ff");
  CHECK(all[3].revoked == ca::RevokedBefore{parse_rfc3339("2026-03-01T12:00:00Z"), 0});
  CHECK(all[4].revoked == ca::RevokedBefore{parse_rfc3339("2026-03-01T12:00:00Z"), 2});
}

TEST_CASE("a line of an index that is not as openssl writes it is refused, and named") {
  struct Row {
    std::string line;
    std::string why;
  };
  const std::string good = "V\t270101000000Z\t\t1000\tunknown\t/CN=one\n";
  for (const Row& row : {
           Row{"V\t270101000000Z\t\t1000\t/CN=one\n", "5 fields"},
           Row{"X\t270101000000Z\t\t1000\tunknown\t/CN=one\n", "the status 'X'"},
           Row{"V\t2701010000Z\t\t1000\tunknown\t/CN=one\n", "end"},
           Row{"V\t271301000000Z\t\t1000\tunknown\t/CN=one\n", "end"},
           Row{"V\t270101000000Z\t\tzz\tunknown\t/CN=one\n", "serial number"},
           Row{"V\t270101000000Z\t260301120000Z\t1000\tunknown\t/CN=one\n", "the status is V"},
           Row{"R\t270101000000Z\t\t1000\tunknown\t/CN=one\n", "revocation date"},
           Row{"R\t270101000000Z\t260301120000Z,removeFromCRL\t1000\tunknown\t/CN=one\n", "not a reason"},
       }) {
    CAPTURE(row.line);
    try {
      ca::read_openssl_index(good + row.line, "index.txt");
      FAIL("it was read");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
      CHECK(error.message().find("index.txt, line 2") != std::string::npos);
      CHECK(error.message().find(row.why) != std::string::npos);
    }
  }
  CHECK_THROWS_WITH(ca::read_openssl_index("\n", "index.txt"), "index.txt holds no certificate");
}
