// Approvals of the simulated service: one refusal denies; nobody decides about his own request.
#include "base/error.h"
#include "tools/rig/venafi/venafi.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::rig::venafi {
namespace {

bool has_decided(const CloudRequest& request, const std::string& user) {
  return std::any_of(request.outcomes.begin(), request.outcomes.end(),
                     [&](const Decision& outcome) { return outcome.user == user; });
}

std::string approval_status(const CloudRequest& request) {
  if (request.status == "PENDING_APPROVAL" || request.status == "PENDING_FINAL_APPROVAL") return request.status;
  if (request.overdue) return "EXPIRED";
  return request.status == "REJECTED_APPROVAL" ? "REJECTED" : "APPROVED";
}

}  // namespace

const Venafi::User& Venafi::user_named(const std::string& name) const {
  const auto user = users_.find(name);
  if (user == users_.end()) throw Error{ErrorKind::not_found, fmt::format("there is no user '{}'", name)};
  return user->second;
}

Answer Venafi::approval_request(const Asked& asked) {
  const CloudRequest& request = find_request(asked.captured[0]);
  const Script& script = find_template(request.issuing_template).script;
  if (script.approvers.empty()) throw unknown_id("ApprovalRequest", request.id);
  Json approvers = Json::array();
  for (const std::string& name : script.approvers) {
    approvers.push(Json::object({{"id", user_named(name).id}, {"type", "USER"}}));
  }
  Json outcomes = Json::array();
  for (const Decision& outcome : request.outcomes) {
    outcomes.push(Json::object({{"userId", outcome.user},
                                {"status", outcome.status},
                                {"reason", outcome.reason},
                                {"creationDate", date(outcome.at)}}));
  }
  Json answer = Json::object({{"id", request.id},
                              {"companyId", company_},
                              {"entityId", request.id},
                              {"requestorId", request.owner},
                              {"requiredApprovalsCount", static_cast<std::int64_t>(script.required)},
                              {"status", approval_status(request)},
                              {"approvers", approvers},
                              {"approversOutcome", outcomes},
                              {"autoRejectionThreshold", kAutoRejectionDays},
                              {"creationDate", date(request.created)},
                              {"modificationDate", date(request.modified)}});
  if (!script.final_approver.empty()) {
    answer.set("finalApprover", Json::object({{"id", user_named(script.final_approver).id}, {"type", "USER"}}));
  }
  return {200, answer};
}

void Venafi::reject_overdue(CloudRequest& request) {
  if (request.status != "PENDING_APPROVAL" && request.status != "PENDING_FINAL_APPROVAL") return;
  if (now() - request.created < std::chrono::hours{24 * kAutoRejectionDays}) return;
  request.overdue = true;
  set_status(request, "REJECTED_APPROVAL");
}

void Venafi::decide(CloudRequest& request, const User& by, bool approve, const std::string& reason) {
  const Script& script = find_template(request.issuing_template).script;
  const bool last = request.status == "PENDING_FINAL_APPROVAL";
  if (request.status != "PENDING_APPROVAL" && !last) {
    throw refusal(412, 10708, "The request is not waiting for an approval", Json::array({request.status}));
  }
  const bool may = last
                       ? script.final_approver == by.name
                       : std::find(script.approvers.begin(), script.approvers.end(), by.name) != script.approvers.end();
  if (!may || by.id == request.owner) throw refusal(403, 1002, "Forbidden: not an approver of this request");
  if (has_decided(request, by.id)) throw refusal(412, 10709, "Already decided", Json::array({by.id}));
  request.outcomes.push_back({by.id, approve ? "APPROVED" : "REJECTED", reason, now()});
  if (!approve) {
    set_status(request, "REJECTED_APPROVAL");
    return;
  }
  if (!last && request.outcomes.size() < script.required) return;
  if (!last && !script.final_approver.empty()) {
    set_status(request, "PENDING_FINAL_APPROVAL");
    return;
  }
  take_step(request);
}

Answer Venafi::decide(const Asked& asked) {
  CloudRequest& request = find_request(asked.captured[0]);
  const std::string& word = asked.captured[1];
  if (word != "APPROVE" && word != "REJECT") throw wrong_parameters();
  const Json body = body_of(asked, {"reason"});
  if (!asked.caller.person) throw refusal(403, 1002, "Forbidden");
  decide(request, user_named(asked.caller.name), word == "APPROVE", text_in(body, "reason"));
  return {200, to_json(request, false)};
}

// {"id", "by", "reason"}: of a request, or the fingerprint of a certificate whose revocation waits. Without "by" the
// next who may.
Json Venafi::control_decision(const Json& body, bool approve) {
  const std::string id = body.at("id").as_string();
  const std::string reason = body.string_or("reason", "");
  if (CloudCertificate* certificate = by_fingerprint(id); certificate != nullptr) {
    if (!certificate->revocation || certificate->revocation->status != "PENDING_APPROVAL") {
      throw Error{ErrorKind::invalid_input, "no revocation of this certificate is waiting for approval"};
    }
    certificate->revocation->status = approve ? "SUBMITTED" : "REJECTED_APPROVAL";
    certificate->revocation->rejection = approve ? "" : reason;
    return Json::object();
  }
  CloudRequest* found = requests_.find(id);
  if (found == nullptr) throw Error{ErrorKind::not_found, fmt::format("there is no request '{}'", id)};
  CloudRequest& request = *found;
  const Script& script = find_template(request.issuing_template).script;
  std::string by = body.string_or("by", "");
  if (by.empty() && request.status == "PENDING_FINAL_APPROVAL") by = script.final_approver;
  for (const std::string& name : script.approvers) {
    if (by.empty() && !has_decided(request, user_named(name).id)) by = name;
  }
  if (by.empty()) throw Error{ErrorKind::invalid_input, "nobody is left who could decide about this request"};
  decide(request, user_named(by), approve, reason);
  return Json::object({{"status", request.status}, {"by", by}});
}

}  // namespace hsmbridge::rig::venafi
