#pragma once

#include "base/json.h"

#include <string>

// Bodies as the service's pages, OpenAPI and clients show them.
namespace hsmbridge::test {

inline const std::string kTlmProfileId = "36f011b7-5fa1-4c6d-83f3-ee59c4d54bb0";

// A profile under which anything ordinary can be ordered at once.
inline Json tlm_profile() {
  return Json::parse(R"({
    "id": "36f011b7-5fa1-4c6d-83f3-ee59c4d54bb0", "name": "Web", "status": "Active",
    "signature_algorithm": "SHA256_WITH_RSA", "renewal_period_days": 30, "duplicate_cert_policy": true,
    "override_cert_validity_via_api": true, "certificate_delivery_format": "pkcs7", "cert_delivery_format": "x509",
    "enrollment_method": "rest_api", "authentication_method": "third_party_app",
    "enable_dual_admin_approval": false, "api_token_binding_enabled": false,
    "allowed_key_sizes": ["2048", "RSA_3072", "P-256"],
    "certificate": {
      "subject": {"attributes": [
        {"type": "common_name", "mandatory": true, "multiple": false,
         "sources": [{"mandatory": true, "source": "ENTERED_BY_USER_DURING_ENROLLMENT"}]},
        {"type": "organization_name", "mandatory": false}, {"type": "country", "mandatory": false}]},
      "validity": {"unit": "days", "duration": 365},
      "extensions": {"san": {"critical": false, "attributes": [
        {"type": "dns_names", "mandatory": false}, {"type": "ip_addresses", "mandatory": false},
        {"type": "user_principal_names", "mandatory": false,
         "sources": [{"source": "uploaded_by_admin"}]}]}}}})");
}

inline std::string tlm_error(const std::string& code, const std::string& message, const std::string& field = "") {
  Json entry = Json::object({{"code", code}, {"message", message}});
  if (!field.empty()) entry.set("field", field);
  return Json::object({{"errors", Json::array({entry})}}).dump();
}

}  // namespace hsmbridge::test
