#include "ca/name_constraints.h"

#include "ca/examine.h"
#include "hierarchy.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

Profile constrained(const std::vector<std::string>& lines) {
  Profile profile = authority("CN=Issuer");
  profile.content.name_constraints.emplace();
  for (const std::string& line : lines) x509::add_name_constraint(*profile.content.name_constraints, line);
  return profile;
}

struct Row {
  std::string constraint;  // of the issuer
  std::string subject;
  std::string name;  // "" for none
  bool allowed;
};

}  // namespace

TEST_CASE("a name is allowed below constraints exactly where OpenSSL accepts it") {
  const std::vector<Row> rows{
      {"permitted;dns:example.com", "CN=Server", "dns:www.example.com", true},
      {"permitted;dns:example.com", "CN=Server", "dns:example.com", true},
      {"permitted;dns:example.com", "CN=Server", "dns:www.example.net", false},
      {"permitted;dns:example.com", "CN=Server", "dns:notexample.com", false},
      {"permitted;dns:.example.com", "CN=Server", "dns:example.com", false},
      {"permitted;dns:.example.com", "CN=Server", "dns:a.b.example.com", true},
      {"permitted;dns:example.com", "CN=Server", "dns:*.example.com", true},
      {"permitted;dns:example.com", "CN=www.example.net", "", false},
      {"permitted;dns:example.com", "CN=www.example.com", "", true},
      {"permitted;dns:example.com", "CN=Our Server", "", true},
      {"permitted;dns:example.com", "CN=www.example.net", "dns:www.example.com", true},
      {"permitted;dns:example.com", "CN=Server", "ip:192.0.2.7", true},
      {"excluded;dns:example.com", "CN=Server", "dns:www.example.com", false},
      {"excluded;dns:example.com", "CN=Server", "dns:www.example.net", true},
      {"excluded;ip:192.0.2.0/24", "CN=Server", "ip:192.0.2.7", false},
      {"excluded;ip:192.0.2.0/24", "CN=Server", "ip:192.0.3.7", true},
      {"permitted;ip:192.0.2.0/24", "CN=Server", "ip:2001:db8::1", false},
      {"permitted;ip:2001:db8::/32", "CN=Server", "ip:2001:db8::1", true},
      {"permitted;email:example.com", "CN=Server", "email:a@example.com", true},
      {"permitted;email:example.com", "CN=Server", "email:a@sub.example.com", false},
      {"permitted;email:.example.com", "CN=Server", "email:a@sub.example.com", true},
      {"permitted;email:a@example.com", "CN=Server", "email:a@example.com", true},
      {"permitted;email:a@example.com", "CN=Server", "email:b@example.com", false},
      {"permitted;email:example.com", "CN=Server, emailAddress=a@example.net", "", false},
      {"permitted;uri:example.com", "CN=Server", "uri:https://example.com:8443/x", true},
      {"permitted;uri:example.com", "CN=Server", "uri:https://www.example.com/x", false},
      {"permitted;uri:.example.com", "CN=Server", "uri:https://www.example.com/x", true},
      {"excluded;uri:.example.com", "CN=Server", "uri:https://www.example.com/x", false},
      {"permitted;dirname:C=CH, O=Example", "C=CH, O=Example, CN=Server", "", true},
      {"permitted;dirname:C=CH, O=Example", "C=CH, O=EXAMPLE, CN=Server", "", true},
      {"permitted;dirname:C=CH, O=Example", "C=CH, O=Other, CN=Server", "", false},
      {"excluded;dirname:C=CH", "C=CH, O=Example, CN=Server", "", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.constraint, row.subject, row.name);
    Entity root(authority("CN=Root"));
    Entity issuer(constrained({row.constraint}), &root);
    const Entity leaf(server(row.subject, row.name.empty() ? std::vector<std::string>{} : std::vector{row.name}),
                      &issuer);
    const auto reasons = hsmbridge::ca::forbidden_names(leaf.fields.content, *issuer.certificate);
    CHECK(reasons.empty() == row.allowed);
    const std::string verdict = openssl_verdict(*leaf.certificate, {*issuer.certificate}, *root.certificate);
    CAPTURE(verdict);
    CHECK(verdict.empty() == row.allowed);
  }
}

// OpenSSL 3 compares the name with its star, and accepts all of these: other verifiers do not (CVE-2025-61727), and the
// holder could serve the excluded host.
TEST_CASE("a wildcard is forbidden where a host that it can match is excluded") {
  const std::vector<Row> rows{
      {"excluded;dns:secret.example.com", "CN=Server", "dns:*.example.com", false},
      {"excluded;dns:SECRET.example.com", "CN=Server", "dns:*.Example.com", false},
      {"excluded;dns:secret.example.com", "CN=*.example.com", "", false},
      {"excluded;dns:secret.example.com", "CN=Server", "dns:*.secret.example.com", false},
      {"excluded;dns:secret.example.com", "CN=Server", "dns:*.example.net", true},
      {"excluded;dns:secret.example.com", "CN=Server", "dns:*.www.example.com", true},
      // A star stands for one label.
      {"excluded;dns:very.secret.example.com", "CN=Server", "dns:*.example.com", true},
      {"excluded;dns:.secret.example.com", "CN=Server", "dns:*.example.com", true},
      {"excluded;dns:.example.com", "CN=Server", "dns:*.example.com", false},
      {"permitted;dns:secret.example.com", "CN=Server", "dns:*.example.com", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.constraint, row.subject, row.name);
    const Entity issuer(constrained({row.constraint}));
    x509::Content content;
    content.subject = x509::Name::parse(row.subject);
    if (!row.name.empty()) content.subject_alternative_names = {x509::GeneralName::parse(row.name)};
    CHECK(hsmbridge::ca::forbidden_names(content, *issuer.certificate).empty() == row.allowed);
  }
}

