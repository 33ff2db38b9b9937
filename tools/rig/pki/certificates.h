#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "tools/rig/pki/software_key.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::rig {

// A subject as keytool takes it: attribute type (short name such as "CN", or an OID) and value, most specific first
// ("CN" before "C"). The DER has the opposite order.
using DistinguishedName = std::vector<std::pair<std::string, std::string>>;

// Splits "CN=a, O=b" the way the TSB hands a name to keytool: values are not escaped, so a comma in a value ends it.
// Throws invalid_input when a part is no TYPE=value.
DistinguishedName parse_name(std::string_view text);

struct SubjectAlternativeName {
  std::string type;  // DNS, IP, URI, EMAIL
  std::string value;
};

// What a certificate or a CSR of the simulated TSB says. Extensions that are empty or false are left out.
struct CertificateContent {
  DistinguishedName subject;
  Bytes subject_name;        // DER Name in place of `subject`; empty: none
  Bytes issuer_name;         // DER of the issuer's Name; empty: self-issued
  Bytes subject_public_key;  // DER SubjectPublicKeyInfo
  Bytes serial;              // big-endian, without sign; empty is 0
  Instant not_before;
  Instant not_after;
  std::vector<std::string> key_usage;           // the TSB's words: KEY_CERT_SIGN
  std::vector<std::string> extended_key_usage;  // the TSB's words: SERVER_AUTH
  bool extended_key_usage_is_critical = true;
  enum class BasicConstraints { absent, ca, ca_critical } basic_constraints = BasicConstraints::absent;
  bool subject_key_identifier = true;
  Bytes authority_key_identifier;  // the issuer's key identifier; empty: no AKI
  std::vector<SubjectAlternativeName> alternative_names;
  Bytes copied_from_csr;  // DER CSR whose requested extensions are copied, unless they are there; empty: none
  enum class Copied { all, names_and_usages } copied = Copied::all;
};

// DER TBSCertificate. `issuer_key` decides the signature algorithm's parameters only; nothing signed with it is kept.
// Throws invalid_input when a value cannot be encoded.
Bytes certificate_to_be_signed(const CertificateContent& content, const SoftwareKey& issuer_key,
                               const SignatureScheme& scheme);
// DER CertificationRequestInfo with KU, EKU and SKI asked for as the TSB does; validity and issuer are not used.
Bytes csr_to_be_signed(const CertificateContent& content, const SoftwareKey& key, const SignatureScheme& scheme);
// SEQUENCE { to_be_signed, AlgorithmIdentifier, BIT STRING }: the algorithm is the one for `key` and `scheme`.
Bytes assemble(ByteView to_be_signed, const SoftwareKey& key, const SignatureScheme& scheme, ByteView signature);
// Both steps.
Bytes issue(const CertificateContent& content, const SoftwareKey& issuer_key, const SignatureScheme& scheme);

// PEM or bare base64, either "CERTIFICATE REQUEST" or "NEW CERTIFICATE REQUEST", lines of any length; nullopt when it
// is none.
std::optional<Bytes> read_csr(std::string_view text);
Bytes csr_public_key(ByteView csr);
Bytes csr_subject(ByteView csr);  // DER Name
bool csr_signature_is_good(ByteView csr);

// DER of the only certificate in `pem`. Throws invalid_input.
Bytes certificate_from_pem(std::string_view pem);
bool is_certificate(ByteView der);
Bytes certificate_public_key(ByteView certificate);
Bytes certificate_serial(ByteView certificate);  // big-endian, without sign
Instant certificate_begin(ByteView certificate);
Instant certificate_end(ByteView certificate);
Bytes certificate_subject(ByteView certificate);  // DER Name
Bytes certificate_issuer(ByteView certificate);   // DER Name
// Its subjectKeyIdentifier, or SHA-1 of the public key's bits when it has none.
Bytes certificate_key_identifier(ByteView certificate);
// What `certificate` says, for a key that nobody has, signed by the issuer again.
Bytes for_another_key(ByteView certificate, const SoftwareKey& issuer_key, const SignatureScheme& scheme);

// A certs-only PKCS#7 bundle (SignedData without a signer), DER.
Bytes pkcs7_bundle(const std::vector<Bytes>& certificates);

enum class PemLayout {
  lines,        // 64 columns and a newline at the end
  single_line,  // armour, one line of base64, armour, no newline at the end: what the TSB returns
};
std::string to_pem(std::string_view label, ByteView der, PemLayout layout);

}  // namespace hsmbridge::rig
