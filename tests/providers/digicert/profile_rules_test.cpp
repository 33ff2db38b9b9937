#include "providers/digicert/profile_rules.h"

#include "answers.h"
#include "providers/digicert/fields.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace std::chrono_literals;

namespace {

using Strings = std::vector<std::string>;

struct Bench {
  Bench() {
    ask.content.subject = x509::Name::parse("C=CH, O=Example, CN=www.example.com");
    ask.content.subject_alternative_names = {x509::GeneralName::parse("dns:www.example.com")};
    settings.name = "tlm";
  }
  Strings violations() const {
    return digicert::violations(profile_from(json.dump()), settings, ask, x509::parse_key_spec(key));
  }
  Json json = test::tlm_profile();
  Settings settings;
  x509::RequestedContent ask;
  std::string key = "ec:P-256";
};

}  // namespace

TEST_CASE("an ordinary request breaks no rule of an ordinary profile") {
  const Bench bench;
  CHECK(bench.violations().empty());
  CHECK(obstacles(profile_from(bench.json.dump())).empty());
  CHECK(issues_at_once(profile_from(bench.json.dump())));
}

TEST_CASE("every violation is told at once") {
  Bench bench;
  bench.json.set("override_cert_validity_via_api", false);
  bench.key = "rsa:4096";
  bench.ask.validity = 90 * 24h;
  bench.ask.content.subject = x509::Name::parse("C=CH, L=Bern");
  bench.ask.content.subject_alternative_names = {x509::GeneralName::parse("email:a@example.com")};
  CHECK(bench.violations() ==
        Strings{"the key is rsa:4096, the profile allows rsa:2048, rsa:3072, ec:P-256",
                "the profile demands the subject field common_name, and the request has none",
                "the profile has no subject field locality: it would be dropped (accept: subject-changed)",
                "the profile carries no alternative names of the kind emails: a@example.com would be dropped",
                "the profile gives a validity of 365 days and allows no other, the request asks for 90 days (accept: "
                "validity-longer)"});
}

TEST_CASE("a profile of the configuration accepts deviations by name") {
  Bench bench;
  bench.json.set("override_cert_validity_via_api", false);
  bench.ask.validity = 90 * 24h;
  bench.ask.content.subject = x509::Name::parse("L=Bern, CN=www.example.com");
  bench.ask.content.subject_alternative_names = {x509::GeneralName::parse("email:a@example.com")};
  CHECK(bench.violations().size() == 3);
  bench.ask.accept = {"subject-changed", "validity-longer", "san-dropped"};
  CHECK(bench.violations().empty());
  // A certificate with some of the names is never acceptable.
  bench.ask.content.subject_alternative_names.push_back(x509::GeneralName::parse("dns:www.example.com"));
  CHECK(bench.violations().size() == 1);
}

TEST_CASE("key sizes are read in every spelling") {
  struct Row {
    const char* sizes;
    const char* key;
    bool good;
  };
  const Row rows[] = {
      {R"(["2048"])", "rsa:2048", true},
      {R"(["2048"])", "rsa:4096", true},
      {R"(["3072"])", "rsa:2048", false},
      {R"(["2048"])", "ec:P-256", false},
      {R"(["2048"])", "ed25519", false},
      {R"(["RSA_2048","RSA_3072"])", "rsa:4096", false},
      {R"(["RSA_2048","RSA_3072"])", "rsa:3072", true},
      {R"(["P-256"])", "ec:P-256", true},
      {R"(["ECDSA_P384","secp521r1"])", "ec:P-521", true},
      {R"(["ECDSA_P384","secp521r1"])", "ec:P-256", false},
      {R"([])", "ed25519", true},
      {R"(["something new"])", "ed25519", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.sizes, row.key);
    Bench bench;
    bench.json.set("allowed_key_sizes", Json::parse(row.sizes));
    bench.key = row.key;
    CHECK(bench.violations().empty() == row.good);
  }
}

TEST_CASE("mandatory and fixed fields are held against the request") {
  Bench bench;
  bench.json.set("certificate", Json::parse(R"({"subject":{"attributes":[
      {"type":"common_name","mandatory":true},
      {"type":"organization_name","mandatory":true,"sources":[{"source":"FIXED_VALUE","value":"Example AG"}]},
      {"type":"country","mandatory":true},{"type":"shoe_size","mandatory":true},
      {"type":"street_address","mandatory":true,"sources":[{"source":"AD_ATTRIBUTE"}]}]},
    "extensions":{"san":{"attributes":[{"type":"user_principal_names","mandatory":true},
                                       {"type":"dns_names","mandatory":false}]}}})"));
  CHECK(bench.violations() ==
        Strings{"the profile demands the subject field shoe_size, which this version cannot send",
                "the profile fixes organization_name to \"Example AG\", the request asks for \"Example\" (accept: "
                "subject-changed)",
                "the profile demands the alternative name user_principal_names, and the request has none"});
  bench.ask.content.subject = x509::Name::parse("C=CH, CN=www.example.com");
  CHECK(
      bench.violations()[1] ==
      "the profile adds organization_name = \"Example AG\", which the request does not ask for (ask for it, or accept: "
      "subject-changed)");
}