TEST_CASE("another spelling of an excluded name is excluded too") {
  const auto forbidden = [](const std::string& constraint, const std::string& name) {
    x509::Content content;
    content.subject_alternative_names = {x509::GeneralName::parse(name)};
    x509::NameConstraints limits;
    x509::add_name_constraint(limits, constraint);
    return !ca::forbidden_names(content, limits, "the CA").empty();
  };
  CHECK(forbidden("excluded;ip:10.0.0.0/8", "ip:::ffff:10.0.0.1"));
  CHECK_FALSE(forbidden("excluded;ip:10.0.0.0/8", "ip:::ffff:11.0.0.1"));
  CHECK_FALSE(forbidden("excluded;ip:10.0.0.0/8", "ip:2001:db8::a00:1"));
  CHECK(forbidden("excluded;uri:evil.example.com", "uri:https://evil.example.com./"));
  CHECK(forbidden("excluded;uri:evil.example.com", "uri:https://evil%2eexample.com/"));
  CHECK_FALSE(forbidden("excluded;uri:evil.example.com", "uri:https://good.example.com./"));
  CHECK(forbidden("excluded;email:ceo@example.com", "email:\"ceo\"@example.com"));
  CHECK(forbidden("excluded;email:ceo@example.com", "email:\"c\\eo\"@example.com"));
  CHECK_FALSE(forbidden("excluded;email:ceo@example.com", "email:\"cfo\"@example.com"));
}

TEST_CASE("every forbidden name is told at once with the constraint that forbids it") {
  Entity issuer(constrained({"permitted;dns:example.com", "excluded;ip:192.0.2.0/24"}));
  const Entity leaf(server("CN=Server", {"dns:www.example.net", "dns:www.example.com", "ip:192.0.2.7"}), &issuer);
  CHECK(hsmbridge::ca::forbidden_names(leaf.fields.content, *issuer.certificate) ==
        std::vector<std::string>{
            "dns:www.example.net lies outside what \"CN=Issuer\" permits by its name constraints (dns:example.com)",
            "ip:192.0.2.7 lies in what \"CN=Issuer\" excludes by its name constraints (ip:192.0.2.0/24)"});
  // The constraints of a CA further up count too.
  Entity below(authority("CN=Below"), &issuer);
  const auto path = hsmbridge::ca::path_above(*below.certificate, {}, {*issuer.certificate});
  CHECK(hsmbridge::ca::objections(leaf.certificate->tbs, path).size() == 2);
}

TEST_CASE("a constraint on names that nobody can compare forbids them all") {
  Entity issuer(constrained({"permitted;upn:user@example.com"}));
  const Entity leaf(server("CN=Server", {"upn:user@example.com", "dns:www.example.com"}), &issuer);
  CHECK(hsmbridge::ca::forbidden_names(leaf.fields.content, *issuer.certificate) ==
        std::vector<std::string>{"upn:user@example.com: \"CN=Issuer\" constrains names of this kind "
                                 "(upn:user@example.com), which no verifier can compare"});
}

TEST_CASE("mail addresses of the other kind are not let through where mail addresses are constrained") {
  Entity issuer(constrained({"permitted;email:example.com"}));
  Entity free(constrained({"permitted;dns:example.com"}));
  const Profile leaf = server("CN=Server", {"othername:1.3.6.1.5.5.7.8.9;UTF8:\xc3\xbc@evil.example"});
  REQUIRE(hsmbridge::ca::forbidden_names(leaf.content, *issuer.certificate).size() == 1);
  CHECK(hsmbridge::ca::forbidden_names(leaf.content, *issuer.certificate).front().find("RFC 9598 §6") !=
        std::string::npos);
  CHECK(hsmbridge::ca::forbidden_names(leaf.content, *free.certificate).empty());
}

TEST_CASE("the permitted subtrees of a CA must lie within those of its issuer") {
  const std::vector<std::pair<std::string, bool>> rows{{"dns:sub.example.com", true},
                                                       {"dns:.example.com", true},
                                                       {"dns:example.com", true},
                                                       {"dns:example.net", false},
                                                       {"dns:com", false},
                                                       {"ip:10.1.0.0/16", true},
                                                       {"ip:10.0.0.0/8", true},
                                                       {"ip:0.0.0.0/0", false},
                                                       {"ip:11.0.0.0/16", false},
                                                       {"ip:2001:db8::/32", false},
                                                       {"email:example.com", true},
                                                       {"email:a@example.com", true},
                                                       {"email:.example.com", false},
                                                       {"uri:a.example.com", true},
                                                       {"uri:.a.example.com", true},
                                                       {"uri:example.com", false},
                                                       {"dirname:C=CH, O=Example, OU=Unit", true},
                                                       {"dirname:C=DE, O=Other", false}};
  const Entity issuer(
      constrained({"permitted;dns:example.com", "permitted;ip:10.0.0.0/8", "permitted;email:example.com",
                   "permitted;uri:.example.com", "permitted;dirname:C=CH, O=Example"}));
  for (const auto& [subtree, within] : rows) {
    CAPTURE(subtree);
    Profile sub = authority("C=CH, O=Example, CN=Sub");
    sub.content.name_constraints.emplace();
    x509::add_name_constraint(*sub.content.name_constraints, "permitted;" + subtree);
    sub.content.subject = x509::Name::parse(sub.subject);
    const auto reasons = hsmbridge::ca::forbidden_names(sub.content, *issuer.certificate);
    CAPTURE(reasons);
    CHECK(reasons.empty() == within);
    if (!within) CHECK(reasons.front().find("the permitted subtree " + subtree + " lies outside") == 0);
  }
}
