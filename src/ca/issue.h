#pragma once

#include "ca/lint.h"
#include "ca/path.h"
#include "ca/profile.h"
#include "x509/content/requested_content.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/certificate.h"
#include "x509/objects/signer.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The issuing core: what a certificate will say is frozen as bytes, checked, signed by somebody (now or days later) and
// put together. The same for every signer: a key at a vendor and a key in a token differ only in who signs.
//
//   issuing_algorithm   which algorithm the issuer's key signs with
//   draft_to_be_signed  CSR, requested content and issuer become a TBSCertificate: serial, dates and extensions fixed
//   root_to_be_signed   the same of a CA that is its own issuer
//   check_to_be_signed  whether that draft may still be signed, right before people are asked and before it is sent
//   outlived            the part of it that is about time alone
//   sign                what was linted is signed by a key of ours
//   assemble            the signature that came back becomes a certificate, verified with the issuer's key
//
// Not checked here: whether the CAs above are fit to issue (ca::unfitness), and who approved. Pure but for a random
// serial where none is given, and the signature.
namespace hsmbridge::ca {

// The row of x509's table that signs with the issuer's key: the one of that name, or the key's usual one where the name
// is empty. Throws invalid_input.
const x509::SignatureAlgorithm& issuing_algorithm(std::string_view name, const x509::Certificate& issuer);

// How an issuer issues.
struct Terms {
  const x509::SignatureAlgorithm& algorithm;
  Duration validity;    // where the request names none
  Duration backdate{};  // notBefore lies this long before the draft
};

// DER TBSCertificate: subject and extensions as the CSR asks, issuer name and key identifier as the issuer's certificate
// has them, a random serial, validity from `now`. Read back and compared before it is returned. Its notBefore is never
// before the issuer's, and it always has an authority key identifier. Whether its own key signed the CSR is for the
// check. Throws refused (the CSR is not what is requested; nothing is compared where nothing is), invalid_input,
// corrupt.
Bytes draft_to_be_signed(const Terms& terms, const x509::Certificate& issuer,
                         const std::optional<x509::RequestedContent>& requested, ByteView csr, Instant now);

// How a CA of ours issues: by a profile, with a serial number that was taken before.
struct ProfileTerms {
  const x509::SignatureAlgorithm& algorithm;
  const Profile& profile;
  const Bytes& serial;
  const x509::Certificate* cross_signed = nullptr;  // the certificate that the CA has already (cross.h)
};
// The same under them, with what was requested: of the CSR only the key counts, whoever made it. What the profile does
// not permit is refused, every objection at once.
Bytes draft_to_be_signed(const ProfileTerms& terms, const x509::Certificate& issuer,
                         const x509::RequestedContent& requested, ByteView csr, Instant now);

// What a root says of itself.
struct Root {
  x509::Name subject;
  Duration validity{};
  std::optional<std::uint64_t> path_length;
  x509::KeyIdentifierMethod key_identifier = x509::KeyIdentifierMethod::sha256;
};
// DER TBSCertificate of a root with that key: a CA that signs certificates and CRLs. Read back and compared. Throws
// invalid_input, corrupt.
Bytes root_to_be_signed(const Root& root, const x509::SignatureAlgorithm& algorithm, ByteView spki, const Bytes& serial,
                        Instant now);

// Why a draft that was built at `built_at` has waited too long for its own dates; "" where it has not.
std::string outlived(const x509::Validity& validity, Instant built_at, Instant now);

// A TBSCertificate and what it was made from.
struct Draft {
  ByteView to_be_signed;
  ByteView csr;
  std::string_view algorithm;
  Instant built_at;
  // There is no key yet where somebody asks what would be said to a request: its CSR is then not signed.
  enum class Csr { is_signed, has_no_key_yet } csr_state = Csr::is_signed;
  // What it was built by, as it is now, and what was requested; null where it says what its CSR says.
  const Profile* profile = nullptr;
  const x509::Content* requested = nullptr;
  const x509::Certificate* cross_signed = nullptr;  // as in ProfileTerms
  // CAs beside those above of which no other one may have the name.
  std::vector<x509::Certificate> others = {};
};

// Why a draft is not to be signed: `reasons` that only another request mends, and those that another draft does.
struct DraftFaults {
  std::vector<std::string> reasons;
  std::vector<std::string> outdated;
};
// `issuer` is what the signing key has now; `above` begins with the certificate that the draft was made for, and that
// its own will be verified with.
DraftFaults check_to_be_signed(const Draft& draft, const x509::Certificate& issuer, const Path& above, Instant now);

// The signature of what was linted, as X.509 carries it. Throws what Signer::sign throws.
Bytes sign(const LintedTbs& linted, x509::Signer& key, const x509::SignatureAlgorithm& algorithm);

// The certificate of a signature that came back. Throws corrupt where it does not verify with the issuer's key.
Bytes assemble(ByteView to_be_signed, std::string_view algorithm, ByteView issuer, ByteView signature);

}  // namespace hsmbridge::ca
