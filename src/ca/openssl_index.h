#pragma once

#include "base/clock.h"
#include "base/strong.h"
#include "ca/scope.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::ca {

struct RevokedBefore {
  Instant at;
  unsigned reason = 0;  // CRLReason (RFC 5280 §5.3.1)

  bool operator==(const RevokedBefore&) const = default;
};

// One certificate that a CA has issued under another program.
struct IssuedBefore {
  std::string serial;  // as x509::serial_text gives it
  std::string subject;
  Instant not_after;
  std::optional<RevokedBefore> revoked;
  std::string place;  // where that is written: "index.txt, line 12"
  SpkiHash key = {};  // of the certificate, where that is there
  Holder holder = Holder::unknown;

  bool operator==(const IssuedBefore&) const = default;
};

// The database of `openssl ca` (index.txt, the file that `database` names in its configuration; openssl-ca(1) and
// apps/ca.c): six fields a line, with tabs between: V, R or E; the end; the revocation, its reason behind a comma; the
// serial number in hex; a file name; the subject. `name` begins every `place`. Strict: throws invalid_input naming the
// line for anything else, and for a file without a line.
std::vector<IssuedBefore> read_openssl_index(std::string_view text, std::string_view name);

}  // namespace hsmbridge::ca
