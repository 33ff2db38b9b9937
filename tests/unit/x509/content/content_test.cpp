#include "x509/content/content.h"

#include "unit/x509/error_of.h"
#include "unit/x509/full_content.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::refusal;

namespace {

// The bytes of the one extension that `content` asks for.
std::string value_of(const Content& content) {
  const auto list = extensions_of(content);
  REQUIRE(list.size() == 1);
  return list[0].oid.dotted() + (list[0].critical ? " critical " : " ") + hex(list[0].value);
}

}  // namespace

TEST_CASE("Extensions are the bytes of RFC 5280") {
  Content content;
  content.subject = Name::parse("CN=a");
  const auto with = [&](auto change) {
    Content changed = content;
    change(changed);
    return value_of(changed);
  };
  CHECK(with([](Content& c) { c.key_usage = KeyUsages{KeyUsage::digital_signature}; }) ==
        "2.5.29.15 critical 03020780");
  CHECK(with([](Content& c) {
          c.key_usage = KeyUsages{KeyUsage::key_cert_sign, KeyUsage::crl_sign};
        }) == "2.5.29.15 critical 03020106");
  CHECK(with([](Content& c) { c.key_usage = KeyUsages{KeyUsage::decipher_only}; }) == "2.5.29.15 critical 0303070080");
  CHECK(with([](Content& c) { c.basic_constraints = BasicConstraints{}; }) == "2.5.29.19 critical 3000");
  CHECK(with([](Content& c) { c.basic_constraints = parse_basic_constraints("CA:TRUE,pathlen:0"); }) ==
        "2.5.29.19 critical 30060101ff020100");
  CHECK(with([](Content& c) { c.extended_key_usage = {parse_extended_key_usage("serverAuth")}; }) ==
        "2.5.29.37 300a06082b06010505070301");
  CHECK(with([](Content& c) { c.tls_features = {5, 17}; }) == "1.3.6.1.5.5.7.1.24 3006020105020111");
  CHECK(with([](Content& c) { c.policies = {parse_policy("1.2.3")}; }) == "2.5.29.32 3006300406022a03");
  CHECK(with([](Content& c) { add_name_constraint(c.name_constraints.emplace(), "excluded;dns:a"); }) ==
        "2.5.29.30 critical 3007a1053003820161");
  CHECK(with([](Content& c) { c.subject_alternative_names = {GeneralName::parse("rid:1.2.3")}; }) ==
        "2.5.29.17 300488022a03");
}

TEST_CASE("Every extension comes back from its encoding") {
  const Content content = test::full_content();
  Content found;
  apply_extensions(found, decode_extensions(encode_extensions(extensions_of(content))));
  found.subject = content.subject;
  found.challenge_password = content.challenge_password;
  CHECK(difference(content, found).empty());
}

TEST_CASE("Text forms of usages and constraints are read") {
  CHECK(parse_key_usage("contentCommitment") == KeyUsage::content_commitment);
  CHECK(parse_key_usage("DIGITALSIGNATURE") == KeyUsage::digital_signature);
  CHECK(parse_extended_key_usage("any").dotted() == "2.5.29.37.0");
  CHECK(parse_extended_key_usage("1.2.3").dotted() == "1.2.3");
  CHECK(parse_extended_key_usage("msSmartcardLogin").dotted() == "1.3.6.1.4.1.311.20.2.2");
  CHECK(parse_basic_constraints("ca:true, pathlen:3").path_length == 3U);
  CHECK(parse_tls_feature("status_request") == 5);
  const Policy policy = parse_policy("1.2.3;cps:https://a.example/;cps:https://b.example/;notice:one; two");
  CHECK(policy.cps_uris == std::vector<std::string>{"https://a.example/", "https://b.example/"});
  CHECK(policy.user_notices[0].explicit_text == "one; two");
  const Extension extension = parse_extension("1.2.3:critical:0500");
  CHECK(extension.critical);
  CHECK(hex(extension.value) == "0500");
}

TEST_CASE("Malformed text forms are refused naming the text") {
  CHECK(refusal([] { parse_key_usage("signing"); }) == "key usage \"signing\" does not exist");
  CHECK(refusal([] { parse_extended_key_usage("webServer"); }).find("\"webServer\"") != std::string::npos);
  for (const char* text : {"", "TRUE", "CA:TRUE,pathlen:", "CA:TRUE,pathlen:-1", "CA:TRUE,pathlen:1000",
                           "CA:FALSE,pathlen:0", "CA:TRUEx"}) {
    CAPTURE(text);
    CHECK(refusal([&] {
            parse_basic_constraints(text);
          }).rfind("basic constraints \"" + std::string(text) + "\":", 0) == 0);
  }
  NameConstraints constraints;
  for (const char* text : {"dns:example.com", "allowed;dns:a", "permitted;www", "permitted;ip:10.0.0.1"}) {
    CAPTURE(text);
    CHECK(refusal([&] { add_name_constraint(constraints, text); }).rfind("name constraint", 0) == 0);
  }
  for (const char* text : {"", "x", "1.2.3;foo", "1.2.3;cps:nothing", "1.2.3;notice:"}) {
    CAPTURE(text);
    CHECK(refusal([&] { parse_policy(text); }).rfind("certificate policy", 0) == 0);
  }
  for (const char* text :
       {"1.2.3", "1.2.3:", "1.2.3:zz", "1.2.3:04", "1.2.3:050000", "2.5.29.17:3000", "2.5.29.35:3000", "x:0500"}) {
    CAPTURE(text);
    CHECK(refusal([&] { parse_extension(text); }).rfind("extension \"", 0) == 0);
  }
  CHECK(refusal([] { parse_tls_feature("70000"); }) != "accepted");
}

