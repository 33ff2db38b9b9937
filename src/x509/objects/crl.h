#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

// Certificate revocation lists (RFC 5280 §5), read; and what kind of to-be-signed bytes somebody was handed.
namespace hsmbridge::x509 {

struct RevokedCertificate {
  Bytes serial;
  Instant revoked_at;
  std::optional<unsigned> reason;  // CRLReason
  std::vector<Extension> extensions;
};

// RFC 5280 §5.2.5.
struct IssuingDistributionPoint {
  std::vector<std::string> urls;
  bool names_place = false;  // by URLs or otherwise
  bool is_critical = false;
  bool only_authorities = false;  // onlyContainsCACerts
  bool has_limits = false;        // others: users' certificates or some reasons alone, or indirect
};

struct TbsCertList {
  Bytes der;
  unsigned version = 2;
  Bytes signature_algorithm;
  Name issuer;
  Instant this_update;
  std::optional<Instant> next_update;
  std::vector<RevokedCertificate> revoked;
  std::optional<Bytes> number;  // CRLNumber, INTEGER content octets
  std::optional<Bytes> authority_key_identifier;
  std::optional<IssuingDistributionPoint> issuing_distribution_point;
  std::vector<Extension> extensions;
};

// The bare to-be-signed part. All bytes must belong to it. Throws invalid_input.
TbsCertList parse_tbs_cert_list(ByteView der);

struct CertificateList {
  Bytes der;
  SignedObject parts;
  TbsCertList tbs;
};
CertificateList parse_crl(ByteView der);

// Bytes that a CA key is about to sign: one of the two, or neither. An approver looks at this before signing: bytes
// that are neither are never signed by mistake. A TBSCertificate must be version 3 here (as ours are); a TBSCertList
// version 2. `why` says in plain words why they are neither.
struct NotToBeSigned {
  std::string why;
};
using ToBeSigned = std::variant<NotToBeSigned, TbsCertificate, TbsCertList>;
ToBeSigned what_is_to_be_signed(ByteView bytes);

}  // namespace hsmbridge::x509
