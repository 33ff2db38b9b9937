#include "views/certificates.h"

#include "views/error.h"
#include "x509/judge/render.h"

#include <cstdint>
#include <utility>

namespace hsmbridge::views {

namespace {

Json certificate(const service::CertificateRow& row) {
  const auto& record = row.record;
  Json json = Json::object({{"sha256", record.fingerprint},
                            {"status", record.status},
                            {"names", row.names},
                            {"subject", record.subject},
                            {"issuer", record.issuer},
                            {"serial", record.serial},
                            {"not_before", rfc3339(record.not_before)},
                            {"not_after", rfc3339(record.not_after)},
                            {"provider", row.provider},
                            {"profile", row.profile},
                            {"token", row.token},
                            {"key", row.key},
                            {"key_status", row.key_status},
                            {"spki", record.spki.str()},
                            {"request", record.request.str()},
                            {"installed", Json(record.installed)}});
  if (!record.predecessor.empty()) json.set("renews", record.predecessor);
  const auto& renewal = row.renewal;
  if (renewal.due) json.set("renewal_due", rfc3339(*renewal.due));
  if (renewal.open) json.set("renewal_request", renewal.open->str());
  if (renewal.failed) json.set("failed_renewal", renewal.failed->str());
  if (!renewal.trouble.empty()) json.set("renewal_trouble", renewal.trouble);
  if (renewal.done) json.set("renewed_by", renewal.done->str());
  return json;
}

}  // namespace

Json certificates(const std::vector<service::CertificateRow>& rows) {
  Json json = Json::array();
  for (const auto& row : rows) json.push(certificate(row));
  return json;
}

Json end_of_certificates(const service::ListEnd& end, std::size_t left_out) {
  Json json = Json::object({{"left_out", static_cast<std::int64_t>(left_out)}});
  if (end.more > 0) json.set("next", end.last);
  return json;
}

Json mass_revocation(const service::MassRevocation& planned) {
  Json rows = Json::array();
  for (const auto& row : planned.rows) {
    Json json = Json::object({{"line", std::int64_t{row.line}},
                              {"certificate", row.certificate},
                              {"subject", row.subject},
                              {"provider", row.provider},
                              {"reason", row.reason},
                              {"in_use", row.is_in_use},
                              {"revoked", row.is_revoked}});
    if (row.under_way) json.set("under_way", row.under_way->str());
    if (!row.same_key.empty()) json.set("same_key", Json::list(row.same_key));
    if (row.fault) json.set("error", error(*row.fault));
    rows.push(std::move(json));
  }
  Json providers = Json::array();
  for (const auto& at : planned.providers) {
    Json json = Json::object({{"name", at.name}, {"certificates", static_cast<std::int64_t>(at.certificates)}});
    if (at.at_least) {
      json.set("at_least_seconds",
               static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(*at.at_least).count()));
    }
    if (at.crl) {
      json.set("crl_entries", static_cast<std::int64_t>(at.crl->entries));
      json.set("crl_octets", static_cast<std::int64_t>(at.crl->octets));
    }
    providers.push(std::move(json));
  }
  return Json::object({{"to_revoke", static_cast<std::int64_t>(planned.to_revoke)},
                       {"under_way", static_cast<std::int64_t>(planned.under_way)},
                       {"revoked", static_cast<std::int64_t>(planned.revoked)},
                       {"faults", static_cast<std::int64_t>(planned.faults)},
                       {"in_use", static_cast<std::int64_t>(planned.in_use)},
                       {"plan", planned.plan},
                       {"providers", std::move(providers)},
                       {"rows", std::move(rows)}});
}

Json placed(const std::string& fingerprint, const std::vector<service::Placed>& placed) {
  Json rows = Json::array();
  for (const auto& [target, trouble] : placed) {
    Json row = Json::object({{"target", target.name}, {"installed", !trouble}});
    if (trouble) row.set("error", trouble->message());
    rows.push(std::move(row));
  }
  return Json::object({{"certificate", fingerprint}, {"targets", std::move(rows)}});
}

Json certificate(const x509::Certificate& certificate, const std::string& file,
                 const workflow::CertificateRecord* record) {
  Json row = x509::to_json(certificate);
  row.set("file", file);
  if (record != nullptr) {
    row.set("status", record->status);
    row.set("request", record->request.str());
    row.set("installed", Json(record->installed));
  }
  return row;
}

Json verified_certificate(const std::string& file, const service::VerifiedCertificate& verified) {
  Json rows = Json::array();
  for (const auto& finding : verified.findings) {
    rows.push(Json::object({{"name", finding.name},
                            {"fatal", finding.severity == x509::Severity::fatal},
                            {"explanation", finding.explanation}}));
  }
  return Json::object({{"file", file}, {"ok", verified.ok}, {"findings", rows}, {"chain", Json(verified.chain)}});
}

}  // namespace hsmbridge::views
