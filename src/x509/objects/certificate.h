#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "x509/content/content.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/signed_object.h"
#include "x509/objects/spki.h"

#include <cstdint>
#include <optional>
#include <vector>

// Certificates (RFC 5280 §4.1).
namespace hsmbridge::x509 {

// Both ends belong to it. Whole seconds are carried.
struct Validity {
  Instant not_before;
  Instant not_after;
  bool operator==(const Validity&) const = default;
};

struct TbsCertificate {
  Bytes der;
  unsigned version = 3;  // 1, 2 or 3
  Bytes serial;          // INTEGER content octets: big-endian two's complement
  Bytes signature_algorithm;
  Name issuer;
  Validity validity;
  Bytes spki;
  Content content;                                // subject and extensions
  std::optional<Bytes> authority_key_identifier;  // the keyIdentifier
  std::vector<Extension> extensions;              // all of them as they stand, in order
  bool has_unique_identifiers = false;            // the version 2 fields that nobody uses; their bytes are in `der`
};

struct Certificate {
  Bytes der;
  SignedObject parts;
  TbsCertificate tbs;

  const Name& subject() const noexcept { return tbs.content.subject; }
  const Name& issuer() const noexcept { return tbs.issuer; }
  const Bytes& serial() const noexcept { return tbs.serial; }
  const Bytes& spki() const noexcept { return tbs.spki; }
  const Content& content() const noexcept { return tbs.content; }
};

// Throws invalid_input, also when the outer and the inner algorithm differ (RFC 5280 §4.1.1.2).
Certificate parse_certificate(ByteView der);
// The bare to-be-signed part. All bytes must belong to it. Throws invalid_input.
TbsCertificate parse_tbs_certificate(ByteView der);
// True when the issuer's key made the signature. False also where that cannot be checked (check_signature tells).
bool signature_verifies(const Certificate& certificate, ByteView issuer_spki);

// Everything a TBSCertificate says.
struct CertificateFields {
  Bytes serial;  // INTEGER content octets, see random_serial
  Name issuer;   // from the issuer's certificate: copied as DER
  Validity validity;
  Bytes spki;
  Content content;                                // subject_key_identifier and challenge_password in it are ignored
  std::optional<Bytes> authority_key_identifier;  // exactly the issuer's SKI; nothing when the issuer has none
  const SignatureAlgorithm* algorithm = nullptr;
  KeyIdentifierMethod key_identifier = KeyIdentifierMethod::sha1;  // of the subject's key
  // Instead of one by that method: of a CA that has one already, by which those below it find it.
  std::optional<Bytes> subject_key_identifier = std::nullopt;
};
// Issuer name and key identifier taken from the issuing certificate, the rest empty.
CertificateFields fields_for_issuer(const Certificate& issuer);

// DER TBSCertificate, version 3, with a subject key identifier. Throws invalid_input (content that
// contradicts itself, not_after before not_before, a serial that is not positive or longer than 20 octets).
Bytes build_tbs_certificate(const CertificateFields& fields);
// Reads it back and compares every field. Throws corrupt naming the first that differs.
void prove_tbs_certificate(ByteView tbs, const CertificateFields& fields);
// The certificate assembled from frozen bytes and a signature that came back, possibly days later: the signature must
// verify with the issuer's key. Returns DER. Throws corrupt.
Bytes assemble_certificate(ByteView tbs, const SignatureAlgorithm& algorithm, ByteView signature, ByteView issuer_spki);

// A serial of 158 random bits as INTEGER content octets: positive and 20 octets (RFC 5280 §4.1.2.2), the first one 0x40
// to 0x7f, so that none is shorter than another.
Bytes random_serial();
// Lower-case hex without leading zero octet, "00" for zero, with "-" in front when negative.
std::string serial_text(ByteView serial);
enum class SerialSign { negative, zero, positive };
SerialSign serial_sign(ByteView serial);

// What an existing certificate or request says, to ask for the same again (`--like`): without the identifiers and
// extensions that only an issuer can give (SKI, AKI, CRL distribution points, AIA, SCTs, CRL number, freshest CRL).
Content content_like(const Content& existing);
// Whether an extension is one of those (AKI, CRL distribution points, AIA, SCTs, …).
bool only_issuer_gives(const Oid& oid);

}  // namespace hsmbridge::x509
