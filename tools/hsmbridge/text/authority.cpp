#include "tools/hsmbridge/text/authority.h"

#include "base/text.h"
#include "tools/commandline/output.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

namespace hsmbridge::cli {

namespace {

using commandline::safe;

std::optional<x509::Certificate> certificate_of(const service::Authority& authority) {
  if (!authority.view.certificate) return std::nullopt;
  return x509::parse_certificate(*authority.view.certificate);
}

// Of several the one that ends first.
std::string crl_text(const workflow::AuthorityView& view) {
  if (view.crls.empty()) return "-";
  std::optional<Instant> first;
  for (const auto& crl : view.crls) {
    if (!crl.last) return "none yet";
    if (crl.overdue) return "OVERDUE";
    first = std::min(first.value_or(crl.last->next_update), crl.last->next_update);
  }
  return rfc3339(*first);
}

// "CRL", "CRL of shard 3".
std::string name_of_crl(const workflow::CrlPlace& place) {
  return place.shard.empty() ? "CRL" : "CRL of shard " + place.shard;
}

std::string standing_text(const workflow::PlacedCrl& crl) {
  if (!crl.last) return "none yet";
  return fmt::format("number {}, until {}{}", crl.last->number, rfc3339(crl.last->next_update),
                     crl.overdue ? ", OVERDUE" : "");
}

using AtUrls = std::vector<std::optional<service::CrlAtUrl>>;

void add_crls(commandline::Fields& fields, const workflow::AuthorityView& view, const AtUrls& at_urls) {
  const bool alone = view.crls.size() == 1;
  std::string due;
  for (std::size_t i = 0; i < view.crls.size(); ++i) {
    const workflow::PlacedCrl& crl = view.crls[i];
    fields.add(name_of_crl(crl.place), standing_text(crl));
    if (crl.place.scope == workflow::CrlPlace::Scope::authorities) {
      fields.add("CRL scope", "the certificates of CAs alone (onlyContainsCACerts)");
    }
    if (alone) fields.add("CRL file", safe(crl.place.file.string()));
    if (!crl.not_put.empty()) {
      fields.add("CRL put", safe(crl.not_put));
    } else if (alone && crl.last && !crl.place.put.empty()) {
      fields.add("CRL put", "at " + safe(crl.place.put));
    }
    if (i < at_urls.size() && at_urls[i]) {
      const bool is_in_order = at_urls[i]->gives == service::CrlAtUrl::Gives::the_same;
      if (alone || !is_in_order) fields.add("CRL at URL", safe(at_urls[i]->sentence));
    }
    if (crl.due.empty()) continue;
    due += fmt::format("{}{}{}", due.empty() ? "" : "\n", alone ? "" : name_of_crl(crl.place) + ": ", safe(crl.due));
  }
  fields.add("CRL every", view.crl_every ? duration_text(*view.crl_every) : "by hand");
  if (!due.empty()) fields.add("CRL due", due);
}

// "in token ca", "at provider tsb"
std::string place_of(const workflow::AuthorityView& view) {
  return view.key_provider.empty() ? "in token " + safe(view.token) : "at provider " + safe(view.key_provider);
}

}  // namespace

std::string authorities_text(const std::vector<service::Authority>& all) {
  if (all.empty()) return "no provider is of type local-ca\n";
  commandline::Table table({"NAME", "UNTIL", "ISSUES", "NUMBERS TAKEN", "CRL UNTIL", "KEY", "SUBJECT"});
  for (const auto& one : all) {
    const auto certificate = certificate_of(one);
    table.row({one.name, certificate ? rfc3339(certificate->tbs.validity.not_after) : "-",
               one.view.obstacles.empty() ? "yes" : "no", std::to_string(one.view.serials_taken), crl_text(one.view),
               one.view.key_provider.empty() ? fmt::format("{}/{}", safe(one.view.token), safe(one.view.key))
                                             : fmt::format("{} {}", safe(one.view.key), place_of(one.view)),
               certificate ? safe(certificate->subject().to_string()) : "-"});
  }
  return table.text();
}

std::string authority_text(const service::Authority& authority, const AtUrls& at_urls) {
  const auto& view = authority.view;
  commandline::Fields fields;
  fields.add("CA", safe(authority.name));
  if (const auto certificate = certificate_of(authority)) {
    fields.add("Subject", safe(certificate->subject().to_string()));
    fields.add("Issuer",
               certificate->subject() == certificate->issuer() ? "itself" : safe(certificate->issuer().to_string()));
    fields.add("Serial", x509::serial_text(certificate->serial()));
    fields.add("Valid", fmt::format("{} to {}", rfc3339(certificate->tbs.validity.not_before),
                                    rfc3339(certificate->tbs.validity.not_after)));
    fields.add("Key", fmt::format("{} {} {}", x509::key_text(certificate->spki()), safe(view.key), place_of(view)));
    fields.add("SHA-256", hex(sha256(*view.certificate)));
  } else {
    fields.add("Key", fmt::format("{} {}", safe(view.key), place_of(view)));
  }
  fields.add("Certificate", safe(view.file.string()));
  fields.add("Profiles", safe(joined(view.profiles)));
  fields.add("Numbers taken", std::to_string(view.serials_taken));
  fields.add("Revoked", std::to_string(view.revoked));
  fields.add("Issues", view.obstacles.empty() ? "yes" : "no");
  if (!view.crls.empty()) add_crls(fields, view, at_urls);
  std::string why;
  for (const auto& one : view.obstacles) why += (why.empty() ? "" : "\n") + safe(one);
  if (!why.empty()) fields.add("Because", why);
  return fields.text();
}

std::string crl_check_text(const service::CrlCheck& check) {
  std::string text;
  for (const auto& one : check.crls) {
    const std::string& shard = one.crl.place.shard;
    const std::string name = safe(check.authority.name) + (shard.empty() ? "" : ", shard " + shard);
    text += one.fault.empty() ? fmt::format("{}: CRL {} is valid until {}\n", name, one.crl.last->number,
                                            rfc3339(one.crl.last->next_update))
                              : fmt::format("{}: {}\n", name, safe(one.fault));
    if (one.at_url) text += fmt::format("{}: {}\n", name, safe(one.at_url->sentence));
    if (!one.notice.empty()) text += fmt::format("{}: {}\n", name, safe(one.notice));
  }
  if (const auto& obstacle = check.authority.view.obstacle) {
    text += fmt::format("{}: no other CRL is signed: {}\n", safe(check.authority.name), safe(obstacle->message()));
  }
  return text;
}

std::string takeover_question(std::string_view what, const service::PlannedTakeover& planned) {
  const auto& takeover = planned.takeover;
  const auto certificate = certificate_of(planned.authority);
  return fmt::format("{} {} with {} certificates, {} of them revoked, and {}", what,
                     certificate ? safe(certificate->subject().to_string()) : safe(planned.authority.name),
                     takeover.certificates.size(), takeover.revoked.size(),
                     takeover.crl ? fmt::format("CRL number {}", takeover.crl->number) : "no CRL");
}

std::string takeover_text(const service::PlannedTakeover& planned, const service::DoneTakeover& done) {
  const auto& takeover = planned.takeover;
  const auto& taken = done.taken;
  commandline::Fields fields;
  fields.add("CA", safe(planned.authority.name));
  fields.add("Issued",
             fmt::format("{} certificates, {} of them new here", takeover.certificates.size(), taken.certificates));
  fields.add("Revoked", fmt::format("{}, {} of them new here", takeover.revoked.size(), taken.revoked));
  if (takeover.crl) {
    fields.add("Last CRL", fmt::format("number {} of {}", takeover.crl->number, rfc3339(takeover.crl->this_update)));
  }
  if (planned.inventory.of_other_issuers > 0) {
    fields.add("Left out", fmt::format("{} certificates of other issuers", planned.inventory.of_other_issuers));
  }
  if (planned.left_out > 0) fields.add("Not read", fmt::format("{} files without a certificate", planned.left_out));
  std::string text = fields.text();
  if (done.published) text += made_crls_text(planned.authority.name, *done.published);
  if (takeover.crl_numbers_to_skip > 0) {
    text += fmt::format("{} numbers of CRLs are left out: the lost store may have asked for CRLs with them\n",
                        takeover.crl_numbers_to_skip);
  }
  if (!planned.authority.view.key_provider.empty()) {
    text += fmt::format("its next CRL is a request there: hsmbridge ca crl {}\n", safe(planned.authority.name));
  }
  return text;
}

std::string made_crls_text(const std::string& name, const service::PublishedCrls& published) {
  std::string text;
  for (const auto& [made, at_url, is_signed, is_put] : published.made) {
    if (!is_signed) {
      text += fmt::format("CRL {} of {}{} was published before, and nothing was signed\n", made.crl.number, safe(name),
                          made.place.shard.empty() ? "" : ", shard " + made.place.shard);
      if (is_put) text += fmt::format("  it is at {} now\n", safe(made.place.put));
      continue;
    }
    const bool of_authorities = made.place.scope == workflow::CrlPlace::Scope::authorities;
    text += fmt::format("CRL {} of {}{}{} with {} revoked, valid until {}: {}\n", made.crl.number, safe(name),
                        made.place.shard.empty() ? "" : ", shard " + made.place.shard,
                        of_authorities ? ", about CAs alone," : "", made.entries, rfc3339(made.crl.next_update),
                        safe(made.place.file.string()));
    if (made.after_future) {
      text += fmt::format("  the one before is of {}: whoever has fetched that keeps it until he fetches again\n",
                          rfc3339(*made.after_future));
    }
    if (is_put) text += fmt::format("  it is at {}\n", safe(made.place.put));
    if (at_url) text += fmt::format("  {}\n", safe(at_url->sentence));
  }
  for (const auto& crl : published.not_due) {
    text += fmt::format("{} of {} is not due: {}\n", name_of_crl(crl.place), safe(name), standing_text(crl));
  }
  return text;
}

}  // namespace hsmbridge::cli
