#include "base/strong.h"

#include <catch2/catch.hpp>
#include <type_traits>

using namespace hsmbridge;

TEST_CASE("two kinds of name cannot be mixed up") {
  STATIC_REQUIRE_FALSE(std::is_convertible_v<RequestId, ProviderReference>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<std::string, RequestId>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<SpkiHash, RequestId>);
  CHECK(RequestId("a") < RequestId("b"));
  CHECK(RequestId("a") == RequestId("a"));
  CHECK(RequestId().empty());
}
