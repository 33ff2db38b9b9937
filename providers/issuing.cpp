#include "providers/issuing.h"

#include "base/error.h"
#include "x509/judge/chain.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

namespace hsmbridge::providers {

std::string lines(std::string title, const std::vector<std::string>& reasons) {
  for (const std::string& reason : reasons) title += "\n  - " + reason;
  return title;
}

void expect_fit(const std::string& provider, const std::vector<ca::Unfitness>& found, const std::string& remedy) {
  if (found.empty()) return;
  std::vector<std::string> words;
  std::optional<Instant> until = found.front().until;
  for (const ca::Unfitness& one : found) {
    words.push_back(one.why);
    until = until && one.until ? std::optional(std::max(*until, *one.until)) : std::nullopt;
  }
  Error error(ErrorKind::unavailable, lines(fmt::format("provider {} cannot issue now:", provider), words));
  if (until) {
    throw error.with("until", rfc3339(*until)).hint("look at the date of this machine; the request waits until then");
  }
  throw error.hint(remedy);
}

std::vector<std::string> distrust(const x509::Certificate& issuer, const std::vector<x509::Certificate>& chain,
                                  const std::vector<x509::Certificate>& anchors, const std::string& request_profile,
                                  Instant now) {
  if (anchors.empty()) {
    return {fmt::format("profile {} names no anchors: no certificate could be trusted", request_profile)};
  }
  const auto chained = x509::build_chain(issuer, chain, anchors, now);
  if (chained.anchored) return {};
  return {"the issuer's certificate does not verify: " + chained.why};
}

}  // namespace hsmbridge::providers
