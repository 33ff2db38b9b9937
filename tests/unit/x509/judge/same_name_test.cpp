#include "x509/judge/same_name.h"

#include "unit/x509/check_bench.h"
#include "x509/asn1/der.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::Bench;
using hsmbridge::test::Names;

TEST_CASE("Subjects are as alike as RFC 5280 section 7 makes them") {
  const struct {
    const char* asked;
    const char* found;
    Likeness likeness;
  } rows[] = {
      {"CN=a", "CN=a", Likeness::same_bytes},
      {"O=Example", "O=#13074578616d706c65", Likeness::other_string_types},
      {"CN=WWW.Example.COM", "CN=www.example.com", Likeness::other_spelling},
      {"CN=bücher.example", "CN=xn--bcher-kva.example", Likeness::other_spelling},
      {"CN=*.Bücher.example", "CN=*.xn--bcher-kva.example", Likeness::other_spelling},
      {"O=ZÜRICH AG", "O=Zürich  AG", Likeness::other_spelling},
      {"O=ŻÓŁĆ", "O=żółć", Likeness::other_spelling},
      {"O=ΑΘΗΝΑ", "O=αθηνα", Likeness::other_spelling},
      {"O=МОСКВА", "O=москва", Likeness::other_spelling},
      {"DC=Example", "DC=EXAMPLE", Likeness::other_spelling},
      {"emailAddress=Ops@example.com", "emailAddress=ops@example.com", Likeness::other_spelling},
      {"C=CH, O=Example, CN=a", "CN=a, O=EXAMPLE, C=CH", Likeness::other_order},
      {"C=CH, CN=a+UID=b", "C=CH, CN=a, UID=b", Likeness::other_order},
      {"CN=a", "CN=b", Likeness::different},
      {"CN=a", "O=a", Likeness::different},
      {"CN=a, CN=a", "CN=a", Likeness::different},
      // A Cyrillic a, and a Turkish dotless i, are other letters.
      {"CN=example", "CN=exаmple", Likeness::different},
      {"O=I", "O=ı", Likeness::different},
      {"O=İ", "O=i", Likeness::different},
      {"O=#0401aa", "O=#0401AA", Likeness::same_bytes},
      {"O=#0401aa", "O=#0401ab", Likeness::different},
  };
  for (const auto& row : rows) {
    CAPTURE(row.asked, row.found);
    CHECK(likeness(Name::parse(row.asked), Name::parse(row.found)) == row.likeness);
    CHECK(likeness(Name::parse(row.found), Name::parse(row.asked)) == row.likeness);
  }
}

TEST_CASE("An alternative name that says what the requested subject says is no addition") {
  const struct {
    const char* subject;
    const char* found;
    Names findings;
  } rows[] = {
      {"CN=www.example.com", "dns:www.example.com", {"san-from-subject"}},
      {"CN=WWW.Example.COM", "dns:www.example.com", {"san-from-subject"}},
      {"CN=bücher.example", "dns:xn--bcher-kva.example", {"san-from-subject"}},
      {"CN=*.example.com", "dns:*.example.com", {"san-from-subject"}},
      {"CN=192.0.2.1", "ip:192.0.2.1", {"san-from-subject"}},
      {"CN=ops@example.com", "email:ops@EXAMPLE.com", {"san-from-subject"}},
      {"CN=Ops, emailAddress=ops@example.com", "email:ops@example.com", {"san-from-subject"}},
      {"CN=www.example.com", "dns:example.com", {"san-unrequested!"}},
      {"CN=example.com", "dns:www.example.com", {"san-unrequested!"}},
      {"CN=*.example.com", "dns:www.example.com", {"san-unrequested!"}},
      {"O=www.example.com", "dns:www.example.com", {"san-unrequested!"}},
      {"CN=Ops", "email:ops@example.com", {"san-unrequested!"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.subject, row.found);
    for (const bool others_asked : {false, true}) {
      Bench bench;
      Content& asked = bench.expected.content;
      asked.subject = Name::parse(row.subject);
      asked.subject_alternative_names.clear();
      if (others_asked) asked.subject_alternative_names = {GeneralName::parse("dns:other.example.com")};
      Content given = asked;
      given.subject_alternative_names.push_back(GeneralName::parse(row.found));
      CHECK(bench.findings(bench.issue(given)) == row.findings);
    }
  }
}

TEST_CASE("A common name that a CA takes from the requested alternative names is not a strange one") {
  Bench bench;
  bench.expected.content.subject = Name::parse("O=Example");
  Content given = bench.expected.content;
  given.subject = Name::parse("O=Example, CN=www.example.com");
  CHECK(bench.findings(bench.issue(given)) == Names{"subject-changed!"});
  given.subject = Name::parse("O=Example, CN=192.0.2.1");
  CHECK(bench.findings(bench.issue(given)) == Names{"subject-changed!"});
  given.subject = Name::parse("O=Example, CN=evil.example");
  bench.expected.accept = {"subject-changed"};
  CHECK(bench.findings(bench.issue(given)) == Names{"common-name-changed!", "subject-changed"});
  bench.expected.accept.push_back("common-name-changed");
  CHECK(bench.findings(bench.issue(given)) == Names{"subject-changed", "common-name-changed"});
}
