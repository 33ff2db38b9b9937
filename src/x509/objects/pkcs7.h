#pragma once

#include "base/bytes.h"

#include <vector>

// Certificates in a PKCS#7 bundle: SignedData (RFC 2315 §9.1) that is looked at for nothing but its certificates. They
// are a SET, so their order says nothing.
namespace hsmbridge::x509 {

// A bundle of these certificates, without content and without signers, as DER. Throws invalid_input for bytes that are
// no certificate.
Bytes pkcs7_bundle(const std::vector<Bytes>& certificates);

// The certificates of a bundle that somebody else made: DER or BER as some services write it, or PEM with the label
// PKCS7 or CMS. Signatures in the bundle are not looked at: each certificate speaks for itself. Throws invalid_input
// when it is no such bundle or holds no certificate.
std::vector<Bytes> read_pkcs7_certificates(ByteView file);

// The certificates of a file that pkcs7_bundle may have made: a bundle without signers and nothing else, DER or PEM
// with the label PKCS7. Empty for any other file.
std::vector<Bytes> certificates_of_bundle(ByteView file);

// Of a file that a person brought: PEM, one certificate in DER, or such a bundle. Throws invalid_input for any other.
std::vector<Bytes> certificates_in_any_form(ByteView file);

}  // namespace hsmbridge::x509
