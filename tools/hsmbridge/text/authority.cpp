#include "tools/hsmbridge/text/authority.h"

#include "base/text.h"
#include "tools/commandline/output.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <optional>

namespace hsmbridge::cli {

namespace {

using commandline::safe;

std::optional<x509::Certificate> certificate_of(const service::Authority& authority) {
  if (!authority.view.certificate) return std::nullopt;
  return x509::parse_certificate(*authority.view.certificate);
}

std::string crl_text(const workflow::AuthorityView& view) {
  if (!view.crl_file) return "-";
  if (!view.crl) return "none yet";
  return view.crl_overdue ? "OVERDUE" : rfc3339(view.crl->next_update);
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

std::string authority_text(const service::Authority& authority) {
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
  if (view.crl_file) {
    fields.add("CRL", view.crl ? fmt::format("number {}, until {}{}", view.crl->number, rfc3339(view.crl->next_update),
                                             view.crl_overdue ? ", OVERDUE" : "")
                               : "none yet");
    fields.add("CRL file", safe(view.crl_file->string()));
    fields.add("CRL every", view.crl_every ? duration_text(*view.crl_every) : "by hand");
    if (!view.crl_due.empty()) fields.add("CRL due", safe(view.crl_due));
  }
  std::string why;
  for (const auto& one : view.obstacles) why += (why.empty() ? "" : "\n") + safe(one);
  if (!why.empty()) fields.add("Because", why);
  return fields.text();
}

std::string crl_check_text(const service::CrlCheck& check) {
  const auto& view = check.authority.view;
  if (!check.fault.empty()) return fmt::format("{}: {}\n", safe(check.authority.name), safe(check.fault));
  return fmt::format("{}: CRL {} is valid until {}\n", safe(check.authority.name), view.crl->number,
                     rfc3339(view.crl->next_update));
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
  if (done.made) text += made_crl_text(planned.authority.name, *done.made);
  if (!planned.authority.view.key_provider.empty()) {
    text += fmt::format("its next CRL is a request there: hsmbridge ca crl {}\n", safe(planned.authority.name));
  }
  return text;
}

std::string made_crl_text(const std::string& name, const workflow::MadeCrl& made) {
  return fmt::format("CRL {} of {} with {} revoked, valid until {}: {}\n", made.crl.number, safe(name), made.entries,
                     rfc3339(made.crl.next_update), safe(made.file.string()));
}

}  // namespace hsmbridge::cli
