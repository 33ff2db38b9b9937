#pragma once

#include "x509/objects/certificate.h"

#include <string>
#include <vector>

namespace hsmbridge::ca {

// The certificates above something that shall be issued.
struct Path {
  std::vector<x509::Certificate> authorities;  // the issuer first, the trust anchor last where one was reached
  std::string gap;                             // why no trust anchor was reached; "" when one was
};

// From the issuer up to one of `anchors`, through any of `others` (any order, unneeded ones allowed), by names (RFC
// 5280 §7.1) and signatures alone: dates, powers and constraints are for `objections` to judge, so that all of them can
// be told. Without anchors the path ends where the certificates end, and that is no gap.
Path path_above(const x509::Certificate& issuer, const std::vector<x509::Certificate>& others,
                const std::vector<x509::Certificate>& anchors);

}  // namespace hsmbridge::ca
