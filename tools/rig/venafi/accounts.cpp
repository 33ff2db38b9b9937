// What the simulated service tells of its authorities, users and teams: a client that shows a policy asks for all
// three.
#include "tools/rig/venafi/venafi.h"

namespace hsmbridge::rig::venafi {

Json Venafi::ca_account_json(const std::string& authority) const {
  const Json account = Json::object(
      {{"id", ca_account_}, {"companyId", company_}, {"key", "Simulated"}, {"certificateAuthority", authority}});
  const Json product = Json::object({{"id", ca_product_},
                                     {"productName", "Default Product"},
                                     {"productTypes", Json::array({"SSL"})},
                                     {"productDetails", Json::object({{"productTemplate", Json::object()}})}});
  return Json::object({{"account", account}, {"productOptions", Json::array({product})}});
}

Answer Venafi::ca_account(const Asked& asked) {
  must_be_uuid(asked.captured[1]);
  if (asked.captured[1] != ca_account_) throw unknown_id("CertificateAuthorityAccount", asked.captured[1]);
  return {200, ca_account_json(asked.captured[0])};
}

Answer Venafi::ca_accounts(const Asked& asked) {
  return {200, Json::object({{"accounts", Json::array({ca_account_json(asked.captured[0])})}})};
}

Json Venafi::to_json(const User& user) const {
  return Json::object({{"username", user.name + "@example.com"},
                       {"id", user.id},
                       {"companyId", company_},
                       {"userType", "EXTERNAL"},
                       {"userAccountType", "API"},
                       {"userStatus", "ACTIVE"},
                       {"creationDate", date(now() - std::chrono::hours{24})}});
}

Answer Venafi::user_by_id(const Asked& asked) {
  must_be_uuid(asked.captured[0]);
  for (const auto& [name, user] : users_) {
    if (user.id == asked.captured[0]) return {200, to_json(user)};
  }
  throw unknown_id("User", asked.captured[0]);
}

Answer Venafi::all_teams(const Asked&) {
  return {200, Json::object({{"teams", Json::array()}})};
}

}  // namespace hsmbridge::rig::venafi
