#pragma once

#include "x509/content/content.h"
#include "x509/judge/finding_collector.h"

namespace hsmbridge::x509 {

// What a certificate says about its subject against what was asked for: names, usages, constraints, extensions. Notes
// each difference with `judge`.
void check_content(FindingCollector& judge, const Content& asked, const Content& found);

}  // namespace hsmbridge::x509
