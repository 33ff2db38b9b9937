#include "providers/venafi/policy.h"

#include "cloud_answers.h"
#include "providers/securosys/test_ca.h"
#include "support/software_signer.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using test::SoftwareSigner;

namespace {

// One request against one template.
struct Case {
  explicit Case(const std::string& key = "ec:P-256") : signer(key), ask(test::server_ask()) {}
  std::vector<std::string> violations() {
    const x509::Csr csr = x509::parse_csr(test::csr_for(signer, ask));
    return venafi::violations(template_from(rules.dump()), {csr, ask, validity, predecessor});
  }
  SoftwareSigner signer;
  x509::RequestedContent ask;
  Json rules = test::open_template();
  Duration validity{};
  std::optional<Bytes> predecessor;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("an expression must match the whole value, also one with alternatives") {
  CHECK(passes({".*"}, "") == Passes::yes);
  CHECK(passes({"a|b"}, "a") == Passes::yes);
  CHECK(passes({"a|b"}, "ab") == Passes::no);
  CHECK(passes({"a|b"}, "xb") == Passes::no);
  CHECK(passes({"^a$|^b$"}, "b") == Passes::yes);
  CHECK(passes({"a)|(b"}, "xb") != Passes::yes);
  CHECK(passes({".*\\.example\\.com"}, "www.example.com.evil.org") == Passes::no);
  CHECK(passes({"www"}, "www\n") == Passes::no);
  CHECK(passes({}, "a") == Passes::no);
  CHECK(passes({"b", "a"}, "a") == Passes::yes);
}

TEST_CASE("an expression beyond RE2 is left to the service, unless another one matches") {
  CHECK(passes({"(?=x)y"}, "a") == Passes::cannot_tell);
  CHECK(passes({"(?=x)y", "a"}, "a") == Passes::yes);
  CHECK(passes({"[", "b"}, "a") == Passes::cannot_tell);
}

TEST_CASE("a hostile expression costs no time") {
  const auto begin = std::chrono::steady_clock::now();
  CHECK(passes({"(a*)*b"}, std::string(100'000, 'a')) == Passes::no);
  CHECK(passes({"(x+x+)+y"}, std::string(100'000, 'x')) == Passes::no);
  CHECK(passes({std::string(20'000, '(') + std::string(20'000, ')')}, "a") != Passes::yes);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{20});
}

TEST_CASE("a request that keeps every rule has no violation") {
  Case good;
  CHECK(good.violations() == Lines{});
}

TEST_CASE("every violation of a template is told at once, with component, value and what is allowed") {
  Case bad;
  bad.rules.set("subjectCNRegexes", Json::array({".*\\.vfidev\\.com", "localhost"}));
  bad.rules.set("subjectSTRegexes", Json::array({"Utah"}));
  bad.rules.set("subjectCValues", Json::array({"US"}));
  bad.rules.set("sanRegexes", Json::array({".*\\.vfidev\\.com"}));
  bad.rules.set("sanIpAddressRegexes", Json::array());
  bad.rules.set("keyTypes", Json::parse(R"([{"keyType":"RSA","keyLengths":[2048,4096]},)"
                                        R"({"keyType":"EC","keyCurves":["P384"]}])"));
  bad.validity = std::chrono::hours{24 * 91};
  CHECK(bad.violations() == Lines{R"(subject CN "www.example.com": allowed: .*\.vfidev\.com, localhost)",
                                  "subject ST is missing; allowed: Utah", R"(subject C "CH": allowed: US)",
                                  R"(DNS name "www.example.com": allowed: .*\.vfidev\.com)",
                                  R"(IP address "192.0.2.1": none is allowed)",
                                  "key ec:P-256: allowed: RSA 2048, RSA 4096, EC P384",
                                  "validity 91d: at most 90d (a profile may accept it: validity-shorter)"});
}

TEST_CASE("a long list of expressions is told as far as a person reads") {
  Case many;
  Json list = Json::array({std::string(1000, 'x')});
  for (int i = 0; i < 99; ++i) list.push("y" + std::to_string(i));
  many.rules.set("subjectOURegexes", Json());
  many.rules.set("subjectLRegexes", list);
  const Lines lines = many.violations();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].size() < 600);
  CHECK(lines[0].find("and 80 more") != std::string::npos);
}

TEST_CASE("what a template does not state is no rule for what is absent, and forbids what is present") {
  Case unstated;
  for (const char* name : {"subjectOURegexes", "subjectSTRegexes"}) unstated.rules.set(name, Json());
  CHECK(unstated.violations() == Lines{});
  unstated.rules.set("subjectORegexes", Json());
  unstated.rules.set("sanRegexes", Json());
  CHECK(unstated.violations() ==
        Lines{R"(subject O "Example": none is allowed)", R"(DNS name "www.example.com": none is allowed)"});
}

TEST_CASE("a name of a kind without a rule is refused") {
  Case upn;
  upn.ask.content.subject_alternative_names.push_back(x509::GeneralName::parse("upn:a@example.com"));
  REQUIRE(upn.violations().size() == 1);
  CHECK(upn.violations()[0].find("of a kind for which a template has no rule") != std::string::npos);
}

TEST_CASE("country codes are literals and expressions") {
  Case literal;
  literal.rules.set("subjectCValues", Json::array({"C."}));
  CHECK(literal.violations() == Lines{});
  literal.rules.set("subjectCValues", Json::array({"CH", "["}));
  CHECK(literal.violations() == Lines{});
}

TEST_CASE("a template that is unavailable, or takes no CSRs from outside, says so first") {
  Case closed;
  closed.rules.set("status", "UNAVAILABLE");
  closed.rules.set("reason", "CA account disabled");
  closed.rules.set("csrUploadAllowed", false);
  const Lines lines = closed.violations();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "the issuing template Test Certs is UNAVAILABLE: CA account disabled");
  CHECK(lines[1].find("does not accept CSRs made elsewhere (csrUploadAllowed is false)") != std::string::npos);
}

TEST_CASE("every kind of key is found in a template's list") {
  struct Row {
    const char* key;
    const char* rule;
  };
  for (const Row& row :
       {Row{"rsa:2048", R"([{"keyType":"RSA","keyLengths":[2048]}])"},
        Row{"ec:P-256", R"([{"keyType":"EC","keyCurves":["P256"]}])"},
        Row{"ec:P-384", R"([{"keyType":"EC","keyCurves":["P384"]}])"},
        Row{"ec:P-521", R"([{"keyType":"RSA","keyLengths":[1]},{"keyType":"EC","keyCurves":["P521"]}])"},
        Row{"ed25519", R"([{"keyType":"EC","keyCurves":["ED25519"]}])"}, Row{"ec:P-256", R"([{"keyType":"EC"}])"}}) {
    INFO(row.key);
    Case one(row.key);
    one.rules.set("keyTypes", Json::parse(row.rule));
    CHECK(one.violations() == Lines{});
    one.rules.set("keyTypes",
                  Json::parse(R"([{"keyType":"RSA","keyLengths":[3072]},{"keyType":"EC","keyCurves":["X"]}])"));
    CHECK(one.violations().size() == 1);
  }
}

TEST_CASE("a new key is wanted at a renewal where the template says so") {
  Case renewal;
  renewal.predecessor = renewal.signer.subject_public_key_info();
  CHECK(renewal.violations() == Lines{});
  renewal.rules.set("keyReuse", false);
  CHECK(renewal.violations().size() == 1);
  renewal.predecessor = SoftwareSigner("ec:P-256").subject_public_key_info();
  CHECK(renewal.violations() == Lines{});
}

TEST_CASE("validity beyond the longest may be accepted, hours at ZTPKI may not") {
  Case longer;
  longer.validity = std::chrono::hours{24 * 120};
  longer.ask.accept = {"validity-shorter"};
  CHECK(longer.violations() == Lines{});
  longer.rules.set("certificateAuthority", "ZTPKI");
  longer.validity = std::chrono::hours{36};
  CHECK(longer.violations() == Lines{"validity 1d12h: ZTPKI counts whole days only"});
}

TEST_CASE("a usage that the template does not write is an objection, one that it adds is said") {
  Case usages;
  usages.rules.set("extendedKeyUsageValues", Json::array({"SERVER"}));
  CHECK(usages.violations() == Lines{});
  usages.rules.set("extendedKeyUsageValues", Json::array({"SERVER", "CLIENT"}));
  CHECK(usages.violations() == Lines{});
  const Template rules = template_from(usages.rules.dump());
  CHECK(notes(rules, usages.ask.content) == Lines{"the issuing template Test Certs issues clientAuth too"});
  usages.rules.set("extendedKeyUsageValues", Json::array({"CLIENT"}));
  CHECK(usages.violations().size() == 1);
  CHECK(usages.violations().at(0).find("serverAuth would be lost") != std::string::npos);
  usages.ask.accept = {"extended-key-usage-changed"};
  CHECK(usages.violations() == Lines{});
}

TEST_CASE("a policy is shown with every rule") {
  Json rules = test::open_template();
  rules.set("csrUploadAllowed", false);
  rules.set("sanRfc822NameRegexes", Json::array());
  const auto facts = policy_facts(template_from(rules.dump()));
  const auto value = [&](const std::string& name) {
    for (const auto& [key, text] : facts) {
      if (key == name) return text;
    }
    return std::string("(none)");
  };
  CHECK(value("Issuing template") == "Test Certs");
  CHECK(value("Longest validity") == "P90D");
  CHECK(value("CSRs from outside").find("NOT allowed") == 0);
  CHECK(value("Subject CN") == ".*");
  CHECK(value("e-mail address") == "none allowed");
}
