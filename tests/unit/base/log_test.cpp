#include "base/log.h"

#include "support/said.h"

#include <catch2/catch.hpp>
#include <string>

using namespace hsmbridge;
using hsmbridge::test::said_meanwhile;

namespace {

// What `log::error` writes to standard error.
std::string logged(const std::string& message) {
  return said_meanwhile([&] { log::error(message); });
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

TEST_CASE("a message from outside cannot forge a line of the log or drive the terminal") {
  CHECK(ends_with(logged("a\n2026 error b\x1b[2J\xC2\x9B"
                         "x"),
                  " a\\x0A2026 error b\\x1B[2J\xC2\\x9Bx\n"));
  CHECK(ends_with(logged("M\xC3\xBCller \xE2\x82\xAC"), " M\xC3\xBCller \xE2\x82\xAC\n"));
}
