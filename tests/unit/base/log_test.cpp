#include "base/log.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

using namespace hsmbridge;

namespace {

// What `log::error` writes to standard error.
std::string logged(const std::string& message) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fflush(stderr);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file), STDERR_FILENO);
  log::error(message);
  std::fflush(stderr);
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
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
