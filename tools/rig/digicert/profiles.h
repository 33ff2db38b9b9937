#pragma once

#include "base/json.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::rig {

// One subject field or kind of alternative name of a simulated profile.
struct DigicertFieldRule {
  std::string name;  // "common_name", "dns_names"
  bool mandatory = false;
  std::string fixed;  // "": from the request
};

// A certificate profile of the simulated DigiCert.
struct DigicertProfile {
  std::string id;
  std::string name;
  std::string status = "Active";
  std::string enrollment_method = "rest_api";
  std::string authentication_method = "third_party_app";
  std::string delivery_format = "x509";
  std::vector<std::string> key_sizes = {"2048"};  // one: a least RSA size; several, or "P-256": exactly those
  bool dual_approval = false;
  std::string connector;  // a Microsoft CA: issued after a delay
  bool duplicates_allowed = true;
  bool override_validity = true;
  int validity_days = 90;
  int renewal_days = 30;
  int enrollment_days = 10;            // a pending request expires after so many
  std::vector<std::string> token_ids;  // bound to these API tokens; empty: to none
  std::vector<DigicertFieldRule> subject;
  std::vector<DigicertFieldRule> names;
  std::string key_usage = "digitalSignature";  // as in x509v3_config(5)
  std::string extended_key_usage = "serverAuth";
  std::vector<std::string> told_usages;  // OIDs of extended_key_usage that the profile shows as its own

  bool needs_approval() const { return dual_approval || authentication_method == "manual_approval"; }
  bool issues_at_once() const { return !needs_approval() && connector.empty(); }
};

// The profiles that every simulator starts with, and `more` deleted ones so that a list has pages. `other_token` is the
// id of the API token that one of them is bound to.
std::vector<DigicertProfile> seeded_profiles(const std::string& other_token, std::size_t more);

// A subject field, or a kind of alternative name, as requests name it; OpenSSL's word; what stands before the value.
struct DigicertFieldName {
  std::string_view name;
  std::string_view openssl;
  std::string_view before = "";
};
const std::vector<DigicertFieldName>& digicert_subject_names();
const std::vector<DigicertFieldName>& digicert_name_kinds();

// As GET /profile/{id} shows it. `issuer_chain`: PEM, the issuing CA first.
Json digicert_profile_json(const DigicertProfile& profile, const std::vector<std::string>& issuer_chain);

}  // namespace hsmbridge::rig
