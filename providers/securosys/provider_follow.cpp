#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/unicode.h"
#include "ca/issue.h"
#include "providers/bundle.h"
#include "providers/following.h"
#include "providers/securosys/error_code.h"
#include "providers/securosys/provider.h"
#include "x509/objects/csr.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::securosys {

using namespace workflow;

namespace {

// How long a server that executed a request may owe its result: another node of it may be slower.
constexpr Duration kResultPatience = std::chrono::hours{1};

std::optional<Instant> created(const Submission& submission) {
  return submission.submitted_at == Instant{} ? std::nullopt : std::optional(submission.submitted_at);
}

// What is wrong with an answer that was kept, for the person who must read it.
std::string why_unreadable(const IssuedResult& result, const ProviderCall& call) {
  try {
    const SignRequestStatus status = sign_request_status_from(as_text(result.raw));
    return fmt::format("it is about request {}, not {}", printable(status.id),
                       call.submission == nullptr ? "ours" : call.submission->reference.str());
  } catch (const Error& error) {
    return error.message();
  }
}

// Whether asking the same again can never help. Credentials can be renewed, and what is not in the TSB's own form (a
// gateway's bare 401) or has a code without a row says nothing for good.
bool refuses_for_good(const Error& error) {
  if (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::internal) return false;
  if (!error.detail("no-handler").empty()) return true;  // this server has no such endpoint
  const auto code = [](const ErrorCode& row) { return std::to_string(row.code); };
  const ErrorCode* row = providers::row_with(error_codes(), code, error.detail("errorCode"));
  return row != nullptr && row->repeating == Repeating::cannot_help;
}

}  // namespace

IssuedResult SecurosysProvider::result_of(const std::string& result, std::string body) const {
  if (settings_.mode == Mode::certificate) return {IssuedCertificate{to_bytes(result)}, to_bytes(body)};
  try {
    return {IssuedSignature{from_base64(result)}, to_bytes(body)};
  } catch (const Error&) {
    return {IssuedSignature{to_bytes(result)},
            to_bytes(body)};  // as it came: reading it will say what is wrong with it
  }
}

// Who decided how, as far as it can be told from what is at hand.
Progress SecurosysProvider::progress_without_asking(const SignRequestStatus& now, const Submission& submission) const {
  std::optional<approval::Policy> pinned = settings_.policy;
  try {
    if (!submission.provider_state.empty()) pinned = pinned_from(submission.provider_state).policy;
    return progress_of(now, {pinned, settings_.names, created(submission), clock_.now()});
  } catch (const Error&) {
    return {};  // an error in the other members must not lose the result
  }
}

// What this GET brought and will not bring again; nothing where asking again may help.
std::optional<Report> SecurosysProvider::lost_result(const Error& fault, std::string_view body) const {
  if (!settings_.result_once) return std::nullopt;
  Report report;
  report.status = RequestStatus::handed_out;
  report.provider_status = "unreadable";
  report.message = fault.message();
  // Nothing of it arrived, and the server has given what it had.
  if (!fault.detail("too-large").empty()) return report;
  if (!may_hold_any_of({"result"}, body)) return std::nullopt;
  report.result = unreadable_result(body);
  return report;
}

// A server may repeat the key's password when it carries a request out, days after this process did not send it.
void SecurosysProvider::know_key_password() const {
  const auto& source = settings_.key_password;
  if (!source || source->kind() == config::SecretSource::Kind::prompt) return;
  try {
    key_password();
  } catch (const Error& error) {
    log::debug(fmt::format("provider {}: {}", settings_.name, error.message()));
  }
}

RequestAnswer SecurosysProvider::ask(const ProviderCall& call, std::optional<Report>& lost) {
  know_key_password();
  try {
    RequestAnswer answer = client_->request(providers::submission_of(call, "the TSB").reference.str(), call.time_limit);
    if (answer.fault && !(lost = lost_result(*answer.fault, answer.body))) throw *answer.fault;
    return answer;
  } catch (const Error& error) {
    if (error.detail("too-large").empty() || !(lost = lost_result(error, ""))) throw;
    return {};
  }
}

Report SecurosysProvider::status(const ProviderCall& call) {
  const Submission& submission = providers::submission_of(call, "the TSB");
  const Duration end = clock_.since_boot() + call.time_limit;
  std::optional<Report> lost;
  RequestAnswer answer = ask(call, lost);
  if (lost) return *lost;
  if (!answer.status) return providers::unknown_there(answer.unknown_why);
  Report report;
  report.retry_after = answer.retry_after;
  const SignRequestStatus& now = *answer.status;
  // UUIDs are compared without regard to letter case (RFC 4122 §3): a person may have typed one.
  const bool about_ours = equal_ignoring_case(now.id, submission.reference.str());
  report.status = standing_of(now.status);
  report.provider_status = now.status;
  // Before anything that may fail or take time, and whatever its status: a result may be given only once.
  if (now.result) {
    report.status = RequestStatus::handed_out;
    report.result = about_ours ? result_of(*now.result, std::move(answer.body)) : unreadable_result(answer.body);
    if (about_ours) report.progress = progress_without_asking(now, submission);
    return report;
  }
  if (!about_ours) {
    throw Error{ErrorKind::corrupt, fmt::format("the TSB was asked about request {} and answered about {}",
                                                submission.reference.str(), printable(now.id))};
  }
  // Without a state of ours (a person resolved it by its reference) the policy as it is now must do.
  const std::optional<approval::Policy> pinned = submission.provider_state.empty()
                                                     ? policy(std::min(call.time_limit / 4, end - clock_.since_boot()))
                                                     : pinned_from(submission.provider_state).policy;
  report.progress = progress_of(now, {pinned, settings_.names, created(submission), clock_.now()});
  if (report.status == RequestStatus::rejected) report.by = rejected_by(report.progress);
  if (report.status == RequestStatus::failed) {
    report.message = "the HSM or the TSB failed while executing it (key blocked or policy changed meanwhile?)";
  }
  if (report.status == RequestStatus::expired) report.message = "not enough people approved in time";
  return report;
}

