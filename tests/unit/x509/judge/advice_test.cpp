#include "x509/judge/advice.h"

#include "unit/x509/other_program.h"

#include <catch2/catch.hpp>

using namespace hsmbridge::x509;
using hsmbridge::test::contains;

TEST_CASE("What is odd about a server's names is said before a CA is asked") {
  const struct {
    const char* subject;
    std::vector<const char*> names;
    const char* purpose;
    const char* part;  // of the only sentence; "" for none
  } rows[] = {
      {"CN=www.example.com", {}, "serverAuth", "there is no alternative name"},
      {"CN=www.example.com", {}, "", "add --san dns:www.example.com"},
      {"CN=192.0.2.1", {}, "", "add --san ip:192.0.2.1"},
      {"CN=bücher.example", {}, "", "add --san dns:xn--bcher-kva.example"},
      {"CN=www.example.com", {"dns:example.com"}, "", "is not among the alternative names"},
      {"CN=WWW.Example.COM", {"dns:www.example.com"}, "", "write the common name as www.example.com"},
      {"CN=bücher.example", {"dns:bücher.example"}, "", "write the common name as xn--bcher-kva.example"},
      {"CN=www.example.com", {"dns:a.example.com", "dns:www.example.com"}, "", ""},
      {"O=Example", {"dns:www.example.com"}, "", ""},
      {"CN=John Doe", {}, "", ""},
      {"CN=web01", {}, "", ""},
      {"CN=john.doe", {}, "clientAuth", ""},
      {"CN=www.example.com", {}, "clientAuth", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.subject, row.part);
    Content content;
    content.subject = Name::parse(row.subject);
    for (const char* name : row.names) content.subject_alternative_names.push_back(GeneralName::parse(name));
    if (*row.purpose != '\0') content.extended_key_usage = {parse_extended_key_usage(row.purpose)};
    const auto sentences = advice(content);
    REQUIRE(sentences.size() == (*row.part == '\0' ? 0U : 1U));
    if (!sentences.empty()) CHECK(contains(sentences.front(), row.part));
    content.basic_constraints = BasicConstraints{true, {}};
    content.subject = Name::parse("CN=ca.example.com");
    content.subject_alternative_names.clear();
    CHECK(advice(content).empty());
  }
}
