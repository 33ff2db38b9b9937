#include "config/secret_source.h"

#include "base/error.h"
#include "base/file.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::config;
using hsmbridge::test::error_of;
namespace fs = std::filesystem;

namespace {

SecretSource source(std::string_view text) {
  return SecretSource::parse(text, SecretUse::pin, "/etc/hsmbridge");
}

}  // namespace

TEST_CASE("every source of a secret is read and named") {
  CHECK(source("env:TSB_KEY").name() == "env:TSB_KEY");
  CHECK(source("file:/a/b.pin").name() == "file:/a/b.pin");
  CHECK(source("file:b.pin").name() == "file:/etc/hsmbridge/b.pin");
  CHECK(source("file:../b.pin").name() == "file:/etc/b.pin");
  CHECK(source("credential:pin").name() == "credential:pin");
  CHECK(source("prompt").name() == "prompt");
  CHECK(source("protected").kind() == SecretSource::Kind::protected_path);
  CHECK(source("env:A") == source("env:A"));
}

TEST_CASE("a literal secret and a half source are refused without being repeated") {
  for (const char* text : {"hunter2", "", "env:", "env:hunter 2", "env:1hunter2", "env:hunter-2",
                           "file:", "credential:", "credential:../hunter2", "credential:.hunter2", "Prompt",
                           "prompt:hunter2", "ENV:hunter2", "plain:hunter2", " env:hunter2", "env:hunter2 ", "1234"}) {
    INFO(text);
    const Error error = error_of([text] { source(text); });
    CHECK(error.kind() == ErrorKind::invalid_input);
    CHECK(error.message().find("hunter") == std::string::npos);
    CHECK(error.message().find("1234") == std::string::npos);
    CHECK(error.message().starts_with("is not the source of a secret: "));
  }
}

TEST_CASE("the keypad of a token is a source for PINs only") {
  CHECK(error_of([] { SecretSource::parse("protected", SecretUse::any, "/"); }).kind() == ErrorKind::invalid_input);
  CHECK(error_of([] { source("protected").fetch({}, "the PIN of token web"); }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("a secret is fetched from the environment when it is asked for") {
  REQUIRE(::unsetenv("HSMBRIDGE_TEST_SECRET") == 0);
  const SecretSource variable = source("env:HSMBRIDGE_TEST_SECRET");
  const Error error = error_of([&] { variable.fetch({}, "the API key of provider tsb"); });
  CHECK(error.kind() == ErrorKind::not_found);
  CHECK(error.message() ==
        "the environment variable HSMBRIDGE_TEST_SECRET, source of the API key of provider tsb, is not set");
  REQUIRE(::setenv("HSMBRIDGE_TEST_SECRET", "1234", 1) == 0);
  CHECK(variable.fetch({}, "x").reveal() == "1234");
  REQUIRE(::setenv("HSMBRIDGE_TEST_SECRET", "", 1) == 0);
  CHECK(error_of([&] { variable.fetch({}, "x"); }).kind() == ErrorKind::denied);
}

TEST_CASE("a secret is fetched from a file that only its owner reads") {
  const test::TempFolder folder;
  write_file(folder.path() / "pin", as_bytes("1234\n"), FileMode::private_0600, Existing::refuse);
  const SecretSource file = SecretSource::parse("file:pin", SecretUse::pin, folder.path());
  CHECK(file.fetch({}, "x").reveal() == "1234");
  REQUIRE(::chmod((folder.path() / "pin").c_str(), 0644) == 0);
  CHECK(error_of([&] { file.fetch({}, "x"); }).kind() == ErrorKind::denied);
  write_file(folder.path() / "pin", as_bytes("\n"), FileMode::private_0600, Existing::replace);
  CHECK(error_of([&] { file.fetch({}, "x"); }).kind() == ErrorKind::denied);
}

TEST_CASE("a systemd credential is fetched whatever its group permission shows") {
  const test::TempFolder folder;
  const SecretSource credential = source("credential:pin");
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
  CHECK(error_of([&] { credential.fetch({}, "x"); }).kind() == ErrorKind::not_found);
  REQUIRE(::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1) == 0);
  CHECK(error_of([&] { credential.fetch({}, "x"); }).kind() == ErrorKind::not_found);
  write_file(folder.path() / "pin", as_bytes("1234"), FileMode::private_0600, Existing::refuse);
  REQUIRE(::chmod((folder.path() / "pin").c_str(), 0440) == 0);
  CHECK(credential.fetch({}, "x").reveal() == "1234");
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
}

TEST_CASE("a person is asked for a prompted secret and nobody is an error") {
  std::string asked;
  const Prompter prompter = [&asked](const std::string& question) {
    asked = question;
    return Secret(std::string("1234"));
  };
  CHECK(source("prompt").fetch(prompter, "the PIN of token web").reveal() == "1234");
  CHECK(asked == "the PIN of token web");
  CHECK(error_of([] { source("prompt").fetch({}, "the PIN of token web"); }).kind() == ErrorKind::denied);
}

TEST_CASE("one line end after a secret is cut from every source and a visible mistake is given to nobody") {
  const test::TempFolder folder;
  REQUIRE(::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1) == 0);
  const auto from = [&](const std::string& kind, const std::string& value) {
    write_file(folder.path() / "pin", as_bytes(value), FileMode::private_0600, Existing::replace);
    REQUIRE(::setenv("HSMBRIDGE_TEST_SECRET", value.c_str(), 1) == 0);
    return SecretSource::parse(kind, SecretUse::pin, folder.path());
  };
  const Prompter typed = [](const std::string&) { return Secret(std::string("12\x1b[D34")); };
  for (const std::string& kind :
       {std::string("env:HSMBRIDGE_TEST_SECRET"), std::string("file:pin"), std::string("credential:pin")}) {
    INFO(kind);
    for (const char* const value : {"se cret", "se cret\n", "se cret\r\n"}) {
      CHECK(from(kind, value).fetch({}, "x").reveal() == "se cret");
    }
    CHECK(from(kind, "secret ").fetch({}, "x").reveal() == "secret ");  // a PIN may end with a blank
    CHECK(from(kind, "s\xC3\xA9\x63ret").fetch({}, "x").reveal() == "s\xC3\xA9\x63ret");
    const std::pair<const char*, const char*> mistakes[] = {
        {"\xEF\xBB\xBFsecret", "begins with a byte order mark"},
        {"\xFF\xFEsecret", "begins with a byte order mark"},
        {"secret\n\n", "holds a line break"},
        {"secret\nmore\n", "holds a line break"},
        {"secret\r", "holds a line break"},
        {"sec\tret", "holds a tab"},
        {"sec\x01ret", "holds a control character"},
        {"sec\x7Fret", "holds a control character"},
        {"sec\xC2\x85ret", "holds a control character"},
    };
    for (const auto& [value, mistake] : mistakes) {
      const SecretSource source = from(kind, value);
      const Error error = error_of([&] { source.fetch({}, "the PIN of token web"); });
      CHECK(error.kind() == ErrorKind::denied);
      CHECK(error.detail("lane") == "down");
      CHECK(error.message() == "the PIN of token web from " + source.name() + " " + mistake + ": it was not used");
    }
    for (const char* const value : {"", "\n", "\r\n"}) {
      CHECK(error_of([&] { from(kind, value).fetch({}, "x"); }).kind() == ErrorKind::denied);
    }
  }
  CHECK(error_of([&] { source("prompt").fetch(typed, "the PIN of token web"); }).message() ==
        "the PIN of token web from prompt holds a control character: it was not used");
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
}
