#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "tools/rig/pki/software_key.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Certificates and CSRs, made and read by OpenSSL alone and not by src/x509: the product is to read what somebody else
// wrote, and what it wrote is to be read by somebody else.
namespace hsmbridge::rig {

// A subject as keytool takes it: attribute type (short name such as "CN", or an OID) and value, most specific first
// ("CN" before "C"). The DER has the opposite order.
using DistinguishedName = std::vector<std::pair<std::string, std::string>>;

// Splits "CN=a, O=b" the way the TSB hands a name to keytool: values are not escaped, so a comma in a value ends it.
// Throws invalid_input when a part is not TYPE=value.
DistinguishedName parse_name(std::string_view text);

struct SubjectAlternativeName {
  std::string type;  // DNS, IP, URI, email and so on, as in x509v3_config(5)
  std::string value;
};

// What a certificate or a CSR says.
struct CertificateContent {
  DistinguishedName subject;
  Bytes subject_name;        // DER Name in place of `subject`; empty: none
  Bytes issuer;              // DER of the issuer's certificate; empty: self-issued
  Bytes subject_public_key;  // DER SubjectPublicKeyInfo
  Bytes serial;              // big-endian, without sign; empty is 0
  Instant not_before;
  Instant not_after;
  // As in x509v3_config(5): {"keyUsage", "critical,keyCertSign"}. They stand between the authority key identifier, which
  // a certificate with an issuer has, and the subject key identifier, which every one has.
  std::vector<std::pair<std::string, std::string>> extensions = {};
  std::vector<SubjectAlternativeName> alternative_names = {};
  Bytes copied_from_csr = {};  // DER CSR whose requested extensions are copied, unless they are there; empty: none
  enum class Copied { all, names_and_usages } copied = Copied::all;
};

// DER TBSCertificate. `issuer_key` decides the signature algorithm's parameters only; nothing signed with it is kept.
// Throws invalid_input when a value cannot be encoded.
Bytes certificate_to_be_signed(const CertificateContent& content, const SoftwareKey& issuer_key,
                               const SignatureScheme& scheme = {});
// DER CertificationRequestInfo with the extensions asked for; validity and issuer are not used.
Bytes csr_to_be_signed(const CertificateContent& content, const SoftwareKey& key, const SignatureScheme& scheme = {});
// SEQUENCE { to_be_signed, AlgorithmIdentifier, BIT STRING }: the algorithm is the one for `key` and `scheme`.
Bytes assemble(ByteView to_be_signed, const SoftwareKey& key, const SignatureScheme& scheme, ByteView signature);
// Both steps.
Bytes issue(const CertificateContent& content, const SoftwareKey& issuer_key, const SignatureScheme& scheme = {});

struct Csr {
  Bytes der;
  Bytes public_key;  // DER SubjectPublicKeyInfo
  Bytes subject;     // DER Name
  bool signature_is_good = false;
};
// PEM or bare base64, either "CERTIFICATE REQUEST" or "NEW CERTIFICATE REQUEST", lines of any length; nullopt when it
// is not a CSR.
std::optional<Csr> read_csr(std::string_view text);

// DER of the only certificate in `pem`. Throws invalid_input.
Bytes certificate_from_pem(std::string_view pem);
struct CertificateFacts {
  Bytes public_key;  // DER SubjectPublicKeyInfo
  Bytes serial;      // big-endian, without sign
  Instant begin;
  Instant end;
  Bytes subject;  // DER Name
  Bytes issuer;   // DER Name
};
// Throws invalid_input when the DER is not a certificate.
CertificateFacts read_certificate(ByteView certificate);
// What `certificate` says, for a key that nobody has, signed by the issuer again.
Bytes for_another_key(ByteView certificate, const SoftwareKey& issuer_key);

// A certs-only PKCS#7 bundle (SignedData without a signer), DER.
Bytes pkcs7_bundle(const std::vector<Bytes>& certificates);

enum class PemLayout {
  lines,        // 64 columns and a newline at the end
  single_line,  // armour, one line of base64, armour, no newline at the end: what the TSB returns
};
std::string to_pem(std::string_view label, ByteView der, PemLayout layout = PemLayout::lines);

}  // namespace hsmbridge::rig