TEST_CASE("a profile that shows no rules forbids nothing") {
  Bench bench;
  bench.json.set("certificate", Json());
  bench.json.set("allowed_key_sizes", Json());
  bench.ask.content.subject_alternative_names.push_back(x509::GeneralName::parse("uri:https://example.com/"));
  CHECK(bench.violations().empty());
}

TEST_CASE("two values of a single field are refused") {
  Bench bench;
  bench.ask.content.subject = x509::Name::parse("O=A, O=B, CN=www.example.com");
  CHECK(bench.violations() == Strings{"the profile allows one subject field organization_name, the request has 2"});
}

TEST_CASE("the validity is asked where the profile lets it be asked") {
  Bench bench;
  const auto term = [&] { return term_for(profile_from(bench.json.dump()), bench.settings, bench.ask); };
  CHECK_FALSE(term());
  bench.ask.validity = 90 * 24h;
  REQUIRE(term());
  CHECK(term()->unit == "days");
  CHECK(term()->duration == 90);
  bench.ask.validity = 36h;
  CHECK(term()->unit == "hours");
  bench.ask.validity = 45min;
  CHECK(term()->unit == "minutes");
  bench.ask.validity = 90s;
  CHECK(bench.violations() == Strings{"a validity of 1m30s is not a whole number of minutes"});
  bench.ask.validity = 90 * 24h;
  bench.settings.validity = Settings::Validity::of_profile;
  CHECK_FALSE(term());
  CHECK(bench.violations().size() == 1);
  bench.ask.validity = 360 * 24h;
  CHECK(bench.violations().empty());
}

TEST_CASE("what a profile waits for is told as far as it is known") {
  Bench bench;
  const auto awaited = [&] {
    const Profile profile = profile_from(bench.json.dump());
    CHECK_FALSE(issues_at_once(profile));
    return what_is_awaited(&profile);
  };
  bench.json.set("enable_dual_admin_approval", true);
  CHECK(awaited() == "an approval by two administrators");
  bench.json.set("enable_dual_admin_approval", false);
  bench.json.set("authentication_method", "manual_approval");
  CHECK(awaited() == "an approval by an administrator");
  bench.json.set("authentication_method", "third_party_app");
  bench.json.set("connector_id", "914bfbc2-b2e2-11ef-a370-fe7b3e6ed6dd");
  CHECK(awaited() == "a CA behind a connector (a Microsoft CA)");
  CHECK(what_is_awaited(nullptr).find("does not say which") != std::string::npos);
}

TEST_CASE("names and subject fields go under the service's words") {
  const auto names =
      name_values({x509::GeneralName::parse("dns:a.example"), x509::GeneralName::parse("ip:192.0.2.1"),
                   x509::GeneralName::parse("dns:b.example"), x509::GeneralName::parse("upn:u@example.com")});
  REQUIRE(names.size() == 3);
  CHECK(names[0].name == "dns_names");
  CHECK(names[0].values == Strings{"a.example", "b.example"});
  CHECK(names[1].values == Strings{"192.0.2.1"});
  CHECK(names[2].name == "user_principal_names");
  CHECK(names[2].values == Strings{"u@example.com"});
  const auto subject = subject_values(x509::Name::parse("C=CH, OU=a, OU=b, CN=x"));
  REQUIRE(subject.size() == 3);
  CHECK(subject[1].name == "organization_units");
  CHECK(subject[1].values == Strings{"a", "b"});
  x509::RequestedContent ask;
  ask.content.subject = x509::Name::parse("CN=x, 1.2.3.4=y");
  ask.content.subject_alternative_names = {x509::GeneralName::parse("dirname:CN=z")};
  CHECK(what_cannot_be_carried(ask).size() == 2);
  ask.accept = {"subject-changed"};
  CHECK(what_cannot_be_carried(ask).size() == 1);
}

TEST_CASE("reasons of RFC 5280 become the service's words") {
  CHECK(revocation_word("keyCompromise") == "key_compromise");
  CHECK(revocation_word("CACompromise") == "ca_compromise");
  CHECK(revocation_word("cessationOfOperation") == "cessation_of_operation");
  CHECK_FALSE(revocation_word("removeFromCRL"));
  CHECK_FALSE(revocation_word(""));
}

TEST_CASE("usages that a profile adds are said and are no objection") {
  Bench bench;
  bench.json.set("custom_extended_key_usages",
                 Json::array({"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.2.3.4", "no OID"}));
  bench.ask.content.extended_key_usage = {x509::Oid::parse("serverAuth")};
  const Profile profile = profile_from(bench.json.dump());
  CHECK(bench.violations().empty());
  CHECK(notes(profile, bench.ask.content) == Strings{"the profile \"Web\" issues clientAuth, 1.2.3.4, no OID too"});
  bench.json.set("custom_extended_key_usages", Json());
  CHECK(notes(profile_from(bench.json.dump()), bench.ask.content).empty());
}
