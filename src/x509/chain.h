#pragma once

#include "base/clock.h"
#include "x509/certificate.h"

#include <string>
#include <vector>

namespace hsmbridge::x509 {

// A path from a certificate to a trust anchor, or why there is none.
struct ChainResult {
  bool anchored = false;
  std::vector<Certificate> chain;  // leaf first, the anchor last; only when anchored
  std::string why;                 // when not anchored, with the subject of the certificate at which it ended
};

// Path validation of RFC 5280 §6 by OpenSSL (signatures, dates at `at`, basic constraints, path length, name
// constraints), from `leaf` through any of `intermediates` (any order, unneeded ones allowed) to one of `anchors`. An
// anchor need not be self-signed. Purpose and host name are not judged here. No anchors: not anchored.
ChainResult build_chain(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                        const std::vector<Certificate>& anchors, Instant at);

}  // namespace hsmbridge::x509
