#pragma once

#include "x509/content/content.h"
#include "x509/judge/finding_collector.h"

namespace hsmbridge::x509 {

// What a certificate says about its subject against what was asked for: names, usages, constraints, extensions. Notes
// each difference with `judge`.
void check_content(FindingCollector& judge, const Content& asked, const Content& found);

// Whether an extended key usage only lets the holder of a key prove the names in its certificate (TLS, mail, IPsec).
// Every other one is a power of its own.
bool only_uses_names(const Oid& extended_key_usage);

}  // namespace hsmbridge::x509
