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

}  // namespace

std::string authorities_text(const std::vector<service::Authority>& all) {
  if (all.empty()) return "no provider is of type local-ca\n";
  commandline::Table table({"NAME", "UNTIL", "ISSUES", "NUMBERS TAKEN", "CRL UNTIL", "KEY", "SUBJECT"});
  for (const auto& one : all) {
    const auto certificate = certificate_of(one);
    table.row({one.name, certificate ? rfc3339(certificate->tbs.validity.not_after) : "-",
               one.view.obstacles.empty() ? "yes" : "no", std::to_string(one.view.serials_taken), crl_text(one.view),
               fmt::format("{}/{}", safe(one.view.token), safe(one.view.key)),
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
    fields.add("Key",
               fmt::format("{} {} in token {}", x509::key_text(certificate->spki()), safe(view.key), safe(view.token)));
    fields.add("SHA-256", hex(sha256(*view.certificate)));
  } else {
    fields.add("Key", fmt::format("{} in token {}", safe(view.key), safe(view.token)));
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
  }
  std::string why;
  for (const auto& one : view.obstacles) why += (why.empty() ? "" : "\n") + safe(one);
  if (!why.empty()) fields.add("Because", why);
  return fields.text();
}

}  // namespace hsmbridge::cli
