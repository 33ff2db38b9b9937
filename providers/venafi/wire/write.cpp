#include "net/url.h"
#include "providers/venafi/wire/wire.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge::venafi {
namespace {

constexpr std::string_view kRevoke =
    "mutation RevokeCertificateRequest($fingerprint: ID!, $certificateAuthorityAccountId: UUID, "
    "$revocationReason: RevocationReason!, $revocationComment: String) { revokeCertificate(fingerprint: $fingerprint, "
    "certificateAuthorityAccountId: $certificateAuthorityAccountId, revocationReason: $revocationReason, "
    "revocationComment: $revocationComment) { id fingerprint revocation { status error { arguments code message } "
    "approvalDetails { rejectionReason } } } }";

constexpr std::string_view kRevocation =
    "query CertificateRevocation($fingerprint: ID!) { certificate(fingerprint: $fingerprint) { id fingerprint "
    "revocation { status error { arguments code message } approvalDetails { rejectionReason } } "
    "globalRevocation { status } } }";

Json equals(std::string_view field, std::string_view operation, Json value) {
  return Json::object({{"field", field}, {"operator", operation}, {"value", std::move(value)}});
}

Json ascending(std::string_view field) {
  return Json::object({{"orders", Json::array({Json::object({{"direction", "ASC"}, {"field", field}})})}});
}

// The form in which the service's own samples write a date of a search.
std::string search_date(Instant instant) {
  return rfc3339(Instant{std::chrono::floor<std::chrono::seconds>(instant)});
}

struct Unit {
  char letter;
  bool time;  // after the T
  std::int64_t seconds;
};
constexpr std::int64_t kSecondsADay = 86400;
constexpr auto kUnits = std::to_array<Unit>({
    {'Y', false, 366 * kSecondsADay},
    {'M', false, 31 * kSecondsADay},
    {'W', false, 7 * kSecondsADay},
    {'D', false, kSecondsADay},
    {'H', true, 3600},
    {'M', true, 60},
    {'S', true, 1},
});

}  // namespace

std::string text_of(const NewRequest& request) {
  Json json = Json::object();
  if (!request.existing_certificate.empty()) json.set("existingCertificateId", request.existing_certificate);
  if (!request.application.empty()) json.set("applicationId", request.application);
  json.set("certificateIssuingTemplateId", request.issuing_template);
  json.set("isVaaSGenerated", false);
  json.set("certificateSigningRequest", request.csr);
  if (!request.validity.empty()) json.set("validityPeriod", request.validity);
  json.set("tags", Json(request.tags));
  json.set("apiClientInformation", Json::object({{"type", kClientType}, {"identifier", request.client_identifier}}));
  return json.dump();
}

std::string text_of(const RequestSearch& search) {
  Json operands = Json::array();
  if (!search.application.empty()) {
    operands.push(
        Json::object({{"field", "applicationId"}, {"operator", "IN"}, {"values", Json::array({search.application})}}));
  }
  operands.push(equals("creationDate", "GTE", search_date(search.from)));
  return Json::object({{"expression", Json::object({{"operator", "AND"}, {"operands", std::move(operands)}})},
                       {"ordering", ascending("creationDate")},
                       {"paging", Json::object({{"pageNumber", static_cast<std::int64_t>(search.page)},
                                                {"pageSize", static_cast<std::int64_t>(search.page_size)}})}})
      .dump();
}

std::string certificate_search_text(std::string_view fingerprint) {
  return Json::object(
             {{"expression", Json::object({{"operator", "AND"},
                                           {"operands", Json::array({equals("fingerprint", "MATCH", fingerprint)})}})},
              {"paging", Json::object({{"pageNumber", 0}, {"pageSize", 50}})}})
      .dump();
}

std::string reason_text(std::string_view reason) {
  return Json::object({{"reason", reason}}).dump();
}

std::string revoke_text(std::string_view fingerprint, std::string_view reason, std::string_view comment) {
  Json variables = Json::object({{"fingerprint", fingerprint}, {"revocationReason", reason}});
  if (!comment.empty()) variables.set("revocationComment", comment);
  return Json::object({{"operationName", "RevokeCertificateRequest"}, {"query", kRevoke}, {"variables", variables}})
      .dump();
}

std::string revocation_query_text(std::string_view fingerprint) {
  return Json::object({{"operationName", "CertificateRevocation"},
                       {"query", kRevocation},
                       {"variables", Json::object({{"fingerprint", fingerprint}})}})
      .dump();
}

std::string federated_token_text(std::string_view jwt) {
  return "grant_type=client_credentials&client_assertion_type=" +
         net::percent_encode("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") +
         "&client_assertion=" + net::percent_encode(jwt);
}

std::string service_account_token_text(std::string_view jwt) {
  return "grant_type=" + net::percent_encode("urn:ietf:params:oauth:grant-type:jwt-bearer") +
         "&assertion=" + net::percent_encode(jwt);
}

std::string iso_duration(Duration duration) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(duration).count();
  const auto days = seconds / kSecondsADay;
  const auto rest = seconds % kSecondsADay;
  const std::string date = days > 0 ? fmt::format("P{}D", days) : "P";
  if (rest == 0 && days > 0) return date;
  return date + fmt::format("T{}H{}M{}S", rest / 3600, rest % 3600 / 60, rest % 60);
}

std::optional<Duration> longest_of_iso(std::string_view text) {
  if (text.size() < 3 || text[0] != 'P') return std::nullopt;
  constexpr std::int64_t kMost = std::int64_t{1000} * 366 * kSecondsADay;
  std::int64_t total = 0;
  std::int64_t number = -1;
  bool time = false;
  bool any = false;
  for (const char c : text.substr(1)) {
    if (c >= '0' && c <= '9') {
      number = std::max<std::int64_t>(number, 0) * 10 + (c - '0');
      if (number > kMost) return std::nullopt;
      continue;
    }
    if (c == 'T' && !time && number < 0) {
      time = true;
      continue;
    }
    const auto* unit = std::find_if(kUnits.begin(), kUnits.end(),
                                    [&](const Unit& row) { return row.letter == c && row.time == time; });
    if (unit == kUnits.end() || number < 0) return std::nullopt;
    if (number > kMost / unit->seconds) return std::nullopt;
    total = std::min(total + number * unit->seconds, kMost);
    number = -1;
    any = true;
  }
  if (!any || number >= 0) return std::nullopt;
  return std::chrono::seconds{total};
}

}  // namespace hsmbridge::venafi
