#pragma once

#include "base/bytes.h"

#include <string>
#include <string_view>
#include <vector>

// RFC 7468 text, read as the world writes it: text before, between and after the blocks, any line length (Securosys
// writes one line of a thousand characters), CRLF, blanks at line ends. Strict where it matters: BEGIN and END agree,
// the base64 is whole, and one block holds one DER element.
namespace hsmbridge::x509 {

struct PemBlock {
  std::string label;  // "CERTIFICATE"
  Bytes der;
};

// All blocks in order. Throws invalid_input when there is none or one is broken. A block whose label ends in
// "PRIVATE KEY" is refused before it is decoded: this program has no business with it.
std::vector<PemBlock> read_pem(std::string_view text);
// 64 columns, a newline at the end.
std::string write_pem(std::string_view label, ByteView der);

// What a file holds, PEM or DER. All throw invalid_input saying what was found instead.
std::vector<Bytes> read_certificates(ByteView file);  // one or more CERTIFICATE blocks, or one DER certificate
Bytes read_certificate(ByteView file);                // exactly one
Bytes read_csr(ByteView file);                        // CERTIFICATE REQUEST or NEW CERTIFICATE REQUEST
Bytes read_public_key(ByteView file);                 // PUBLIC KEY
// The SubjectPublicKeyInfo of a PUBLIC KEY or of a certificate: how people are named in configurations.
Bytes read_key_of_person(ByteView file);

std::string certificate_to_pem(ByteView der);
std::string csr_to_pem(ByteView der);

}  // namespace hsmbridge::x509
