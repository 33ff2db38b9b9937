#pragma once

#include "x509/content/content.h"

namespace hsmbridge::test {

// Content with every field set, each with something that a careless encoder gets wrong.
inline x509::Content full_content() {
  using namespace x509;
  Content content;
  content.subject = Name::parse("C=CH, O=Müller & Söhne+2.5.4.97=VATCH-1, OU=A\\, B, CN=www.example.com");
  for (const char* name :
       {"dns:www.example.com", "dns:*.example.com", "dns:müller.example", "ip:192.0.2.1", "ip:2001:db8::1",
        "email:ops@example.com", "uri:https://example.com/a?b=c", "upn:user@example.com",
        "othername:1.2.3.4;UTF8:Zürich", "othername:1.2.3.5;INT:-129", "dirname:C=CH, CN=Directory", "rid:1.2.3.4"}) {
    content.subject_alternative_names.push_back(GeneralName::parse(name));
  }
  content.key_usage = KeyUsages{KeyUsage::digital_signature, KeyUsage::key_cert_sign, KeyUsage::crl_sign};
  content.extended_key_usage = {parse_extended_key_usage("serverAuth"), parse_extended_key_usage("clientAuth"),
                                parse_extended_key_usage("1.2.3.4.5")};
  content.basic_constraints = parse_basic_constraints("CA:TRUE,pathlen:3");
  NameConstraints constraints;
  for (const char* text : {"permitted;dns:example.com", "permitted;ip:10.0.0.0/8", "permitted;email:.example.com",
                           "permitted;dirname:C=CH", "excluded;dns:bad.example.com", "excluded;ip:2001:db8::/32",
                           "excluded;uri:.evil.example"}) {
    add_name_constraint(constraints, text);
  }
  content.name_constraints = constraints;
  content.policies = {parse_policy("1.3.6.1.4.1.55555.9;cps:https://example.com/cps;notice:Only for tests"),
                      parse_policy("2.5.29.32.0")};
  content.policies[0].user_notices[0].organization = "Example";
  content.policies[0].user_notices[0].notice_numbers = {1, 300};
  content.tls_features = {parse_tls_feature("status_request"), parse_tls_feature("17")};
  content.other_extensions = {parse_extension("1.3.6.1.4.1.55555.1:critical:0c0474657374")};
  content.challenge_password = "sésame";
  return content;
}

}  // namespace hsmbridge::test
