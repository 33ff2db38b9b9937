#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/software_key.h"

#include <filesystem>
#include <string>
#include <vector>

namespace hsmbridge::rig {

// The CA of the simulated DigiCert: a root and one issuing CA under it, kept in the folder so that a certificate stays
// good after a restart. Thread rule: const functions from any thread.
class DigicertCa {
 public:
  // Files: digicert-ca/{root,issuing}.pem and their keys (mode 0600); made when missing.
  explicit DigicertCa(const std::filesystem::path& dir);

  // `content` without issuer, which is ours.
  Bytes issue(CertificateContent content) const;
  // DER, the issuing CA first, the root last.
  const std::vector<Bytes>& chain() const { return chain_; }
  const std::filesystem::path& root_file() const { return root_file_; }

 private:
  std::filesystem::path root_file_;
  std::vector<SoftwareKey> issuing_key_;  // exactly one: a key has no empty state
  std::vector<Bytes> chain_;
};

// A certs-only PKCS#7 bundle (SignedData without a signer), DER.
Bytes pkcs7_bundle(const std::vector<Bytes>& certificates);
// The key's size in bits, and whether it is RSA, of a CSR.
struct CsrKey {
  enum class Type { rsa, ec, other } type = Type::other;
  int bits = 0;
};
CsrKey csr_key(ByteView csr);
CsrKey certificate_key(ByteView certificate);
// notBefore and notAfter.
Instant certificate_begin(ByteView certificate);
Instant certificate_end(ByteView certificate);

}  // namespace hsmbridge::rig