TEST_CASE("Malformed extension values are refused naming the extension") {
  const struct {
    const char* oid;
    const char* value;
  } rows[] = {
      {"2.5.29.15", "0500"},
      {"2.5.29.15", "03020780ff"},
      {"2.5.29.15", "030300ffff"},
      {"2.5.29.19", "30030101aa"},
      {"2.5.29.19", "3003020180"},
      {"2.5.29.17", "3000"},
      {"2.5.29.17", "3002820b"},
      {"2.5.29.30", "3002a000"},
      {"2.5.29.30", "300aa0083006820161800101"},
      {"2.5.29.32", "3000"},
      {"2.5.29.37", "3000"},
      {"2.5.29.14", "0500"},
      {"1.3.6.1.5.5.7.1.24", "30030201ff"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.oid, row.value);
    Content content;
    const Extension extension{Oid(row.oid), false, from_hex(row.value)};
    CHECK(refusal([&] {
            apply_extensions(content, {extension});
          }).rfind("extension " + extension.oid.name() + ": ", 0) == 0);
  }
  CHECK(refusal([] {
          const Extension one{Oid("1.2.3"), false, from_hex("0500")};
          decode_extensions(encode_extensions({one, one}));
        }) == "extension 1.2.3 is there twice");
}

TEST_CASE("DER that is not the shortest or not whole is refused") {
  for (const char* text :
       {"", "30", "3080", "308000", "30810100", "3082000100", "3001", "1f0100", "0000", "308500000000010"}) {
    CAPTURE(text);
    std::string even = text;
    if (even.size() % 2 != 0) even += "0";
    CHECK(refusal([&] { der::only(from_hex(even), "it"); }) != "accepted");
  }
  const auto integer = [](const char* text) {
    return refusal([&] {
      const Bytes bytes = from_hex(text);
      der::Reader(bytes).integer("it");
    });
  };
  CHECK(integer("02020080") == "accepted");
  CHECK(integer("02020001") != "accepted");
  CHECK(integer("0202ff80") != "accepted");
  CHECK(integer("0200") != "accepted");
}

TEST_CASE("Times are read only in the forms that RFC 5280 allows") {
  const auto time = [](std::uint8_t tag, const char* text) {
    return refusal([&] {
      const Bytes bytes = der::text(tag, text);
      der::Reader(bytes).time("it");
    });
  };
  CHECK(time(der::kUtcTime, "491231235959Z") == "accepted");
  CHECK(time(der::kGeneralizedTime, "20500101000000Z") == "accepted");
  for (const char* text : {"4912312359Z", "491231235959+0100", "490231235959Z", "491231245959Z", "4912312359x9Z", ""}) {
    CAPTURE(text);
    CHECK(time(der::kUtcTime, text) != "accepted");
  }
  CHECK(time(der::kGeneralizedTime, "20500101000000.5Z") != "accepted");
  Bytes year_1950 = der::time(parse_rfc3339("1950-06-01T00:00:00Z"));
  CHECK(hex(year_1950) == "170d3530303630313030303030305a");
  CHECK(der::Reader(year_1950).time("it") == parse_rfc3339("1950-06-01T00:00:00Z"));
}

TEST_CASE("A name that was only read from DER is checked before it is asked for") {
  const auto why = [](const Bytes& san) {
    Content content;
    content.subject_alternative_names = {GeneralName::from_der(san)};
    return refusal([&] { validate(content); });
  };
  CHECK(why(der::text(der::context(2), std::string("a\0b.example.com", 15))).find("control character") !=
        std::string::npos);
  for (const char* text : {"*", "*.", "a..b", "www.example.com "}) {
    CAPTURE(text);
    CHECK(why(der::text(der::context(2), text)) != "accepted");
  }
  CHECK(why(der::text(der::context(1), "nobody")) != "accepted");
  CHECK(why(der::text(der::context(6), "no uri")) != "accepted");
  // A directory name with a country of three letters.
  CHECK(why(from_hex("a410300e310c300a06035504061303434845")) != "accepted");
  CHECK(why(der::text(der::context(2), "*.example.com")) == "accepted");
  CHECK(why(GeneralName::parse("dirname:C=CH, O=Example").der) == "accepted");
  Content content;
  content.subject = Name::from_der(from_hex("300e310c300a06035504061303434845"));
  CHECK(refusal([&] { validate(content); }).find("C has exactly 2 characters") != std::string::npos);
}
