#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "ca/lint.h"

#include <string>
#include <string_view>
#include <vector>

// zlint (https://github.com/zmap/zlint) as a second linter beside the one that is built in.
namespace hsmbridge::ca {

// What zlint is asked. An empty list says nothing.
struct ZlintSettings {
  std::string program = "zlint";
  std::vector<std::string> sources;  // -includeSources: "RFC5280", "CABF_BR"
  std::vector<std::string> exclude;  // -excludeNames: lints by name
};

// zlint reads certificates: what shall be signed, with a signature that is none. The bytes to be signed in it are these
// very bytes (TLS Baseline Requirements 4.3.1.2 name a static signature for this).
Bytes twin_of(ByteView to_be_signed);
// The same of a CRL.
Bytes crl_twin_of(ByteView to_be_signed);

// "3.6.2". Throws unavailable where it cannot be run or says something else.
std::string zlint_version(const ZlintSettings& settings, Duration limit);
// What it finds in a certificate that shall be signed: a rule is "zlint/e_sub_cert_aia_missing", "notice" and "info" are
// left out. Throws unavailable for everything that is no clear verdict: it could not be run, did not end within
// `limit`, exited with another status than 0 (a certificate that it cannot read), or gave a word that is not known.
std::vector<LintFinding> zlint(const ZlintSettings& settings, ByteView to_be_signed, Duration limit);
// The same of a CRL that shall be signed. zlint 3.5 is the first that reads any; an older one gives no verdict.
std::vector<LintFinding> zlint_crl(const ZlintSettings& settings, ByteView to_be_signed, Duration limit);
// The verdict in what it wrote; for tests of what it might write. Throws unavailable as above.
std::vector<LintFinding> zlint_verdict(std::string_view output);

}  // namespace hsmbridge::ca