// A server that gives a result once gave it already: no second look will bring it.
void SecurosysProvider::note_missing_result(Report& report, const ProviderCall& call, const std::string& since) const {
  report.status = RequestStatus::handed_out;
  report.message = fmt::format(
      "the TSB executed request {} and hands out no result{}: a server set to give results once gave it to somebody "
      "else, or the answer that carried it was lost",
      providers::submission_of(call, "the TSB").reference.str(), since.empty() ? "" : " since " + since);
}

Report SecurosysProvider::poll(const ProviderCall& call) {
  Report report = status(call);
  if (report.status == RequestStatus::ready && settings_.result_once) note_missing_result(report, call, "");
  return report;
}

Report SecurosysProvider::retrieve(const ProviderCall& call) {
  Report report = status(call);
  if (report.status != RequestStatus::ready) return report;
  const Submission& submission = providers::submission_of(call, "the TSB");
  Pinned pinned = pinned_from(submission.provider_state);
  const bool overdue = pinned.result_owed_since && call.now - *pinned.result_owed_since >= kResultPatience;
  if (settings_.result_once || overdue) {
    note_missing_result(report, call, overdue ? rfc3339(*pinned.result_owed_since) : "");
    return report;
  }
  if (!pinned.result_owed_since) {
    // A request that a person resolved by its reference has no state of ours: what is pinned now stays so.
    if (submission.provider_state.empty()) pinned.policy = policy(call.time_limit / 4);
    pinned.result_owed_since = call.now;
    report.provider_state = state_of(pinned);
  }
  report.message = fmt::format("executed, and its result is not there yet; it is looked for until about {}",
                               rfc3339(*pinned.result_owed_since + kResultPatience));
  report.provider_status += " (" + report.message + ")";  // what `request explain` shows
  return report;
}

CancelAnswer SecurosysProvider::cancel(const ProviderCall& call) {
  const Duration end = clock_.since_boot() + call.time_limit;
  ProviderCall part = call;
  part.time_limit = call.time_limit / 3;
  // Looked at first: what deleting does to a finished request is nowhere written down, and a server that forgets it
  // would lose the result of one that was executed meanwhile.
  Report before = status(part);
  if (before.status != RequestStatus::awaiting_approval && before.status != RequestStatus::awaiting_issuance)
    return before;
  try {
    client_->delete_request(providers::submission_of(call, "the TSB").reference.str(), (end - clock_.since_boot()) / 2);
  } catch (const Error& error) {
    // Unknown there since the look: the status below says so.
    if (error.detail("errorCode") != "651") {
      if (!refuses_for_good(error)) throw;
      return CancelNotPossible{error.message()};
    }
  }
  // It may have been executed between the look and the deletion: only its status tells.
  part.time_limit = end - clock_.since_boot();
  return status(part);
}

Issued SecurosysProvider::certificate_in(const ProviderCall& call, const IssuedResult& result) const {
  if (result.octets().empty()) {
    throw Error{ErrorKind::corrupt,
                fmt::format("the TSB's answer that held a result cannot be used: {}; what came is kept",
                            why_unreadable(result, call))};
  }
  Issued issued;
  if (const auto* signature = std::get_if<IssuedSignature>(&result.product)) {
    const Draft& draft = call.draft;
    if (draft.to_be_signed.empty() || draft.issuer.empty()) {
      throw Error{ErrorKind::corrupt, "a signature came, but the draft holds no TBSCertificate or no issuer"};
    }
    issued.certificate = ca::assemble(draft.to_be_signed, draft.algorithm, draft.issuer, signature->octets);
  } else {
    const Bytes spki = x509::parse_csr(call.draft.csr).spki;
    issued = providers::issued_from("the TSB", result.octets(), spki, call.order);
  }
  if (!call.draft.issuer.empty()) issued.chain.push_back(call.draft.issuer);
  issued.chain.insert(issued.chain.end(), chain_.begin(), chain_.end());
  return issued;
}

std::vector<Bytes> SecurosysProvider::issuers_for(const ProviderCall& call, const Issued&) {
  if (!call.draft.issuer.empty() || settings_.mode != Mode::certificate) return {};
  return {issuer(call.time_limit, Freshness::recent).der};
}

}  // namespace hsmbridge::securosys
