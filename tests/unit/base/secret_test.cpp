#include "base/secret.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>

using namespace hsmbridge;

TEST_CASE("a secret is copied and moved with its characters") {
  Secret first(std::string("1234"));
  Secret copy = first;
  CHECK(copy.reveal() == "1234");
  const Secret moved = std::move(first);
  CHECK(moved.reveal() == "1234");
  CHECK(first.empty());  // NOLINT(bugprone-use-after-move): what a move leaves behind is the point
  copy = Secret(std::string("other"));
  CHECK(copy.reveal() == "other");
  Secret& same = copy;
  copy = same;
  CHECK(copy.reveal() == "other");
  CHECK(Secret().empty());
}

TEST_CASE("a short secret is gone from its memory when it is destroyed") {
  // A short string lives inside the object, so the object's own octets show what is left. The storage outlives it here.
  alignas(Secret) unsigned char storage[sizeof(Secret)];
  auto* secret = new (storage) Secret(std::string("pin-8642"));
  const auto holds = [&storage](const char* text) {
    const unsigned char* begin = storage;
    const unsigned char* end = storage + sizeof storage;
    return std::search(begin, end, text, text + std::strlen(text)) != end;
  };
  CHECK(holds("8642"));
  secret->~Secret();
  CHECK_FALSE(holds("8642"));
  CHECK_FALSE(holds("pin"));
}

TEST_CASE("the string that a secret was made of no longer holds it") {
  std::string text("pin-8642");
  const char* characters = text.data();
  const Secret secret(std::move(text));
  CHECK(secret.reveal() == "pin-8642");
  CHECK(std::string(characters, 4) != "pin-");
}
