#include "providers/venafi/client.h"

#include "base/error.h"
#include "base/text.h"
#include "net/url.h"
#include "providers/venafi/error_code.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hsmbridge::venafi {
namespace {

const std::string kRequests = "/outagedetection/v1/certificaterequests";
const std::string kCertificates = "/outagedetection/v1/certificates/";

// Codes with which a GraphQL server refuses what it was asked before anything is done. An error of any other code, or
// of none (the service's reference shows none), may come from a part behind it that had done its work by then.
constexpr auto kRefusals = std::to_array<std::string_view>({
    "BAD_REQUEST",
    "BAD_USER_INPUT",
    "FORBIDDEN",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "NOT_FOUND",
    "UNAUTHENTICATED",
    "UNAUTHORIZED",
});

bool is_refusal(const RevocationAnswer::Trouble& trouble) {
  return std::find(kRefusals.begin(), kRefusals.end(), trouble.code) != kRefusals.end();
}

ErrorKind kind_of(const std::vector<RevocationAnswer::Trouble>& troubles) {
  for (const auto& trouble : troubles) {
    if (trouble.code == "UNAUTHENTICATED" || trouble.code == "UNAUTHORIZED" || trouble.code == "FORBIDDEN") {
      return ErrorKind::denied;
    }
    if (trouble.code == "NOT_FOUND") return ErrorKind::not_found;
  }
  return ErrorKind::refused;
}

// The service's own words of an error status that means "not there". Nothing for a proxy's 404.
std::optional<std::string> own_words(const providers::Answer& answer) {
  const net::Response& response = *answer.response();
  const auto refusal = refusal_from(response.status, response.content_type(), response.body);
  if (!refusal) return std::nullopt;
  return spoken(*refusal);
}

}  // namespace

Verdict submission_verdict(const providers::Answer& answer) {
  return answer.verdict<Verdict>(
      [](const net::Response& success) -> Verdict { return Taken{created_from(success.body)}; });
}

RevocationVerdict revocation_verdict(const providers::Answer& answer) {
  return answer.verdict<RevocationVerdict>([](const net::Response& success) -> RevocationVerdict {
    RevocationAnswer read = revocation_from(success.body, "revokeCertificate");
    if (read.present && !read.status.empty()) return RevocationTaken{std::move(read)};
    if (read.troubles.empty()) {
      throw Error{ErrorKind::corrupt, "the answer does not say what became of the revocation"};
    }
    const std::string words = joined(read.troubles, "; ", &RevocationAnswer::Trouble::message);
    if (read.present || !std::all_of(read.troubles.begin(), read.troubles.end(), is_refusal)) {
      throw Error{ErrorKind::corrupt, words};
    }
    return workflow::RefusedForGood{Error{kind_of(read.troubles), "the service says: " + words}};
  });
}

Client::Client(std::shared_ptr<net::Transport> transport, const Access& access, const Clock& clock)
    : kind_(access.kind),
      api_(std::move(transport), dialect(),
           {access.kind == Access::Kind::api_key
                ? providers::CredentialHeader{"tppl-api-key", "", access.credentials}
                : providers::CredentialHeader{"Authorization", "Bearer ", access.credentials}},
           clock) {}

UserAccount Client::user_account(Duration limit) {
  return user_account_from(api_.get("/v1/useraccounts", limit).success().body);
}

std::string Client::account(Duration age, Duration limit) {
  if (!has_user_account()) return api_.told_account(limit);
  return api_.asked_account(age, limit, [this](Duration left) { return user_account(left).ids; });
}

ApplicationInfo Client::application(const std::string& name, Duration limit) {
  return application_from(
      api_.get("/outagedetection/v1/applications/name/" + net::percent_encode(name), limit).success().body);
}

Template Client::issuing_template(const std::string& application, const std::string& alias, Duration limit) {
  return template_from(api_.get("/outagedetection/v1/applications/" + net::percent_encode(application) +
                                    "/certificateissuingtemplates/" + net::percent_encode(alias),
                                limit)
                           .success()
                           .body);
}

std::vector<Template> Client::issuing_templates(Duration limit) {
  return templates_from(api_.get("/v1/certificateissuingtemplates", limit).success().body);
}

Verdict Client::submit(const std::string& body, const std::string& account, Duration limit,
                       std::optional<Duration> call_until) {
  return submission_verdict(api_.once("POST", kRequests, body, limit, call_until, {.account = account}));
}

