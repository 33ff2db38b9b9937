#pragma once

#include "base/bytes.h"
#include "pkcs11/keys/keys.h"

#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

class Token;

struct TokenCertificate {
  Bytes der;
  Bytes id;  // CKA_ID
  std::string label;
  std::string uri;
};

// Every X.509 certificate object of the token; or those that stand beside one key (same CKA_ID) and certify it.
std::vector<TokenCertificate> list_certificates(Token& token);
std::vector<TokenCertificate> certificates_of(Token& token, const KeyInfo& key);

struct CertificatePlacement {
  enum class Outcome { written, already_there } outcome = Outcome::written;
  unsigned removed = 0;  // of those that it replaces
};

// Puts the certificate beside its key: same CKA_ID and label, read back and compared as DER, and only then those of
// `replaces` (DER) that stand beside the key are removed. Every other one is left, of this key too: a CA key has its
// root and a cross-certificate beside it. May be repeated.
// CKA_TRUSTED is never set. Throws invalid_input when it certifies another key, refused when the token takes no
// certificates (declared, or as it answered), corrupt when what is read back differs (it is removed again; what
// it replaces stays).
CertificatePlacement put_certificate(Token& token, const KeyInfo& key, ByteView certificate_der,
                                     const std::vector<Bytes>& replaces);
// The same for the key with this id and public key. Throws what find_pinned and locate_private_half throw too.
CertificatePlacement put_certificate(Token& token, const KeySelector& selector, const SpkiHash& spki,
                                     ByteView certificate_der, const std::vector<Bytes>& replaces);

}  // namespace hsmbridge::pkcs11
