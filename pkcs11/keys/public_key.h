#pragma once

#include "base/bytes.h"
#include "pkcs11/cryptoki/cryptoki.h"
#include "x509/objects/algorithm.h"

#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

// What CKA_EC_PARAMS of a curve may hold in a generation template. The first is the OID (PKCS#11 v2.40 mechanisms
// §2.3.3, RFC 5480 §2.1.1, RFC 8410 §3); a key without parameters in its SPKI has its own, and v3.0 §2.3.7 allows, and
// some tokens want, the name of its curve as a PrintableString.
std::vector<Bytes> ec_params(const x509::KeySpec& spec);

// The reverse: OID and PrintableString are both read. Nothing for a curve without a row.
std::optional<x509::KeySpec> curve_of(ByteView params);

// The point without an OCTET STRING around it; tokens give it either way (v2.40 §2.3.3 wants it wrapped, v3.0 wants
// Ed25519 raw). Empty when it is no point of that curve.
Bytes bare_point(const x509::KeySpec& curve, ByteView point);

// The SPKI of an X.509 certificate, or nothing when it cannot be read.
std::optional<Bytes> spki_of_certificate(ByteView der);
// Its subject as text, "" where there is none or it cannot be read.
std::string subject_of_certificate(ByteView der);
// Whether these bytes are a certificate of that key.
bool certifies(ByteView der, ByteView spki);

}  // namespace hsmbridge::pkcs11
