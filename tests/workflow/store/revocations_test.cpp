// What CAs have revoked, and the numbers of their CRLs.
#include "any_store.h"
#include "base/error.h"
#include "foreign.h"

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
using workflow::PublishedCrl;
using workflow::RevokedSerial;

TEST_CASE_METHOD(AnyStore, "a certificate is revoked once, and what was written down first stays") {
  auto other = open();
  const RevokedSerial first{"root", "40aa", 1, clock.now(), clock.now() + 24h, "REQUEST"};
  CHECK(store->revoke(first));
  CHECK_FALSE(other->revoke({"root", "40aa", 4, clock.now() + 1h, clock.now(), "OTHER"}));
  CHECK(other->revocation("root", "40aa") == first);
  CHECK_FALSE(other->revocation("issuing", "40aa"));
  CHECK(other->revoke({"issuing", "40aa", 0, clock.now(), clock.now(), ""}));
}

TEST_CASE_METHOD(AnyStore, "what ends before a CRL is left out of it, by serial number") {
  const Instant now = clock.now();
  for (const auto& [serial, end] :
       {std::pair("40cc", now + 2h), std::pair("40aa", now), std::pair("40bb", now - 1ms)}) {
    store->revoke({"root", serial, 0, now, end, ""});
  }
  std::vector<std::string> serials;
  for (const RevokedSerial& one : store->revocations("root", "", now)) serials.push_back(one.serial);
  CHECK(serials == std::vector<std::string>{"40aa", "40cc"});
  CHECK(store->revocations("issuing", "", now).empty());
}

TEST_CASE_METHOD(AnyStore, "the numbers of an issuer's CRLs go on, and each is published once") {
  auto other = open();
  CHECK(store->take_crl_number("root", 0, clock.now()) == 1);
  CHECK(other->take_crl_number("root", 0, clock.now()) == 2);
  CHECK(other->take_crl_number("issuing", 0, clock.now()) == 1);
  CHECK_FALSE(store->last_crl("root", ""));
  CHECK(other->is_crl_number_taken("root", 2));
  CHECK_FALSE(other->is_crl_number_taken("root", 3));
  CHECK_FALSE(other->is_crl_number_taken("issuing", 2));
  const PublishedCrl second{2, clock.now(), clock.now() + 24h, "aa"};
  store->crl_published("root", second);
  CHECK(other->last_crl("root", "") == second);
  CHECK(other->is_crl_number_taken("root", 2));
  CHECK_THROWS_AS(store->crl_published("root", second), Error);
  CHECK_THROWS_AS(store->crl_published("root", {3, clock.now(), clock.now(), "bb"}), Error);
  CHECK(store->take_crl_number("root", 0, clock.now()) == 3);
  CHECK(store->last_crl("root", "") == second);
}

TEST_CASE_METHOD(AnyStore, "each shard has its revocations and its last CRL, and all have one number series") {
  const Instant now = clock.now();
  const std::string one = "http://ca.example.com/1.crl";
  const std::string two = "http://ca.example.com/2.crl";
  store->revoke({"root", "40aa", 0, now, now + 1h, "", one});
  store->revoke({"root", "40bb", 0, now, now + 1h, "", two});
  store->revoke({"root", "40cc", 0, now, now + 1h, "", workflow::kEveryShard});
  store->revoke({"root", "40dd", 0, now, now - 1h, "", one});
  store->revoke({"other", "40ee", 0, now, now + 1h, "", one});
  const auto serials = [&](const std::string& point) {
    std::vector<std::string> found;
    for (const RevokedSerial& revoked : store->revocations("root", point, now)) found.push_back(revoked.serial);
    CHECK(store->count_revocations("root", point, now) == found.size());
    return found;
  };
  CHECK(serials(one) == std::vector<std::string>{"40aa", "40cc"});
  CHECK(serials(two) == std::vector<std::string>{"40bb", "40cc"});
  CHECK(serials("") == std::vector<std::string>{"40aa", "40bb", "40cc"});
  CHECK(store->take_crl_number("root", 0, now) == 1);
  CHECK(store->take_crl_number("root", 0, now) == 2);
  const PublishedCrl first{1, now, now + 24h, "aa", one};
  store->crl_published("root", first);
  CHECK(store->last_crl("root", one) == first);
  CHECK_FALSE(store->last_crl("root", two));
  CHECK_FALSE(store->last_crl("root", ""));
}

TEST_CASE_METHOD(AnyStore, "a shard is named until the last of its certificates ends") {
  const Instant now = clock.now();
  const auto take = [&](const std::string& serial, const std::string& point, Instant end) {
    return store->take_serial({"root", serial, "", now, point, end});
  };
  CHECK(take("40aa", "http://a/1.crl", now + 2h));
  CHECK(take("40bb", "http://a/1.crl", now + 1h));
  CHECK(take("40cc", "http://a/2.crl", now));
  CHECK(take("40dd", "", now + 1h));  // names none
  CHECK(take("40ee", "", {}));        // nobody said when it ends
  CHECK_FALSE(take("40aa", "http://a/3.crl", now + 9h));
  using Points = std::vector<std::string>;
  CHECK(store->distribution_points("root", now) == Points{"", "http://a/1.crl", "http://a/2.crl"});
  CHECK(store->distribution_points("root", now + 2h) == Points{"http://a/1.crl"});
  CHECK(store->distribution_points("root", now + 3h).empty());
  CHECK(store->distribution_points("other", now).empty());
  store->revoke({"root", "40ff", 0, now, now + 3h, "", "http://a/9.crl"});
  store->revoke({"root", "40fe", 0, now, now + 3h, "", ""});
  store->revoke({"root", "40fd", 0, now, now + 3h, "", workflow::kEveryShard});
  CHECK(store->distribution_points("root", now + 3h) == Points{"", "http://a/9.crl"});
}

TEST_CASE("no program takes a revocation or the number of a CRL back") {
  TempFolder folder;
  FakeClock clock;
  const std::filesystem::path file = folder / "store.db";
  const auto store = store::SqliteStore::open(file, clock);
  store->revoke({"root", "40aa", 1, clock.now(), clock.now(), ""});
  store->take_crl_number("root", 0, clock.now());
  store->crl_published("root", {1, clock.now(), clock.now(), "aa"});
  store->take_serial({"root", "40bb", "", clock.now(), "http://a/1.crl", clock.now()});
  for (const auto* sql :
       {"UPDATE revocations SET reason = 0", "DELETE FROM revocations", "UPDATE crls SET sha256 = ''",
        "DELETE FROM crls", "INSERT OR REPLACE INTO revocations VALUES ('root', '40aa', 0, 0, 0, '', '')",
        "INSERT OR REPLACE INTO crls VALUES ('root', 1, 0, 0, 0, '', '')",
        "INSERT INTO crls VALUES ('root', 3, 0, 0, 0, '', '')", "UPDATE distribution_points SET until = until - 1",
        "DELETE FROM distribution_points",
        "INSERT OR REPLACE INTO distribution_points VALUES ('root', 'http://a/1.crl', 0)"}) {
    CAPTURE(sql);
    CHECK_FALSE(foreign(file, sql).empty());
  }
  CHECK(foreign_rows(file, "SELECT reason FROM revocations") == std::vector<std::vector<std::string>>{{"1"}});
}
