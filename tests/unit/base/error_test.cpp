#include "base/error.h"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;

TEST_CASE("every error kind is written and read back as one word") {
  const std::vector<std::pair<ErrorKind, std::string>> kinds{
      {ErrorKind::invalid_input, "invalid_input"},
      {ErrorKind::not_found, "not_found"},
      {ErrorKind::ambiguous, "ambiguous"},
      {ErrorKind::conflict, "conflict"},
      {ErrorKind::denied, "denied"},
      {ErrorKind::refused, "refused"},
      {ErrorKind::unavailable, "unavailable"},
      {ErrorKind::outcome_unknown, "outcome_unknown"},
      {ErrorKind::corrupt, "corrupt"},
      {ErrorKind::internal, "internal"},
  };
  for (const auto& [kind, word] : kinds) {
    CHECK(to_string(kind) == word);
    CHECK(error_kind_from(word) == kind);
  }
  CHECK(error_kind_from("no such kind") == ErrorKind::internal);
}

TEST_CASE("an error keeps its repeated details in order and its last hint") {
  const Error error = Error{ErrorKind::ambiguous, "2 keys match"}
                          .with("candidate", "id=%01")
                          .with("candidate", "id=%02")
                          .hint("first")
                          .hint("name one by its id");
  using Details = std::vector<std::pair<std::string, std::string>>;
  CHECK(error.details() == Details{{"candidate", "id=%01"}, {"candidate", "id=%02"}});
  CHECK(error.detail("candidate") == "id=%01");
  CHECK(error.detail("absent") == "");
  CHECK(error.hint() == "name one by its id");
  CHECK(std::string(error.what()) == "2 keys match");
}

TEST_CASE("a prefix is put before the message") {
  Error error{ErrorKind::denied, "wrong PIN"};
  error.prefix("token web");
  CHECK(error.message() == "token web: wrong PIN");
}

TEST_CASE("the exception in flight becomes an Error") {
  try {
    throw Error{ErrorKind::refused, "no"}.with("who", "alice");
  } catch (...) {
    CHECK(current_error().kind() == ErrorKind::refused);
    CHECK(current_error().detail("who") == "alice");
  }
  try {
    throw std::runtime_error("from a library");
  } catch (...) {
    CHECK(current_error().kind() == ErrorKind::internal);
    CHECK(current_error().message() == "from a library");
  }
  try {
    throw 7;
  } catch (...) {
    CHECK(current_error().kind() == ErrorKind::internal);
  }
}
