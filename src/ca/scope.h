#pragma once

#include "base/clock.h"
#include "x509/content/content.h"

#include <string>

// Whose certificates a CA's CRLs are about. Those of a CA that certifies CAs only may be about CAs alone
// (onlyContainsCACerts, RFC 5280 §5.2.5): whoever verifies another certificate does not look at them, so its revocation
// would be nowhere.
namespace hsmbridge::ca {

// Whose certificate it is.
enum class Holder { unknown, authority, end_entity };
inline Holder holder_of(const x509::Content& content) {
  return content.basic_constraints && content.basic_constraints->ca ? Holder::authority : Holder::end_entity;
}

// A certificate that is not a CA's, or of which nobody knows that.
struct OtherThanAuthority {
  std::string serial;
  std::string subject;  // "" of one that a request is about to bring
  Instant not_after{};
  std::string request = {};  // that is open, and asks for it
  bool is_known = true;      // false: it came from elsewhere, and nobody said whose it is
};

// Why no CRL of the CA `name` is about CAs alone, and what to do.
struct AgainstScope {
  std::string why;
  std::string hint;
};
AgainstScope against_scope(const OtherThanAuthority& other, const std::string& name);

}  // namespace hsmbridge::ca
