// Refused PINs, and logins without a clear answer.
#include "any_store.h"

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;

namespace {

struct Fixture : AnyStore {
  // What is recorded for that PIN, in words; "" for nothing.
  std::string words(const PinSubject& subject) {
    const auto found = open()->pin_refused(subject);
    return found ? found->state.words() : "";
  }
  void record(const PinSubject& subject, const std::string& words) {
    store->record_pin({.subject = subject, .at = clock.now(), .state = AttemptState::from_words(words)});
  }
  bool clear(const PinSubject& subject) { return store->clear_pin(subject, "uid:ann", clock.now()); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a refused PIN is remembered for its token and user, and for what may be the same token") {
  record({"0011", 1, "label aa"}, "CKR_PIN_INCORRECT");
  const auto found = open()->pin_refused({"0011", 1, "label aa"});
  REQUIRE(found);
  CHECK(found->at == clock.now());
  CHECK(found->state == AttemptState{PinStanding::refused, "CKR_PIN_INCORRECT"});
  CHECK(found->subject == PinSubject{"0011", 1, "label aa"});
  CHECK(words({"0011", 1, ""}) == "CKR_PIN_INCORRECT");
  CHECK(words({"0011", 1, "label bb"}).empty());
  CHECK(words({"0012", 1, "label aa"}).empty());
  CHECK(words({"0011", 0, "label aa"}).empty());
}

TEST_CASE_METHOD(Fixture, "the worst of what may be the same PIN counts, and all of it is forgotten together") {
  record({"0011", 1, "label aa"}, "unclear: CKR_DEVICE_ERROR");
  record({"0011", 1, ""}, "CKR_PIN_INCORRECT");
  record({"0011", 1, "label bb"}, "open");
  CHECK(words({"0011", 1, "label aa"}) == "CKR_PIN_INCORRECT");
  CHECK(clear({"0011", 1, "label aa"}));
  CHECK(words({"0011", 1, "label aa"}).empty());
  CHECK(words({"0011", 1, "label bb"}) == "open");
}

TEST_CASE_METHOD(Fixture, "a refusal is forgotten once and both facts are leaves") {
  record({"0011", 1, "aa"}, "CKR_PIN_INCORRECT");
  record({"0011", 1, "aa"}, "CKR_PIN_LOCKED");
  CHECK(words({"0011", 1, "aa"}) == "CKR_PIN_LOCKED");
  CHECK(clear({"0011", 1, "aa"}));
  const std::uint64_t before = commits();
  CHECK_FALSE(clear({"0011", 1, "aa"}));
  CHECK(commits() == before);
  CHECK(words({"0011", 1, "aa"}).empty());
  CHECK(store->tree_head().size() == 3);
}

TEST_CASE_METHOD(Fixture, "a login under way is remembered and no leaf unless it ends unclear or refused") {
  record({"0011", 1, "aa"}, "open");
  CHECK(words({"0011", 1, "aa"}) == "open");
  CHECK(clear({"0011", 1, "aa"}));
  CHECK(words({"0011", 1, "aa"}).empty());
  CHECK(store->tree_head().size() == 0);
  record({"0011", 1, "aa"}, "open");
  record({"0011", 1, "aa"}, "unclear: CKR_DEVICE_ERROR");
  CHECK(store->tree_head().size() == 1);
  record({"0011", 1, "aa"}, "open after CKR_DEVICE_ERROR");
  CHECK(store->tree_head().size() == 1);
  CHECK(clear({"0011", 1, "aa"}));
  CHECK(store->tree_head().size() == 2);
}

TEST_CASE_METHOD(Fixture, "user types beyond 31 bits are kept apart") {
  constexpr unsigned long kVendor = 0x80000000UL | 5;
  record({"0011", kVendor, "aa"}, "CKR_PIN_INCORRECT");
  CHECK(open()->pin_refused({"0011", kVendor, "aa"})->subject.user_type == kVendor);
  CHECK_FALSE(open()->pin_refused({"0011", 5, "aa"}));
}

TEST_CASE("every word that was ever written about a login says how it stands, and is written again") {
  using Standing = PinStanding;
  const std::vector<std::pair<std::string, AttemptState>> rows{
      {"open", {Standing::attempt_open, "", 0}},
      {"unclear: CKR_DEVICE_ERROR", {Standing::unclear, "CKR_DEVICE_ERROR", 1}},
      {"unclear: CKR_DEVICE_ERROR again", {Standing::unclear, "CKR_DEVICE_ERROR", 2}},
      {"open after CKR_DEVICE_ERROR", {Standing::second_open, "CKR_DEVICE_ERROR", 1}},
      {"open after an attempt cut short again", {Standing::second_open, "an attempt cut short", 2}},
      {"CKR_PIN_INCORRECT", {Standing::refused, "CKR_PIN_INCORRECT", 0}},
      {"CKR_DEVICE_ERROR after CKR_GENERAL_ERROR", {Standing::refused, "CKR_DEVICE_ERROR after CKR_GENERAL_ERROR", 2}},
      {"CKR_DEVICE_ERROR after CKR_GENERAL_ERROR again",
       {Standing::refused, "CKR_DEVICE_ERROR after CKR_GENERAL_ERROR again", 3}},
      {"unreadable record /x.json", {Standing::refused, "unreadable record /x.json", 0}},
  };
  for (const auto& [words, state] : rows) {
    CHECK(AttemptState::from_words(words) == state);
    CHECK(state.words() == words);
  }
}
