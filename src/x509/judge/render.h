#pragma once

#include "base/json.h"
#include "x509/objects/certificate.h"
#include "x509/objects/crl.h"
#include "x509/objects/csr.h"

#include <string>

// For people and for --json. What others wrote (names, URIs, notices) is escaped, so that it cannot drive a terminal.
// Nothing is left out: an extension without a field is shown by OID, criticality and hex.
namespace hsmbridge::x509 {

// Lines "Field: value", each ended by a newline.
std::string render(const Content& content);
std::string render(const Csr& csr);
std::string render(const Certificate& certificate);
std::string render(const TbsCertificate& tbs);
std::string render(const TbsCertList& list);

// The same as JSON objects: times RFC 3339; serial numbers, key identifiers and extension values lower-case hex.
Json to_json(const Content& content);
Json to_json(const Csr& csr);
Json to_json(const TbsCertificate& tbs);
Json to_json(const Certificate& certificate);
Json to_json(const TbsCertList& list);

}  // namespace hsmbridge::x509
