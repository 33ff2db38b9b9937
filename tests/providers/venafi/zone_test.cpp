#include "base/error.h"
#include "providers/venafi/settings.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;

namespace {

std::string refusal(const std::string& text, Application application = Application::required) {
  try {
    parse_zone(text, application);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("a zone is an application and a template alias") {
  CHECK(parse_zone("Payments\\Default", Application::required) == Zone{"Payments", "Default"});
  CHECK(parse_zone("My App\\Web servers", Application::required) == Zone{"My App", "Web servers"});
  CHECK(parse_zone("Payments\\Default", Application::optional).text() == "Payments\\Default");
}

TEST_CASE("a zone without a backslash, or with several, or with an empty part is refused with how it is written") {
  CHECK(refusal("Payments").find("has no backslash: write it as 'Application\\Template alias'") != std::string::npos);
  CHECK(refusal("a\\b\\c").find("has 2 backslashes") != std::string::npos);
  CHECK(refusal("\\Default").find("names no application") != std::string::npos);
  CHECK(refusal("Payments\\").find("names no template alias") != std::string::npos);
}

TEST_CASE("where a service has no applications the zone is the alias alone") {
  CHECK(parse_zone("Default", Application::optional) == Zone{"", "Default"});
  CHECK(parse_zone("Default", Application::optional).text() == "Default");
  CHECK(refusal("", Application::optional).find("is empty") != std::string::npos);
}