std::vector<std::string> Client::validate(const std::string& body, Duration limit) {
  const providers::Answer answer = api_.post(kRequests + "/validation", body, limit);
  // An objection to the request is 400 or 412; anything else is trouble of another kind. A refused credential comes
  // with these two as well, and says nothing about the request.
  if ((answer.has_status(400) || answer.has_status(412)) && answer.refused() &&
      answer.refused()->error.kind() != ErrorKind::denied) {
    const net::Response& response = *answer.response();
    const auto refusal = refusal_from(response.status, response.content_type(), response.body);
    std::vector<std::string> objections;
    for (const ServiceError& error : refusal->errors) objections.push_back(spoken(error));
    return objections;
  }
  check_validated(answer.success().body);
  return {};
}

Status Client::request(const std::string& id, Duration limit) {
  const providers::Answer answer = api_.get(kRequests + "/" + net::percent_encode(id), limit);
  if (answer.has_status(404)) {
    if (auto words = own_words(answer)) return {std::nullopt, *words, std::nullopt};
  }
  return {certificate_request_from(answer.success().body), "", answer.retry_after()};
}

SearchPage Client::search_requests(const RequestSearch& search, Duration limit) {
  const providers::Answer answer = api_.post("/outagedetection/v1/certificaterequestssearch", text_of(search), limit);
  SearchPage page = search_page_from(answer.success().body);
  page.server_clock = answer.date();
  return page;
}

std::optional<ApprovalRequest> Client::approval(const std::string& id, Duration limit) {
  const providers::Answer answer =
      api_.get("/v1/certificaterequests/approvalrequests/" + net::percent_encode(id), limit);
  if (answer.has_status(404) && answer.refused()) return std::nullopt;
  return approval_request_from(answer.success().body);
}

CertificateRequest Client::decide(const std::string& id, Decision decision, std::string_view reason, Duration limit) {
  const std::string path = "/v1/certificaterequests/" + net::percent_encode(id) + "/approval/" +
                           (decision == Decision::approve ? "APPROVE" : "REJECT");
  return api_.once("POST", path, reason_text(reason), limit)
      .decided("look at the request again before deciding once more: a decision is final there",
               [](const net::Response& success) { return certificate_request_from(success.body); });
}

Contents Client::contents(const std::string& certificate, ChainOrder order, Duration limit) {
  const std::string path = kCertificates + net::percent_encode(certificate) +
                           "/contents?chainOrder=" + (order == ChainOrder::leaf_first ? "EE_FIRST" : "EE_ONLY") +
                           "&format=PEM";
  const providers::Answer answer = api_.call({"GET", path, {{"Accept", "*/*"}}, "", net::Repeat::allowed}, limit);
  // 404 also comes for seconds after a request says ISSUED: the inventory is behind. 409: the authority has not signed.
  // The second is in no list of the service's answers, so its form is not known.
  if (answer.has_status(404) || answer.has_status(409)) {
    if (auto words = own_words(answer)) return {"", *words};
  }
  if (answer.has_status(409) && !providers::is_html(answer.response()->content_type(), answer.response()->body)) {
    return {"", "the authority has not signed it yet (HTTP 409)"};
  }
  return {answer.success().body, ""};
}

std::optional<CertificateDetails> Client::certificate(const std::string& id, Duration limit) {
  const providers::Answer answer = api_.get(kCertificates + net::percent_encode(id), limit);
  if (answer.has_status(404) && answer.refused()) return std::nullopt;
  return certificate_details_from(answer.success().body);
}

std::vector<CertificateDetails> Client::certificates_with(const std::string& fingerprint, Duration limit) {
  return certificate_search_from(
      api_.post("/outagedetection/v1/certificatesearch", certificate_search_text(fingerprint), limit).success().body);
}

RevocationVerdict Client::revoke(const std::string& body, Duration limit, std::optional<Duration> call_until) {
  return revocation_verdict(
      api_.once("POST", "/graphql", body, limit, call_until, {.name = "POST /graphql (revokeCertificate)"}));
}

RevocationAnswer Client::revocation(const std::string& fingerprint, Duration limit) {
  const std::string what = "POST /graphql (certificate)";
  const providers::Answer asked = api_.post("/graphql", revocation_query_text(fingerprint), limit, {.name = what});
  RevocationAnswer answer = revocation_from(asked.success().body, "certificate");
  // A part of the answer may be missing because of it: no status is no word about the revocation then.
  if (!answer.troubles.empty() && answer.status.empty() && !answer.listed) {
    throw Error{ErrorKind::unavailable, fmt::format("{}: the service says: {}", what, answer.troubles.front().message)};
  }
  return answer;
}

}  // namespace hsmbridge::venafi
