#include "tools/hsmbridge/request_certificate.h"

#include "base/error.h"
#include "config/settings.h"
#include "tools/hsmbridge/wiring.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

namespace hsmbridge::cli {

std::optional<workflow::CertificateRecord> stored_certificate(Invocation& invocation, const std::string& name) {
  constexpr std::size_t kLeast = 8;
  if (name.size() < kLeast || name.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  if (!config::find_file(invocation.config)) return std::nullopt;
  const auto wiring = Wiring::open(invocation.config);
  if (!wiring->settings().store.path) return std::nullopt;
  std::vector<workflow::CertificateRecord> found;
  for (auto& record : wiring->store()->certificates()) {
    if (record.fingerprint.starts_with(name)) found.push_back(std::move(record));
  }
  if (found.size() == 1) return std::move(found.front());
  if (found.empty()) {
    throw Error{ErrorKind::not_found,
                fmt::format("there is no file {} and no stored certificate of that SHA-256", name)};
  }
  Error error{ErrorKind::ambiguous, fmt::format("{} stored certificates begin with {}", found.size(), name)};
  for (const auto& record : found) error.with("candidate", record.fingerprint + " " + record.subject);
  throw error.hint("type more of the SHA-256");
}

}  // namespace hsmbridge::cli
