#pragma once

#include "x509/content/content.h"

#include <string>
#include <vector>

namespace hsmbridge::x509 {

// What is odd about content that may be asked for all the same, one sentence each: a server name that stands only in
// the common name (which clients no longer read, RFC 9525 §2, and a CA may refuse), a common name that is none of the
// alternative names, or one that differs from them in letter case or script (CA/B Forum BR 7.1.4.3 wants the very
// characters, and CAs lower it).
std::vector<std::string> advice(const Content& content);

}  // namespace hsmbridge::x509
