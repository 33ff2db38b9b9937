#include "tools/hsmbridge/usecase/request_certificate.h"

#include "base/error.h"
#include "config/settings.h"
#include "service/certificates/certificates.h"
#include "tools/hsmbridge/wiring/wiring.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

namespace hsmbridge::cli {

std::optional<workflow::CertificateRecord> stored_certificate(Invocation& invocation, const std::string& name) {
  constexpr std::size_t kLeast = 4;
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == ':'; };
  if (name.size() < kLeast || !std::all_of(name.begin(), name.end(), fits)) return std::nullopt;
  if (!config::find_file(invocation.config)) return std::nullopt;
  const auto wiring = Wiring::open(invocation.config);
  if (!wiring->settings().store.path) return std::nullopt;
  try {
    return service::find_certificate(*wiring->stores().open_to_look(), name);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    throw Error{ErrorKind::not_found, fmt::format("there is no file {}, and {}", name, error.message())}.hint(
        error.hint());
  }
}

}  // namespace hsmbridge::cli
