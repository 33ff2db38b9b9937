#include "views/authorities.h"

#include "base/bytes.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <cstdint>
#include <string_view>

namespace hsmbridge::views {

namespace {

Json crl(const workflow::PublishedCrl& published) {
  return Json::object({{"number", static_cast<std::int64_t>(published.number)},
                       {"this_update", rfc3339(published.this_update)},
                       {"next_update", rfc3339(published.next_update)},
                       {"sha256", published.sha256}});
}

std::string_view word_of(service::CrlAtUrl::Gives gives) {
  using Gives = service::CrlAtUrl::Gives;
  switch (gives) {
    case Gives::the_same:
      return "the-same";
    case Gives::an_older_one:
      return "an-older-one";
    case Gives::something_else:
      return "something-else";
    case Gives::nothing:
      break;
  }
  return "nothing";
}

// Where it is, and what its URL gives.
void set_place(Json& json, const workflow::CrlPlace& place, const std::optional<service::CrlAtUrl>& at_url) {
  json.set("file", place.file.string());
  if (!place.shard.empty()) json.set("shard", place.shard);
  if (!place.url.empty()) json.set("url", place.url);
  if (!place.put.empty()) json.set("put", place.put);
  if (place.scope == workflow::CrlPlace::Scope::authorities) json.set("scope", "ca");
  if (!at_url) return;
  json.set("url_gives", std::string(word_of(at_url->gives)));
  json.set("at_url", at_url->sentence);
}

}  // namespace

Json made_crls(const std::string& name, const service::PublishedCrls& published) {
  Json rows = Json::array();
  for (const auto& one : published.made) {
    Json row = crl(one.made.crl);
    row.set("entries", static_cast<std::int64_t>(one.made.entries));
    set_place(row, one.made.place, one.at_url);
    if (!one.made.place.put.empty()) row.set("is_put", one.is_put);
    if (one.made.after_future) row.set("after_crl_of", rfc3339(*one.made.after_future));
    rows.push(row);
  }
  Json json = Json::object({{"name", name}, {"crls", rows}});
  // Of a CA with one CRL: what it says, as before there were shards.
  if (published.made.size() == 1 && published.made.front().made.place.shard.empty()) {
    json = rows.as_array().front();
    json.set("name", name);
    json.set("crls", rows);
  }
  if (published.stopped) json.set("stopped", published.stopped->message());
  return json;
}

Json crl_check(const service::CrlCheck& check) {
  Json rows = Json::array();
  for (const auto& one : check.crls) {
    Json row = Json::object({{"overdue", one.crl.overdue}, {"fault", one.fault}});
    if (!one.notice.empty()) row.set("notice", one.notice);
    if (one.crl.last) row.set("crl", crl(*one.crl.last));
    set_place(row, one.crl.place, one.at_url);
    rows.push(row);
  }
  Json json = Json::object({{"name", check.authority.name}});
  if (check.crls.size() == 1) {
    json = rows.as_array().front();
    json.set("name", check.authority.name);
  }
  json.set("crls", rows);
  if (const auto& obstacle = check.authority.view.obstacle) json.set("obstacle", obstacle->message());
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
  if (done.published) json.set("crl", made_crls(planned.authority.name, *done.published));
  return json;
}

namespace {

Json crls(const std::vector<workflow::PlacedCrl>& all, const std::vector<std::optional<service::CrlAtUrl>>& at_urls) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < all.size(); ++i) {
    Json row = Json::object({{"overdue", all[i].overdue}});
    if (!all[i].due.empty()) row.set("due", all[i].due);
    if (!all[i].not_put.empty()) row.set("not_put", all[i].not_put);
    if (all[i].last) row.set("crl", crl(*all[i].last));
    set_place(row, all[i].place, i < at_urls.size() ? at_urls[i] : std::nullopt);
    rows.push(row);
  }
  return rows;
}

}  // namespace

Json authority(const service::Authority& authority, const std::vector<std::optional<service::CrlAtUrl>>& at_urls) {
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
  if (view.crl_every) json.set("crl_every", duration_text(*view.crl_every));
  if (!view.crls.empty()) json.set("crls", crls(view.crls, at_urls));
  // Of a CA with one CRL: what it says, as before there were shards.
  if (view.crls.size() == 1) {
    const workflow::PlacedCrl& one = view.crls.front();
    json.set("crl_file", one.place.file.string());
    json.set("crl_overdue", one.overdue);
    if (!one.due.empty()) json.set("crl_due", one.due);
    if (one.last) json.set("crl", crl(*one.last));
  }
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
  for (const auto& one : all) rows.push(authority(one, {}));
  return Json::object({{"cas", rows}});
}

}  // namespace hsmbridge::views
