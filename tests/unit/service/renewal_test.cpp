#include "service/certificates/renewal.h"

#include "base/error.h"
#include "service/certificates/certificates.h"

#include <catch2/catch.hpp>
#include <set>

using namespace hsmbridge;
using namespace std::chrono_literals;

TEST_CASE("the label of a new key carries the day in the place of an earlier one") {
  const Instant now = parse_rfc3339("2026-11-26T23:59:59Z");
  const auto label = [&](const std::string& old, const std::set<std::string>& taken = {}) {
    return service::successor_label(old, now, [&](const std::string& text) { return taken.count(text) != 0; });
  };
  CHECK(label("web") == "web-20261126");
  CHECK(label("web-2026") == "web-2026-20261126");
  CHECK(label("web-20250101") == "web-20261126");
  CHECK(label("web-20250101-2") == "web-20261126");
  CHECK(label("web-2") == "web-2-20261126");
  CHECK(label("-20250101") == "-20250101-20261126");
  CHECK(label("web", {"web-20261126"}) == "web-20261126-2");
  CHECK(label("web-20261126", {"web-20261126", "web-20261126-2"}) == "web-20261126-3");
}

TEST_CASE("a renewal starts before the end, and with the last third of a life that is too short for that") {
  workflow::CertificateRecord record;
  record.not_before = parse_rfc3339("2026-01-01T00:00:00Z");
  record.not_after = record.not_before + 24h * 90;
  CHECK(service::renewal_start(record, {24h * 30, 0}) == record.not_after - 24h * 30);
  CHECK(service::renewal_start(record, {10h, 0}) == record.not_after - 10h);
  CHECK(service::renewal_start(record, {{}, 15}) == record.not_after - 24h * 90 * 15 / 100);
  record.not_after = record.not_before + 24h * 9;
  CHECK(service::renewal_start(record, {24h * 30, 0}) == record.not_after - 24h * 3);
  CHECK(service::renewal_start(record, {24h * 6, 0}) == record.not_after - 24h * 6);
  // An hour longer than renew_before: it would be renewed an hour after it came, and so would the next one.
  CHECK(service::renewal_start(record, {24h * 9 - 1h, 0}) == record.not_after - 24h * 3);
  // A renewal is as young as the day it came.
  record.stored_at = record.not_before + 24h * 6;
  CHECK(service::renewal_start(record, {24h * 30, 0}) == record.not_after - 24h * 3);
  record.predecessor = "5eed";
  CHECK(service::renewal_start(record, {24h * 30, 0}) == record.not_after - 24h);
  CHECK(service::renewal_start(record, {10h, 0}) == record.not_after - 10h);
  record.stored_at = record.not_after + 1h;  // by a clock that was ahead
  CHECK(service::renewal_start(record, {24h * 30, 0}) == record.not_after - 24h * 3);
  record.predecessor.clear();
  record.not_after = record.not_before - 1h;
  CHECK(service::renewal_start(record, {24h * 30, 0}) == record.not_after);
}

TEST_CASE("a retired or compromised key is not renewed") {
  for (const char* status : {"retired", "compromised"}) {
    workflow::KeyRecord key{"web", "www", "0a01", "ec:P-256", SpkiHash{"ab"}, status, {}};
    try {
      service::same_key(key);
      FAIL("it was taken");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::refused);
      CHECK(error.message().find(status) != std::string::npos);
    }
    key.status = "active";
    CHECK(service::same_key(key).selector == "id=0a01");
  }
}
