#include "tools/hsmbridge/text/revocation.h"

#include "base/clock.h"
#include "tools/commandline/output.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

std::string octets_text(std::size_t octets) {
  constexpr std::size_t kKibi = 1024;
  if (octets < kKibi) return fmt::format("{} bytes", octets);
  if (octets < kKibi * kKibi) return fmt::format("{} KiB", octets / kKibi);
  return fmt::format("{:.1f} MiB", static_cast<double>(octets) / static_cast<double>(kKibi * kKibi));
}

}  // namespace

std::string plan_text(const service::MassRevocation& planned) {
  using commandline::safe;
  std::string text = fmt::format("{} to revoke, {} under way already, {} revoked already, {} that cannot be\n",
                                 planned.to_revoke, planned.under_way, planned.revoked, planned.faults);
  for (const auto& row : planned.rows) {
    if (row.fault) text += fmt::format("  line {}: {}\n", row.line, safe(row.fault->message()));
    for (const auto& other : row.same_key) {
      text += fmt::format("  line {}: certificate {} is for the same key, and the file does not name it\n", row.line,
                          other.substr(0, 12));
    }
  }
  for (const auto& at : planned.providers) {
    text += fmt::format("at {}: {}", safe(at.name), at.certificates);
    if (at.at_least) text += fmt::format(", in {} or more (calls_per_minute)", spoken(*at.at_least));
    if (at.crl) {
      text += fmt::format("; its next CRL has {} entries, about {}", at.crl->entries, octets_text(at.crl->octets));
    }
    text += "\n";
  }
  text += "approvals: none are asked here for a revocation\n";
  if (planned.in_use != 0) {
    text += fmt::format("in use: {}, which nothing has replaced (hsmbridge cert renew, before they are revoked)\n",
                        planned.in_use);
  }
  return text + fmt::format("plan: {}\n", planned.plan);
}

}  // namespace hsmbridge::cli
