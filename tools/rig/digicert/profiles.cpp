#include "tools/rig/digicert/profiles.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::rig {
namespace {

const std::vector<std::string> kUsualKeys{"2048", "3072", "4096", "P-256", "P-384", "P-521"};

std::string profile_id(std::size_t number) {
  return fmt::format("36f011b7-5fa1-4c6d-83f3-{:012}", number);
}

// What a web server's certificate may say.
DigicertProfile server_profile(std::size_t number, std::string name) {
  DigicertProfile profile;
  profile.id = profile_id(number);
  profile.name = std::move(name);
  for (const DigicertFieldName& field : digicert_subject_names()) {
    profile.subject.push_back({std::string(field.name), field.name == "common_name", ""});
  }
  for (const DigicertFieldName& kind : digicert_name_kinds()) {
    profile.names.push_back({std::string(kind.name), false, ""});
  }
  return profile;
}

Json attribute_json(const DigicertFieldRule& rule) {
  Json source = Json::object({{"mandatory", rule.mandatory}});
  if (rule.fixed.empty()) {
    source.set("source", "ENTERED_BY_USER_DURING_ENROLLMENT");
  } else {
    source.set("source", "FIXED_VALUE");
    source.set("value", rule.fixed);
  }
  const bool lists =
      rule.name == "organization_units" || rule.name == "street_address" || rule.name == "domain_component";
  return Json::object({{"type", rule.name},
                       {"mandatory", rule.mandatory},
                       {"multiple", lists},
                       // Both spellings stand in the service's own example.
                       {rule.fixed.empty() ? "sources" : "source", Json::array({source})}});
}

Json attributes_json(const std::vector<DigicertFieldRule>& rules) {
  Json list = Json::array();
  for (const DigicertFieldRule& rule : rules) list.push(attribute_json(rule));
  return list;
}

Json issuer_json(const std::vector<std::string>& chain) {
  Json above = Json::array();
  for (std::size_t i = 1; i < chain.size(); ++i) {
    above.push(Json::object({{"certificate", chain[i]}, {"root", i + 1 == chain.size()}}));
  }
  return Json::object(
      {{"certificate", chain.empty() ? std::string() : chain.front()}, {"root", false}, {"chain", above}});
}

}  // namespace

const std::vector<DigicertFieldName>& digicert_subject_names() {
  static const std::vector<DigicertFieldName> names{
      {"common_name", "CN"},
      {"organization_name", "O"},
      {"organization_units", "OU"},
      {"country", "C"},
      {"state", "ST"},
      {"locality", "L"},
      {"street_address", "streetAddress"},
      {"postal_code", "postalCode"},
      {"domain_component", "domainComponent"},
      {"user_identifier", "userId"},
      {"email", "EMAILADDRESS"},
      {"serial_number", "serialNumber"},
      {"title", "title"},
      {"given_name", "givenname"},
      {"surname", "surname"},
      {"pseudonym", "pseudonym"},
      {"description", "description"},
      {"dn_qualifier", "dnQualifier"},
      {"unique_identifier", "x500UniqueIdentifier"},
      {"organization_identifier", "organizationIdentifier"},
      {"unstructured_name", "unstructuredName"},
      {"unstructured_address", "unstructuredAddress"},
  };
  return names;
}

const std::vector<DigicertFieldName>& digicert_name_kinds() {
  static const std::vector<DigicertFieldName> kinds{
      {"dns_names", "DNS", ""},
      {"ip_addresses", "IP", ""},
      {"emails", "email", ""},
      {"uris", "URI", ""},
      {"user_principal_names", "otherName", "1.3.6.1.4.1.311.20.2.3;UTF8:"},
      {"registered_ids", "RID", ""},
  };
  return kinds;
}

