#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "tools/rig/pki/authority.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/server/call.h"
#include "tools/rig/server/simulator.h"
#include "tools/rig/server/uuid.h"
#include "tools/rig/venafi/records.h"

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::rig::venafi {

// Venafi TLS Protect Cloud, simulated: API keys and service accounts, applications, issuing templates, certificate
// requests with approvals, an inventory, revocation by GraphQL. HTTP in, HTTP out.
//
// There is one company with the users ops (who orders), alice, bob and carol (who approve), each with an API key, and
// the application Payments, whose issuing templates each go another way: see templates.cpp. Below /ngts the same
// is served as an NGTS edition: no applications, bearer tokens only.
// Tolerant of what Go clients send ("tags":null, empty objects), strict about unknown fields.
// Control calls: POST /rig/approve and /rig/reject {"id", "by", "reason"}; POST /rig/knobs {…}; POST
// /rig/expire-tokens; POST /rig/jwt {"subject"}: a JWT of the rig's own identity provider.
class Venafi final : public Simulator {
 public:
  // `dir` must exist: the CA, the credentials.
  Venafi(const std::filesystem::path& dir, const Clock& clock);

  std::optional<Json> control(const std::string& what, const Json& body) override;
  Json requests() const override;
  Json about() const override;
  std::string trouble() const override;
  std::optional<Bytes> certificate_for_another_key(ByteView certificate) override;
  void reset() override;

  const std::string& api_key() const { return users_.at("ops").api_key; }
  const Authority& ca() const { return ca_; }

 private:
  struct User {
    std::string id;
    std::string name;
    std::string api_key;
  };
  struct ServiceAccount {
    std::string id;
    std::string name;
    Bytes public_key;     // rsaKey; empty for a federated one
    std::string subject;  // rsaKeyFederated
    std::string audience;
  };
  struct AccessToken {
    std::string account;
    Instant until;
  };
  using Route = Endpoint<Venafi>;
  static const std::vector<Route>& routes();

  Answer answer(const Call& call) override;
  std::string date(Instant instant) const;

  // access.cpp
  Caller caller_of(const Call& call, bool bearer_only);
  Answer service_account_token(const Call&);
  Answer federated_token(const Call&, const std::string& company);
  Answer give_token(const std::string& account);
  std::string check_jwt(const Json& claims, const ServiceAccount& account, const std::string& audience);
  Answer user_account(const Asked&);
  Answer make_service_account(const Asked&);
  std::string own_jwt(const std::string& subject);
  void load_credentials();

  // templates.cpp
  void make_templates();
  Answer application_by_name(const Asked&);
  Answer template_of_application(const Asked&);
  Answer template_by_id(const Asked&);
  Answer all_templates(const Asked&);
  Json to_json(const TemplateRecord& record) const;
  TemplateRecord& find_template(const std::string& id);

  // requests.cpp
  Answer create_request(const Asked&);
  Answer validate_request(const Asked&);
  Answer get_request(const Asked&);
  Answer search_requests(const Asked&);
  CloudRequest read_order(const Asked& asked);
  void check_rules(const CloudRequest& request, const TemplateRecord& rules) const;
  CloudRequest& find_request(const std::string& id);
  void take_step(CloudRequest& request);
  void set_status(CloudRequest& request, const std::string& status);
  void issue(CloudRequest& request);
  Json to_json(const CloudRequest& request, bool document) const;

  // approvals.cpp
  Answer approval_request(const Asked&);
  Answer decide(const Asked&);
  void decide(CloudRequest& request, const User& by, bool approve, const std::string& reason);
  void reject_overdue(CloudRequest& request);
  Json control_decision(const Json& body, bool approve);
  const User& user_named(const std::string& name) const;

  // inventory.cpp
  Answer contents(const Asked&);
  Answer certificate(const Asked&);
  Answer search_certificates(const Asked&);
  Answer graphql(const Asked&);
  Json revoke(const Json& variables);
  CloudCertificate* by_fingerprint(const std::string& fingerprint);
  void look_at_revocation(CloudCertificate& certificate);
  void finish_revocation(CloudCertificate& certificate);
  Json to_json(const CloudCertificate& certificate) const;
  CloudCertificate& find_certificate(const std::string& id);

  const std::filesystem::path dir_;
  std::string company_;
  const std::string ca_account_ = new_uuid();
  const std::string ca_product_ = new_uuid();
  std::map<std::string, User> users_;  // by name
  std::map<std::string, ServiceAccount> accounts_;
  std::map<std::string, AccessToken> tokens_;
  std::set<std::string> used_jtis_;
  std::optional<SoftwareKey> identity_provider_;
  Authority ca_;
  std::string root_id_;
  std::string issuing_id_;
  Records<ApplicationRecord, &ApplicationRecord::name> applications_;
  Records<TemplateRecord, &TemplateRecord::id> templates_;
  Records<CloudRequest, &CloudRequest::id> requests_;
  Records<CloudCertificate, &CloudCertificate::id> certificates_;
  Knobs knobs_;
};

// A refusal in the service's own form. `args` as the service writes them.
Error refusal(int status, int code, const std::string& message, Json args = Json::array());
// 1006, what is wrong in a body.
Error wrong_parameters(Json args = Json::array());
Error refusal(int status, Json::Array errors);
Json error_entry(int code, const std::string& message, Json args);
Error unknown_id(const std::string& type, const std::string& id);
// The body of a call, one object without members that are not in `known`. Throws 10006, 1006.
Json body_of(const Asked& asked, const std::vector<std::string_view>& known);
void only(const Json& json, const std::vector<std::string_view>& known);
// A member's text, "" when it is absent or null. Another type is refused.
std::string text_in(const Json& json, std::string_view name);
// subjectAlternativeNamesByType: a list for each of the nine kinds.
Json names_json(const CsrFacts& csr);
// Refuses what is not a UUID (10055).
void must_be_uuid(const std::string& id);
// The record of that id. Refuses one that there is not (10051).
template <class Records>
auto& found_in(Records& records, const char* type, const std::string& id) {
  must_be_uuid(id);
  if (auto* found = records.find(id)) return *found;
  throw unknown_id(type, id);
}

// The documents that match the "expression" of a search, in its "ordering", cut by its "paging", and how many match.
// Refuses an operator or a field that it does not have.
struct Hits {
  Json page;
  std::int64_t count;
};
Hits search(const Asked& asked, Json::Array documents);
// A list of `name`, empty when there is none.
std::vector<std::string> list_in(const std::map<std::string, std::vector<std::string>>& lists, const std::string& name);

}  // namespace hsmbridge::rig::venafi
