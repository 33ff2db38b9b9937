#include "ca/scope.h"

#include <fmt/core.h>

namespace hsmbridge::ca {

AgainstScope against_scope(const OtherThanAuthority& other, const std::string& name) {
  constexpr const char* kNoCrl = "a CRL about CAs alone (scope: ca) would say nothing of it";
  if (!other.request.empty()) {
    return {fmt::format("request {} is open and asks the CA {} for a certificate that is not a CA's: {}", other.request,
                        name, kNoCrl),
            "cancel that request, or set `scope` back to all: no number was taken"};
  }
  const std::string certificate = fmt::format("serial number {}, until {}", other.serial, rfc3339(other.not_after));
  if (other.is_known) {
    return {
        fmt::format("the CA {} has certified {}, which is not a CA ({}): {}", name, other.subject, certificate, kNoCrl),
        "set `scope` back to all, until a CRL was published after that time: no number was taken"};
  }
  return {fmt::format("the CA {} has certified {} elsewhere ({}), and nobody has said whether that is a CA: {}, else",
                      name, other.subject, certificate, kNoCrl),
          fmt::format("type ca adopt (or ca resume) {} again and give the certificates themselves (--certificates), or "
                      "set `scope` back to all: no number was taken",
                      name)};
}

}  // namespace hsmbridge::ca