std::vector<DigicertProfile> seeded_profiles(const std::string& other_token, std::size_t more) {
  std::vector<DigicertProfile> profiles;
  const auto add = [&profiles](std::string name) -> DigicertProfile& {
    profiles.push_back(server_profile(profiles.size() + 1, std::move(name)));
    return profiles.back();
  };
  // 1: any RSA from 2048 and the usual curves, at once
  add("Server, at once").key_sizes = kUsualKeys;
  // 2
  DigicertProfile& pkcs7 = add("Server, at once, PKCS#7");
  pkcs7.key_sizes = kUsualKeys;
  pkcs7.delivery_format = "pkcs7";
  // 3
  DigicertProfile& manual = add("Server, after an approval");
  manual.key_sizes = kUsualKeys;
  manual.authentication_method = "manual_approval";
  // 4
  DigicertProfile& dual = add("Server, after two approvals");
  dual.key_sizes = kUsualKeys;
  dual.authentication_method = "manual_approval";
  dual.dual_approval = true;
  // 5
  add("Server, of another API token").token_ids = {other_token};
  // 6
  DigicertProfile& once = add("Server, no duplicates");
  once.key_sizes = kUsualKeys;
  once.duplicates_allowed = false;
  // 7
  add("Server, P-256 only").key_sizes = {"P-256"};
  // 8
  add("Server, deleted").status = "Deleted";
  // 9
  add("Server, by SCEP").enrollment_method = "scep";
  // 10
  DigicertProfile& connector = add("Domain Controller, of a Microsoft CA");
  connector.key_sizes = kUsualKeys;
  connector.connector = "914bfbc2-b2e2-11ef-a370-fe7b3e6ed6dd";
  // 11: what most requests break
  DigicertProfile& strict = add("User, with a principal name and a fixed organization");
  strict.key_sizes = {"2048", "P-256"};
  strict.override_validity = false;
  strict.subject = {{"common_name", true, ""}, {"organization_name", true, "Example AG"}, {"country", true, ""}};
  strict.names = {{"user_principal_names", true, ""}, {"emails", false, ""}};
  strict.extended_key_usage = "clientAuth";
  // 12: least RSA 3072, alone
  add("Server, RSA from 3072").key_sizes = {"3072"};
  // 13: not by POST /certificate, only by POST /enrollment and its redemption
  DigicertProfile& code = add("Device, by an enrollment code");
  code.key_sizes = kUsualKeys;
  code.enrollment_method = "csr";
  code.authentication_method = "enrollment_code";
  // 14: adds what templates of commercial CAs add
  DigicertProfile& commercial = add("Server, as commercial templates issue");
  commercial.key_sizes = kUsualKeys;
  commercial.key_usage = "digitalSignature,keyEncipherment";
  commercial.extended_key_usage = "serverAuth,clientAuth";
  commercial.told_usages = {"1.3.6.1.5.5.7.3.2"};
  for (std::size_t i = 0; i < more; ++i) add(fmt::format("Old profile {}", i + 1)).status = "Deleted";
  return profiles;
}

Json digicert_profile_json(const DigicertProfile& profile, const std::vector<std::string>& issuer_chain) {
  Json json = Json::object({{"id", profile.id},
                            {"name", profile.name},
                            {"status", profile.status},
                            {"signature_algorithm", "SHA256_WITH_ECDSA"},
                            {"publish_to_public_directory", false},
                            {"renewal_period_days", profile.renewal_days},
                            {"renewal_window_days", profile.renewal_days},
                            {"duplicate_cert_policy", profile.duplicates_allowed},
                            {"override_cert_validity_via_api", profile.override_validity},
                            {"certificate_delivery_format", profile.delivery_format},
                            {"account_id", "3ff33f88-5717-4542-b3fc-3f312f44afa4"},
                            {"business_unit_id", "e5bf49f0-a77b-4301-85e9-c15eb12df70f"},
                            {"enrollment_method", profile.enrollment_method},
                            {"authentication_method", profile.authentication_method},
                            {"days_till_enrollment_expires", profile.enrollment_days},
                            {"automated_renewal", false},
                            {"enable_dual_admin_approval", profile.dual_approval},
                            {"key_escrow_policy", Json::object({{"key_escrow_enabled", false}})},
                            {"enable_ldap_search", false},
                            {"cert_delivery_format", "x509"},
                            {"useCustomContact", false}});
  if (profile.key_sizes.size() == 1) {
    json.set("private_key_attributes", Json::object({{"key_size", profile.key_sizes.front()}}));
  } else {
    json.set("allowed_key_sizes", Json(profile.key_sizes));
  }
  if (!profile.told_usages.empty()) json.set("custom_extended_key_usages", Json(profile.told_usages));
  json.set("api_token_binding_enabled", !profile.token_ids.empty());
  json.set("api_token_ids", Json(profile.token_ids));
  json.set("certificate",
           Json::object(
               {{"subject", Json::object({{"attributes", attributes_json(profile.subject)}})},
                {"validity", Json::object({{"unit", "days"}, {"duration", profile.validity_days}})},
                {"extensions", Json::object({{"san", Json::object({{"critical", false},
                                                                   {"attributes", attributes_json(profile.names)}})}})},
                {"issuer", issuer_json(issuer_chain)}}));
  json.set("template", Json::object({{"id", "99bfc12d-6732-e6c6-3f6d-a8c30e7833c1"},
                                     {"name", profile.connector.empty() ? "Private Server" : "Domain Controller"},
                                     {"trust_type", "private"}}));
  if (!profile.connector.empty()) json.set("connector_id", profile.connector);
  json.set("business_unit", Json::object({{"id", "e5bf49f0-a77b-4301-85e9-c15eb12df70f"}, {"name", "Test BU"}}));
  json.set("account", Json::object({{"id", "3ff33f88-5717-4542-b3fc-3f312f44afa4"}}));
  return json;
}

}  // namespace hsmbridge::rig
