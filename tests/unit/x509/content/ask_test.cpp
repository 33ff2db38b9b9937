#include "base/error.h"
#include "x509/content/requested_content.h"

#include <catch2/catch.hpp>

namespace hsmbridge::x509 {

TEST_CASE("an ask is read back from its JSON with every field") {
  RequestedContent ask;
  ask.content.subject = Name::parse("C=CH, O=Exämple, CN=www+UID=7");
  ask.content.subject_alternative_names = {GeneralName::parse("dns:www.example.com"),
                                           GeneralName::parse("ip:192.0.2.1"),
                                           GeneralName::parse("upn:user@example.com")};
  ask.content.key_usage = KeyUsages{KeyUsage::key_cert_sign, KeyUsage::crl_sign};
  ask.content.extended_key_usage = {parse_extended_key_usage("serverAuth"), Oid{"1.2.3.4"}};
  ask.content.basic_constraints = parse_basic_constraints("CA:TRUE,pathlen:1");
  ask.content.name_constraints.emplace();
  add_name_constraint(*ask.content.name_constraints, "permitted;dns:example.com");
  add_name_constraint(*ask.content.name_constraints, "excluded;ip:10.0.0.0/8");
  ask.content.policies = {parse_policy("1.2.3.4;cps:https://example.com/cps;notice:read this")};
  ask.content.tls_features = {5};
  ask.content.other_extensions = {parse_extension("1.2.3.4.5:critical:0500")};
  ask.content.challenge_password = "public";
  ask.content.critical.extended_key_usage = true;
  ask.validity = std::chrono::hours{24 * 90};
  ask.algorithm = "ecdsa-sha256";
  ask.accept = {"serial-not-positive"};

  const RequestedContent read = requested_content_from(Json::parse(to_json(ask).dump()));
  CHECK(difference(ask.content, read.content).empty());
  CHECK(read.content.challenge_password == ask.content.challenge_password);
  CHECK(read.validity == ask.validity);
  CHECK(read.algorithm == ask.algorithm);
  CHECK(read.accept == ask.accept);
  CHECK(to_json(read) == to_json(ask));
}

TEST_CASE("an ask with a member that is not known is refused") {
  Json json = to_json(RequestedContent{});
  CHECK_NOTHROW(requested_content_from(json));
  json.set("post_quantum", true);
  CHECK_THROWS_AS(requested_content_from(json), Error);
}

}  // namespace hsmbridge::x509
