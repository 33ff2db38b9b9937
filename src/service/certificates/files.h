#pragma once

#include "base/clock.h"
#include "config/settings.h"
#include "workflow/ports/store.h"
#include "x509/judge/check.h"
#include "x509/objects/certificate.h"

#include <optional>
#include <string>
#include <vector>

// Certificates in files: what they say, and whether they are what they should be.
namespace hsmbridge::service {

// All of a PEM or DER file. Throws invalid_input naming it, and what reading it throws.
std::vector<x509::Certificate> certificates_in(const std::string& file);
// The stored certificate that find_certificate finds; nothing where the text can be no such name.
std::optional<workflow::CertificateRecord> stored_certificate(workflow::Store& store, const std::string& typed);

struct VerifyCertificate {
  std::string file;                                  // the certificate; what follows it is its chain
  std::optional<std::string> csr;                    // a file: the request that it must answer
  std::vector<std::string> anchors, chain;           // files, beside those of the profile and of the file itself
  const config::ProfileSettings* profile = nullptr;  // its anchors, accepted deviations and validity
  std::vector<std::string> accept;                   // findings that are reported only
  Instant at{};
};
struct VerifiedCertificate {
  std::string subject;
  std::vector<x509::Finding> findings;
  std::vector<std::string> chain;    // subjects, from the certificate's own to the anchor's
  std::vector<std::string> skipped;  // what of the anchors' files could not be used, "file: left out: why"
  bool ok = false;                   // no finding is fatal
};
// Everything that a request would judge before it installs; without a CSR the chain alone, without anchors the request
// alone. Throws invalid_input where there is neither, or for a finding that does not exist.
VerifiedCertificate verify_certificate(const VerifyCertificate& question);

}  // namespace hsmbridge::service
