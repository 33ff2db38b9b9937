#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "ca/lint.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/certificate.h"
#include "x509/objects/crl.h"
#include "x509/objects/signer.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Certificate revocation lists (RFC 5280 §5) of a CA of ours, complete or a shard.
//
//   crl_to_be_signed  numbers, times and entries become a TBSCertList, read back and compared
//   lint_crl          what is wrong with it, by the very bytes
//   signed_crl        linted, signed once and put together, verified with the issuer's key
//
// Not checked here: whether the number was taken before, and what is published already.
namespace hsmbridge::ca {

// TLS Baseline Requirements 7.2.1: 12 months, and the shortest of them have 365 days.
inline constexpr Duration kLongestAuthoritiesCrl = std::chrono::hours{24 * 365};
// What is read of a file, or an answer, that shall be a CRL: octets.
inline constexpr std::size_t kLargestCrl = std::size_t{256} << 20U;

struct CrlEntry {
  Bytes serial;  // INTEGER content octets
  Instant revoked_at;
  unsigned reason = 0;  // CRLReason; unspecified (0) is not written (RFC 5280 §5.3.1)

  bool operator==(const CrlEntry&) const = default;
};

struct CrlFields {
  std::uint64_t number = 0;
  Instant this_update;
  Instant next_update;
  std::vector<CrlEntry> entries;  // each serial number once
  // Of a shard: the URL that its certificates name, to the octet (RFC 5280 §5.2.5). "": the list is complete.
  std::string distribution_point = {};
  // It is about the certificates of CAs alone (onlyContainsCACerts): nobody looks for another one in it. Then it names no
  // URL, since a certificate that names another one, or none, would be on no CRL.
  bool only_authorities = false;
};

// DER TBSCertList, version 2: issuer name and key identifier as the issuer's certificate has them. Throws corrupt where
// what is read back is something else.
Bytes crl_to_be_signed(const CrlFields& fields, const x509::Certificate& issuer,
                       const x509::SignatureAlgorithm& algorithm);

// Every finding of the built-in rules about CRLs. Pure.
std::vector<LintFinding> lint_crl(ByteView to_be_signed, Instant now);

// The CertificateList (DER). Throws refused for what the linter objects to, corrupt for a signature that does not
// verify, and what Signer::sign throws.
Bytes signed_crl(ByteView to_be_signed, const x509::Certificate& issuer, x509::Signer& key,
                 const x509::SignatureAlgorithm& algorithm, Instant now);

// The same of a signature that somebody else made, perhaps days ago. Throws corrupt where it does not verify.
Bytes assembled_crl(ByteView to_be_signed, const x509::Certificate& issuer, const x509::SignatureAlgorithm& algorithm,
                    ByteView signature);

// Throws refused for an issuer whose key usage does not let it sign CRLs (RFC 5280 §4.2.1.3).
void expect_crl_signer(const x509::Certificate& issuer);

// Throws invalid_input for a list without a number, or with one that this program does not give.
std::uint64_t crl_number(const x509::TbsCertList& list);

// No last CRL of another program has it or a higher one: that leaves numbers for the CRLs after it, of which a store counts
// to 2^63.
inline constexpr std::int64_t kHighestCrlNumber = std::int64_t{1} << 62U;

// Whether a file (PEM or DER) is a CRL that this issuer has signed, whatever it says: with or without a number, of any
// scope. False for anything else.
bool is_crl_of(ByteView file, const x509::Certificate& issuer);

// What somebody published as the CRL of this issuer: its number. Throws invalid_input for what is none, of another
// issuer, without a number, or not signed by its key.
std::uint64_t crl_number_of(ByteView crl, const x509::Certificate& issuer);

// CrlFields::distribution_point and only_authorities of a CRL that is read.
std::string distribution_point_of(const x509::TbsCertList& list);
bool is_only_of_authorities(const x509::TbsCertList& list);

}  // namespace hsmbridge::ca
