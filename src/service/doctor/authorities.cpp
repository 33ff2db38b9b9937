#include "base/error.h"
#include "service/doctor/doctor.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem_file.h"

#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <system_error>

// The CAs of this bridge: whether they may sign, and whether their CRLs are valid.
namespace hsmbridge::service {

namespace {

void examine_crl(workflow::Store& store, const std::string& issuer, const config::ProviderSettings& provider,
                 Instant now, Check& check) {
  const auto last = store.last_crl(issuer);
  if (last && last->next_update > now) {
    check.what = fmt::format("number {}, valid until {}", last->number, rfc3339(last->next_update));
    return;
  }
  check.health = Health::fault;
  check.what = last ? fmt::format("OVERDUE: number {} ended {}", last->number, rfc3339(last->next_update))
                    : "none was published yet";
  check.hint = fmt::format("hsmbridge ca crl {}", provider.name);
}

}  // namespace

std::vector<Check> examine_authorities(const Bridge& bridge, const ExaminedStore& store) {
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
    std::string issuer;
    examine(checks, name + ": certificate", [&](Check& check) {
      const auto certificate = x509::parse_certificate(x509::certificate_in_file(file, x509::Given::to_be_believed));
      issuer = hex(sha256(certificate.subject().der()));
      check.what =
          fmt::format("{}, until {}", certificate.subject().to_string(), rfc3339(certificate.tbs.validity.not_after));
      if (provider.key_at) {
        check.what += fmt::format("; its key {} is at provider {}", provider.key_at->key, provider.key_at->provider);
      }
      if (const auto why = opened->suspended(issuer)) {
        check.health = Health::fault;
        check.what += "; it signs nothing: " + *why;
        check.hint = fmt::format("hsmbridge ca resume {}", provider.name);
      }
    });
    if (issuer.empty() || section.shape("crl") != config::Section::Shape::mapping) continue;
    examine(checks, name + ": CRL",
            [&](Check& check) { examine_crl(*opened, issuer, provider, bridge.clock().now(), check); });
  }
  return checks;
}

}  // namespace hsmbridge::service
