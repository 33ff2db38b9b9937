#include "views/authorities.h"

#include "base/bytes.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <cstdint>

namespace hsmbridge::views {

namespace {

Json crl(const workflow::PublishedCrl& published) {
  return Json::object({{"number", static_cast<std::int64_t>(published.number)},
                       {"this_update", rfc3339(published.this_update)},
                       {"next_update", rfc3339(published.next_update)},
                       {"sha256", published.sha256}});
}

}  // namespace

Json made_crl(const std::string& name, const workflow::MadeCrl& made) {
  Json json = crl(made.crl);
  json.set("name", name);
  json.set("file", made.file.string());
  json.set("entries", static_cast<std::int64_t>(made.entries));
  return json;
}

Json crl_check(const service::CrlCheck& check) {
  const auto& view = check.authority.view;
  Json json = Json::object({{"name", check.authority.name},
                            {"file", view.crl_file->string()},
                            {"overdue", view.crl_overdue},
                            {"fault", check.fault}});
  if (view.crl) json.set("crl", crl(*view.crl));
  return json;
}

Json takeover(const service::PlannedTakeover& planned, const service::DoneTakeover& done) {
  const auto count = [](std::size_t number) { return static_cast<std::int64_t>(number); };
  Json json = Json::object({{"name", planned.authority.name},
                            {"certificates", count(planned.takeover.certificates.size())},
                            {"revoked", count(planned.takeover.revoked.size())},
                            {"new_certificates", count(done.taken.certificates)},
                            {"new_revoked", count(done.taken.revoked)},
                            {"of_other_issuers", count(planned.inventory.of_other_issuers)},
                            {"notes", Json(planned.inventory.notes)}});
  if (planned.takeover.crl) json.set("last_crl", crl(*planned.takeover.crl));
  if (done.made) json.set("crl", made_crl(planned.authority.name, *done.made));
  return json;
}

Json authority(const service::Authority& authority) {
  const auto& view = authority.view;
  Json json = Json::object({{"name", authority.name},
                            {"file", view.file.string()},
                            {"key", view.key},
                            {"profiles", Json(view.profiles)},
                            {"serials_taken", static_cast<std::int64_t>(view.serials_taken)},
                            {"revoked", static_cast<std::int64_t>(view.revoked)},
                            {"obstacles", Json(view.obstacles)}});
  json.set(view.key_provider.empty() ? "token" : "key_provider",
           view.key_provider.empty() ? view.token : view.key_provider);
  if (view.crl_file) json.set("crl_file", view.crl_file->string());
  if (view.crl_file) json.set("crl_overdue", view.crl_overdue);
  if (view.crl_every) json.set("crl_every", duration_text(*view.crl_every));
  if (!view.crl_due.empty()) json.set("crl_due", view.crl_due);
  if (view.crl) json.set("crl", crl(*view.crl));
  if (view.certificate) {
    const auto certificate = x509::parse_certificate(*view.certificate);
    json.set("subject", certificate.subject().to_string());
    json.set("issuer", certificate.issuer().to_string());
    json.set("serial", x509::serial_text(certificate.serial()));
    json.set("not_before", rfc3339(certificate.tbs.validity.not_before));
    json.set("not_after", rfc3339(certificate.tbs.validity.not_after));
    json.set("spki_sha256", x509::spki_hash(certificate.spki()).str());
    json.set("certificate_sha256", hex(sha256(*view.certificate)));
  }
  return json;
}

Json authorities(const std::vector<service::Authority>& all) {
  Json rows = Json::array();
  for (const auto& one : all) rows.push(authority(one));
  return Json::object({{"cas", rows}});
}

}  // namespace hsmbridge::views
