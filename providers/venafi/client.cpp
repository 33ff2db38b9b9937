#include "providers/venafi/client.h"

#include "base/error.h"
#include "net/url.h"
#include "providers/venafi/error_code.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::venafi {
namespace {

const std::string kRequests = "/outagedetection/v1/certificaterequests";
const std::string kCertificates = "/outagedetection/v1/certificates/";

// A 401 of the service's own gate. A proxy's page is none: a new credential would not help there.
bool is_refused_credential(const net::Exchange& exchange) {
  const auto* answer = std::get_if<net::Response>(&exchange);
  return answer != nullptr && answer->status == 401 &&
         refusal_from(answer->status, answer->content_type(), answer->body).has_value();
}

bool has_status(const net::Exchange& exchange, long status) {
  const auto* answer = std::get_if<net::Response>(&exchange);
  return answer != nullptr && answer->status == status;
}

// The service's own words of an error status that means "not there". Nothing for a proxy's 404.
std::optional<std::string> own_words(const net::Exchange& exchange) {
  const auto& answer = std::get<net::Response>(exchange);
  const auto refusal = refusal_from(answer.status, answer.content_type(), answer.body);
  if (!refusal) return std::nullopt;
  return spoken(*refusal);
}

}  // namespace

Client::Client(std::shared_ptr<net::Transport> transport, std::shared_ptr<Credentials> credentials, const Clock& clock)
    : transport_(std::move(transport)), credentials_(std::move(credentials)), clock_(clock) {}

net::Exchange Client::exchange(const Call& call, Duration limit) {
  const Duration end = clock_.since_boot() + limit;
  for (bool again = false;; again = true) {
    net::Request request{call.method, call.path, {}, call.body, call.repeat, {}, call.call_until};
    const Credentials::Held held = credentials_->current(end - clock_.since_boot());
    const Secret& secret = held.secret;
    if (!call.account.empty()) expect_account(held, call.account);
    request.time_limit = end - clock_.since_boot();
    if (request.time_limit <= Duration::zero()) return net::NotSent{"the time limit was over before it was sent"};
    request.headers.emplace_back("Accept", call.accept);
    if (!call.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    request.headers.emplace_back("User-Agent", "hsmbridge/" HSMBRIDGE_VERSION);
    if (credentials_->kind() == Credentials::Kind::api_key) {
      request.headers.emplace_back("tppl-api-key", std::string(secret.reveal()));
    } else {
      request.headers.emplace_back("Authorization", "Bearer " + std::string(secret.reveal()));
    }
    net::Exchange result = transport_->send(request);
    server_clock_.note(result, clock_.now());
    if (again || !is_refused_credential(result) || !credentials_->replace(secret)) return result;
    // What creates something is not sent twice in one attempt, whoever said that the first was refused.
    if (call.repeat == net::Repeat::never) return result;
  }
}

// The credentials may have been replaced by another account's since the account was asked for.
void Client::expect_account(const Credentials::Held& held, const std::string& account) {
  std::string now = held.account;
  if (has_user_account()) {
    const std::lock_guard lock(mutex_);
    now = api_key_ && api_key_->secret.reveal() == held.secret.reveal() ? api_key_->account : std::string{};
  }
  if (now == account) return;
  throw Error{ErrorKind::unavailable,
              fmt::format("the credentials are {} now, and were those of {} when that was looked at: nothing was sent",
                          now.empty() ? "other ones" : "those of " + now, account)};
}

UserAccount Client::user_account(Duration limit) {
  const Duration end = clock_.since_boot() + limit;
  const Secret asked = credentials_->current(limit).secret;
  const net::Exchange result = exchange({"GET", "/v1/useraccounts"}, end - clock_.since_boot());
  UserAccount account = user_account_from(success_of("GET /v1/useraccounts", result, clock_.now()).body);
  // One that was replaced meanwhile is nobody's until it is asked for again.
  const bool same = credentials_->current(end - clock_.since_boot()).secret.reveal() == asked.reveal();
  const std::lock_guard lock(mutex_);
  api_key_ = same ? std::optional(Credentials::Held{asked, account.ids}) : std::nullopt;
  return account;
}

std::string Client::account(Duration limit) {
  if (!has_user_account()) return credentials_->current(limit).account;
  try {
    return user_account(limit).ids;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable || error.detail("http") == "401") throw;
    return "";
  }
}

ApplicationInfo Client::application(const std::string& name, Duration limit) {
  const std::string path = "/outagedetection/v1/applications/name/" + net::percent_encode(name);
  const net::Exchange result = exchange({"GET", path}, limit);
  return application_from(success_of("GET " + path, result, clock_.now()).body);
}

Template Client::issuing_template(const std::string& application, const std::string& alias, Duration limit) {
  const std::string path = "/outagedetection/v1/applications/" + net::percent_encode(application) +
                           "/certificateissuingtemplates/" + net::percent_encode(alias);
  const net::Exchange result = exchange({"GET", path}, limit);
  return template_from(success_of("GET " + path, result, clock_.now()).body);
}

std::vector<Template> Client::issuing_templates(Duration limit) {
  const std::string path = "/v1/certificateissuingtemplates";
  const net::Exchange result = exchange({"GET", path}, limit);
  return templates_from(success_of("GET " + path, result, clock_.now()).body);
}

Verdict Client::submit(const std::string& body, const std::string& account, Duration limit,
                       std::optional<Duration> call_until) {
  return classify_submission(
      "POST " + kRequests,
      exchange({"POST", kRequests, body, net::Repeat::never, "application/json", call_until, account}, limit),
      clock_.now());
}

