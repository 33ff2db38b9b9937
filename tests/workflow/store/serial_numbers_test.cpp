// Serial numbers of CAs.
#include "any_store.h"
#include "foreign.h"

using namespace hsmbridge;
using namespace hsmbridge::test;
using workflow::TakenSerial;

TEST_CASE_METHOD(AnyStore, "a serial number is taken once under an issuer, whoever asks") {
  auto other = open();
  CHECK(store->take_serial({"root", "40aa", "", clock.now()}));
  CHECK_FALSE(store->take_serial({"root", "40aa", "", clock.now()}));
  CHECK_FALSE(other->take_serial({"root", "40aa", "REQUEST", clock.now()}));
  CHECK(other->take_serial({"issuing", "40aa", "", clock.now()}));
  CHECK(other->take_serial({"root", "40ab", "", clock.now()}));
  CHECK(store->serials_taken("root") == 2);
  CHECK(store->serials_taken("issuing") == 1);
  CHECK(store->serials_taken("nobody") == 0);
}

TEST_CASE("no program changes, deletes or replaces a serial number that was taken") {
  TempFolder folder;
  FakeClock clock;
  const std::filesystem::path file = folder / "store.db";
  const auto store = store::SqliteStore::open(file, clock);
  REQUIRE(store->take_serial({"root", "40aa", "ONE", clock.now()}));
  for (const auto* sql : {"UPDATE serial_numbers SET serial = '40ab'", "DELETE FROM serial_numbers",
                          "INSERT OR REPLACE INTO serial_numbers VALUES ('root', '40aa', 'TWO', 0)"}) {
    CAPTURE(sql);
    CHECK(foreign(file, sql).find("serial number") != std::string::npos);
  }
  CHECK(foreign_rows(file, "SELECT serial, request FROM serial_numbers") ==
        std::vector<std::vector<std::string>>{{"40aa", "ONE"}});
}
