#pragma once

#include "base/clock.h"
#include "config/settings.h"
#include "workflow/ports/store.h"
#include "x509/judge/check.h"
#include "x509/objects/certificate.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

// Certificates in files: what they say, and whether they are what they should be.
namespace hsmbridge::service {

// All of a PEM or DER file. Throws invalid_input naming it, and what reading it throws.
std::vector<x509::Certificate> certificates_in(const std::string& file);
// Whether a text may name a stored certificate: its SHA-256 or its beginning, or the id of its request.
bool may_name_certificate(const std::string& typed);
// The stored certificate that find_certificate finds, for a text that names no file. Throws not_found.
workflow::CertificateRecord stored_certificate(workflow::Store& store, const std::string& typed);

struct VerifyCertificate {
  std::string file;                                  // the certificate; what follows it is its chain
  std::optional<std::string> csr;                    // a file: the request that it must answer
  std::vector<std::string> anchors, chain;           // files, beside those of the profile and of the file itself
  const config::ProfileSettings* profile = nullptr;  // its anchors, accepted deviations and validity
  std::vector<std::string> accept;                   // findings that are reported only
  // Told of each member of the anchors' files that cannot be used, "file: left out: why".
  std::function<void(const std::string&)> left_out;
  Instant at{};
};
struct VerifiedCertificate {
  std::string subject;
  std::vector<x509::Finding> findings;
  std::vector<std::string> chain;  // subjects, from the certificate's own to the anchor's
  bool ok = false;                 // no finding is fatal
};
// Everything that a request would judge before it installs; without a CSR the chain alone, without anchors the request
// alone. Throws invalid_input where there is neither, or for a finding that does not exist.
VerifiedCertificate verify_certificate(const VerifyCertificate& question);

}  // namespace hsmbridge::service
