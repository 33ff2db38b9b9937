#include "service/authorities/authorities.h"

#include "base/error.h"
#include "base/file.h"
#include "ca/crl.h"
#include "ca/scope.h"
#include "service/authorities/crl_at_url.h"
#include "service/doctor/doctor.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

// The CAs of this bridge: whether they may sign, and whether their CRLs are valid.
namespace hsmbridge::service {

namespace {

// Of the CRL in its place; nothing where none can be read there.
std::optional<workflow::CrlPlace::Scope> scope_there(const workflow::CrlPlace& place) {
  using Scope = workflow::CrlPlace::Scope;
  try {
    const auto list = x509::parse_crl(read_file(place.file, ca::kLargestCrl)).tbs;
    return ca::is_only_of_authorities(list) ? Scope::authorities : Scope::all;
  } catch (const Error&) {
    return std::nullopt;
  }
}

void examine_crl(const workflow::PlacedCrl& crl, const std::optional<CrlAtUrl>& at_url, const std::string& provider,
                 Instant now, Check& check) {
  using Scope = workflow::CrlPlace::Scope;
  if (crl.overdue) {
    check.health = Health::fault;
    check.what = crl.last ? fmt::format("OVERDUE: number {} is valid from {} to {}", crl.last->number,
                                        rfc3339(crl.last->this_update), rfc3339(crl.last->next_update))
                          : "none was published yet";
    const bool is_of_future = crl.last && crl.last->this_update > now;
    check.hint = fmt::format("hsmbridge ca crl {}{}", provider,
                             is_of_future ? " --clock-was-ahead, where this machine's clock is right" : "");
    return;
  }
  check.what = fmt::format("number {}, valid until {}", crl.last->number, rfc3339(crl.last->next_update));
  const auto there = scope_there(crl.place);
  if (there == Scope::authorities) check.what += ", about CAs alone";
  if (there && *there != crl.place.scope) {
    check.health = Health::fault;
    check.what +=
        fmt::format("; the next one is to be about {}",
                    crl.place.scope == Scope::all ? "all certificates (scope: all)" : "CAs alone (scope: ca)");
    check.hint = fmt::format("hsmbridge ca crl {}", provider);
  }
  if (!crl.not_put.empty()) {
    check.health = Health::fault;
    check.what += "; " + crl.not_put;
    check.hint = fmt::format("hsmbridge ca crl {}", provider);
  }
  if (const std::string notice = nearly_full(crl.place); !notice.empty()) {
    if (check.health == Health::ok) check.health = Health::note;
    check.what += "; " + notice;
  }
  if (!at_url) return;
  check.what += "; " + at_url->sentence;
  if (at_url->gives == CrlAtUrl::Gives::the_same) return;
  check.health = Health::fault;
  check.hint = fmt::format("look again: hsmbridge ca crl {} --check", provider);
}

void examine_crls(Bridge& bridge, workflow::Store& store, const x509::Certificate& certificate,
                  const std::string& provider, std::vector<Check>& checks) {
  const auto made = bridge.provider(provider);
  const auto standing = dynamic_cast<workflow::CertificateAuthority&>(*made).crl_standing(store, store);
  const auto at_urls = look_at_urls(standing.crls, certificate);
  for (std::size_t i = 0; i < standing.crls.size(); ++i) {
    const auto& crl = standing.crls[i];
    const std::string subject =
        fmt::format("provider {}: CRL{}", provider, crl.place.shard.empty() ? "" : " of shard " + crl.place.shard);
    examine(checks, subject,
            [&](Check& check) { examine_crl(crl, at_urls[i], provider, bridge.clock().now(), check); });
  }
  if (!standing.obstacle) return;
  checks.push_back({fmt::format("provider {}: next CRL", provider), Health::fault, standing.obstacle->message(),
                    standing.obstacle->hint()});
}

}  // namespace

std::vector<Check> examine_authorities(Bridge& bridge, const ExaminedStore& store) {
  std::vector<Check> checks;
  std::unique_ptr<workflow::Store> opened;
  try {
    std::error_code unknown;
    const auto& path = bridge.settings().store.path;
    if (!path || std::filesystem::file_size(*path, unknown) == 0 || unknown) return checks;
    opened = store.open();
  } catch (const Error&) {
    return checks;  // examine_store says why
  }
  for (const auto& provider : bridge.settings().providers) {
    if (provider.type != workflow::kLocalAuthority) continue;
    config::Section section = provider.section;
    const std::filesystem::path file = section.file("certificate");
    std::error_code unknown;
    if (!std::filesystem::exists(file, unknown)) continue;  // it is not made yet
    const std::string name = fmt::format("provider {}", provider.name);
    std::optional<x509::Certificate> issuer;
    examine(checks, name + ": certificate", [&](Check& check) {
      const auto certificate = x509::parse_certificate(x509::certificate_in_file(file, x509::Given::to_be_believed));
      issuer = certificate;
      check.what =
          fmt::format("{}, until {}", certificate.subject().to_string(), rfc3339(certificate.tbs.validity.not_after));
      if (provider.key_at) {
        check.what += fmt::format("; its key {} is at provider {}", provider.key_at->key, provider.key_at->provider);
      }
      if (const auto why = opened->suspended(workflow::issuer_id(certificate.subject()))) {
        check.health = Health::fault;
        check.what += "; it signs nothing: " + *why;
        check.hint = fmt::format("hsmbridge ca resume {}", provider.name);
      }
    });
    if (!issuer || section.shape("crl") != config::Section::Shape::mapping) continue;
    try {
      examine_crls(bridge, *opened, *issuer, provider.name, checks);
    } catch (...) {
      const Error error = current_error();
      checks.push_back({name + ": CRL", Health::fault, error.message(), error.hint()});
    }
  }
  return checks;
}

}  // namespace hsmbridge::service
