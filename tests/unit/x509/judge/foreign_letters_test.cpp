#include "x509/judge/foreign_letters.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;

TEST_CASE("letters that are not ASCII are named with where they are") {
  Content content;
  content.subject = Name::parse("CN=www.example.com");
  const Name issuer = Name::parse("CN=Ex\xD0\xB0mple");
  CHECK(foreign_letters(content).empty());
  CHECK(foreign_letters(content, issuer) == "NOT ASCII, in issuer's CN: U+0430");
  content.subject = Name::parse("O=Ex\xD0\xB0mple, OU=\xD0\xB5\xD0\xBE, CN=www.p\xD0\xB0ypal.com");
  CHECK(foreign_letters(content) == "NOT ASCII, in O: U+0430; OU: U+0435 U+043E; CN: U+0430");
  content.subject = Name::parse("CN=www.example.com");
  content.subject_alternative_names = {GeneralName::parse("dirname:O=Ex\xD0\xB0mple"),
                                       GeneralName::parse("upn:\xD0\xB0nna@example.com")};
  CHECK(foreign_letters(content) == "NOT ASCII, in dirname: U+0430; upn: U+0430");
}
