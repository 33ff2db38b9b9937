#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// RFC 7468 text, read as the world writes it: text before, between and after the blocks, any line length (Securosys
// writes one line of a thousand characters), CRLF and bare CR, line ends written as the two characters \n, blanks and
// byte order marks around lines, blocks glued together on one line. Strict where it matters: BEGIN and END agree, the
// base64 is whole, one block holds one DER element, and no block is skipped silently: a BEGIN behind other text on its
// line is refused, except in a comment ("#", ";", ">").
namespace hsmbridge::x509 {

struct PemBlock {
  std::string label;  // "CERTIFICATE"
  Bytes der;
  std::size_t line = 0;  // of its BEGIN
};

// All blocks in order. Throws invalid_input when there is none or one is broken, naming the line. A block whose label
// ends in "PRIVATE KEY" is refused before it is decoded: this program has no business with it.
std::vector<PemBlock> read_pem(std::string_view text);
// 64 columns, a newline at the end.
std::string write_pem(std::string_view label, ByteView der);

// What a file holds, PEM or DER. All throw invalid_input saying what was found instead.
std::vector<Bytes> read_certificates(ByteView file);  // one or more CERTIFICATE blocks, or one DER certificate
Bytes read_certificate(ByteView file);                // exactly one
Bytes read_csr(ByteView file);                        // CERTIFICATE REQUEST or NEW CERTIFICATE REQUEST
Bytes read_public_key(ByteView file);                 // PUBLIC KEY
Bytes read_crl(ByteView file);                        // X509 CRL
// The SubjectPublicKeyInfo of a PUBLIC KEY or of a certificate: how people are named in configurations.
Bytes read_key_of_person(ByteView file);

// A bundle of many, of which some may be unusable: those are left out, and each is named.
struct Bundle {
  std::vector<Bytes> certificates;   // each of them parse_certificate reads
  std::vector<std::string> skipped;  // "line 34: X509 CRL, which is not a certificate"
};
// Throws invalid_input when it holds no usable certificate, or a private key.
Bundle read_bundle(ByteView file);

std::string certificate_to_pem(ByteView der);
std::string csr_to_pem(ByteView der);

}  // namespace hsmbridge::x509