std::vector<std::string> Client::validate(const std::string& body, Duration limit) {
  const std::string path = kRequests + "/validation";
  const net::Exchange result = exchange({"POST", path, body}, limit);
  const auto* answer = std::get_if<net::Response>(&result);
  // An objection to the request is 400 or 412; anything else is trouble of another kind.
  if (answer != nullptr && (answer->status == 400 || answer->status == 412)) {
    const auto refusal = refusal_from(answer->status, answer->content_type(), answer->body);
    // A refused credential comes with these two as well, and says nothing about the request.
    if (refusal && service_error(path, answer->status, *refusal).kind() != ErrorKind::denied) {
      std::vector<std::string> objections;
      for (const ServiceError& error : refusal->errors) objections.push_back(spoken(error));
      return objections;
    }
  }
  check_validated(success_of("POST " + path, result, clock_.now()).body);
  return {};
}

Status Client::request(const std::string& id, Duration limit) {
  const std::string path = kRequests + "/" + net::percent_encode(id);
  const net::Exchange result = exchange({"GET", path}, limit);
  if (has_status(result, 404)) {
    if (auto words = own_words(result)) return {std::nullopt, *words, std::nullopt};
  }
  const net::Response& answer = success_of("GET " + path, result, clock_.now());
  CertificateRequest request = certificate_request_from(answer.body);
  return {std::move(request), "", answer.retry_after(clock_.now())};
}

SearchPage Client::search_requests(const RequestSearch& search, Duration limit) {
  const std::string path = "/outagedetection/v1/certificaterequestssearch";
  const net::Exchange result = exchange({"POST", path, text_of(search)}, limit);
  const net::Response& answer = success_of("POST " + path, result, clock_.now());
  SearchPage page = search_page_from(answer.body);
  page.server_clock = answer.date(clock_.now());
  return page;
}

std::optional<ApprovalRequest> Client::approval(const std::string& id, Duration limit) {
  const std::string path = "/v1/certificaterequests/approvalrequests/" + net::percent_encode(id);
  const net::Exchange result = exchange({"GET", path}, limit);
  if (has_status(result, 404) && own_words(result)) return std::nullopt;
  return approval_request_from(success_of("GET " + path, result, clock_.now()).body);
}

CertificateRequest Client::decide(const std::string& id, Decision decision, std::string_view reason, Duration limit) {
  const std::string path = "/v1/certificaterequests/" + net::percent_encode(id) + "/approval/" +
                           (decision == Decision::approve ? "APPROVE" : "REJECT");
  return decision_of("POST " + path, exchange({"POST", path, reason_text(reason), net::Repeat::never}, limit),
                     clock_.now());
}

Contents Client::contents(const std::string& certificate, ChainOrder order, Duration limit) {
  const std::string path = kCertificates + net::percent_encode(certificate) +
                           "/contents?chainOrder=" + (order == ChainOrder::leaf_first ? "EE_FIRST" : "EE_ONLY") +
                           "&format=PEM";
  const net::Exchange result = exchange({"GET", path, {}, net::Repeat::allowed, "*/*"}, limit);
  // 404 also comes for seconds after a request says ISSUED: the inventory is behind. 409: the authority has not signed.
  // The second is in no list of the service's answers, so its form is not known.
  if (has_status(result, 404) || has_status(result, 409)) {
    if (auto words = own_words(result)) return {"", *words};
  }
  if (const auto* answer = std::get_if<net::Response>(&result);
      answer != nullptr && answer->status == 409 && !is_html(answer->content_type(), answer->body)) {
    return {"", "the authority has not signed it yet (HTTP 409)"};
  }
  return {success_of("GET " + path, result, clock_.now()).body, ""};
}

std::optional<CertificateDetails> Client::certificate(const std::string& id, Duration limit) {
  const std::string path = kCertificates + net::percent_encode(id);
  const net::Exchange result = exchange({"GET", path}, limit);
  if (has_status(result, 404) && own_words(result)) return std::nullopt;
  return certificate_details_from(success_of("GET " + path, result, clock_.now()).body);
}

std::vector<CertificateDetails> Client::certificates_with(const std::string& fingerprint, Duration limit) {
  const std::string path = "/outagedetection/v1/certificatesearch";
  const net::Exchange result = exchange({"POST", path, certificate_search_text(fingerprint)}, limit);
  return certificate_search_from(success_of("POST " + path, result, clock_.now()).body);
}

RevocationVerdict Client::revoke(const std::string& body, Duration limit, std::optional<Duration> call_until) {
  return classify_revocation(
      "POST /graphql (revokeCertificate)",
      exchange({"POST", "/graphql", body, net::Repeat::never, "application/json", call_until}, limit), clock_.now());
}

RevocationAnswer Client::revocation(const std::string& fingerprint, Duration limit) {
  const std::string what = "POST /graphql (certificate)";
  const net::Exchange result = exchange({"POST", "/graphql", revocation_query_text(fingerprint)}, limit);
  RevocationAnswer answer = revocation_from(success_of(what, result, clock_.now()).body, "certificate");
  // A part of the answer may be missing because of it: no status is no word about the revocation then.
  if (!answer.troubles.empty() && answer.status.empty() && !answer.listed) {
    throw Error{ErrorKind::unavailable, fmt::format("{}: the service says: {}", what, answer.troubles.front().message)};
  }
  return answer;
}

}  // namespace hsmbridge::venafi
