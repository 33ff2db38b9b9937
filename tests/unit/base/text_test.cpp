#include "base/text.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;

TEST_CASE("two texts are compared by their lines, wherever these are") {
  const auto difference = compare_lines("a: 1\nb: 2\nc: 3\n", "c: 3\na: 1\nd: 4");
  CHECK(difference.only_before == std::vector<std::string>{"b: 2"});
  CHECK(difference.only_after == std::vector<std::string>{"d: 4"});
  CHECK(compare_lines("", "a\n\n").only_after == std::vector<std::string>{"a", ""});
  CHECK(compare_lines("a\n", "a").only_before.empty());
}
