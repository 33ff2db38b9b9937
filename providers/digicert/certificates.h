#pragma once

#include "base/bytes.h"
#include "providers/digicert/wire/wire.h"
#include "x509/objects/certificate.h"
#include "x509/objects/signature_budget.h"

#include <string>
#include <string_view>
#include <vector>

// Certificates in the forms in which this service hands them out.
namespace hsmbridge::digicert {

// Every certificate in a text: PEM blocks, a PKCS#7 bundle in PEM, or the base64 of a certificate or of a bundle (the
// OpenAPI shows that without lines). DER. Throws corrupt when it is none of these.
std::vector<Bytes> certificates_in(std::string_view text);

// All certificates of an answer in the order of arrival: `certificate`, then `ca_certs`.
std::vector<Bytes> certificates_of(const CertificateAnswer& answer);
// Those of CAs; a text that cannot be read is left out and named in the log.
std::vector<Bytes> issuers_in(const std::vector<std::string>& texts);

// The leaf among them: the one with that public key and serial number, else with that key, else with that number, else
// the first. A bundle is
// a set and says nothing by its order.
std::size_t leaf_among(const std::vector<x509::Certificate>& certificates, ByteView spki, std::string_view serial);

struct SortedChain {
  // The path from the leaf upwards, each link checked by its signature as far as the budget goes; what does not belong
  // to the path follows it, so that nothing that was given is lost. No duplicates, and not the leaf.
  std::vector<Bytes> certificates;
  bool reaches_a_root = false;  // the path ends in a self-signed certificate
};
SortedChain chain_from(const x509::Certificate& leaf, const std::vector<x509::Certificate>& pool,
                       x509::SignatureBudget& signatures);

}  // namespace hsmbridge::digicert
