#include "pkcs11/login/pin.h"

#include "base/bytes.h"
#include "base/file.h"
#include "pkcs11/private_token.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

const PinSubject kSubject{.token_serial = "ab12", .user_type = kUser};

}  // namespace

TEST_CASE("a refusal written by one memory of files is read by another") {
  const TempFolder folder;
  FilePinRefusals one(folder.path() / "a/b");
  FilePinRefusals two(folder.path() / "a/b");
  CHECK_FALSE(two.refused(kSubject).has_value());
  const Instant at = parse_rfc3339("2026-11-23T15:42:07Z");
  one.record({.subject = kSubject, .at = at, .state = AttemptState::from_words("CKR_PIN_INCORRECT")});
  const auto refusal = two.refused(kSubject);
  REQUIRE(refusal.has_value());
  CHECK(refusal->at == at);
  CHECK(refusal->state.words() == "CKR_PIN_INCORRECT");
  PinSubject other = kSubject;
  other.user_type = kSecurityOfficer;
  CHECK_FALSE(two.refused(other).has_value());
  two.clear(kSubject);
  CHECK_FALSE(one.refused(kSubject).has_value());
  two.clear(kSubject);  // again is no error
}

TEST_CASE("a record of a refusal that cannot be read counts as a refusal") {
  const TempFolder folder;
  FilePinRefusals memory(folder.path());
  memory.record({.subject = kSubject, .at = {}, .state = AttemptState::from_words("CKR_PIN_INCORRECT")});
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    write_file(entry.path(), as_bytes("{"), FileMode::private_0600, Existing::replace);
  }
  CHECK(memory.refused(kSubject).has_value());
}

TEST_CASE("a refusal counts for every token that may be the same one") {
  const TempFolder folder;
  FilePinRefusals files(folder.path());
  MemoryPinRefusals memory;
  const auto of = [](const std::string& distinction) {
    return PinSubject{.token_serial = "0000", .user_type = kUser, .distinction = distinction};
  };
  for (PinRefusals* const refusals : {static_cast<PinRefusals*>(&files), static_cast<PinRefusals*>(&memory)}) {
    refusals->record({.subject = of("slot 1"), .at = {}, .state = AttemptState::from_words("CKR_PIN_INCORRECT")});
    CHECK(refusals->refused(of("slot 1")).has_value());
    CHECK_FALSE(refusals->refused(of("slot 2")).has_value());
    CHECK(refusals->refused(of("")).has_value());  // the other one is not there now
    refusals->clear(of("slot 2"));
    CHECK(refusals->refused(of("slot 1")).has_value());
    refusals->clear(of(""));
    CHECK_FALSE(refusals->refused(of("slot 1")).has_value());
  }
}

TEST_CASE("a file that names the source of a refused PIN counts for every source") {
  const TempFolder folder;
  write_file(folder.path() / "x.json", as_bytes(R"({"token_serial": "ab12", "user_type": 1, "source_hash": "00ff",
                         "at": "2026-11-23T15:42:07Z", "reason": "CKR_PIN_INCORRECT"})"),
             FileMode::private_0600, Existing::refuse);
  FilePinRefusals memory(folder.path());
  REQUIRE(memory.refused(kSubject).has_value());
  CHECK(memory.refused(kSubject)->state.words() == "CKR_PIN_INCORRECT");
  memory.clear(kSubject);
  CHECK_FALSE(memory.refused(kSubject).has_value());
}
