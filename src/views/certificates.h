#pragma once

#include "base/json.h"
#include "service/certificates/certificates.h"
#include "service/certificates/files.h"
#include "service/certificates/mass_revocation.h"
#include "service/certificates/placing.h"

#include <cstddef>
#include <string>
#include <vector>

// Certificates as a program reads them.
namespace hsmbridge::views {

// The elements of `certificates` in hsmbridge.cert-list/1, and what is behind them: `left_out` is how many nobody asked
// for, counted up to service::kMostCounted + 1.
Json certificates(const std::vector<service::CertificateRow>& rows);
Json end_of_certificates(const service::ListEnd& end, std::size_t left_out);
// A row of hsmbridge.cert-show/1; `record`: what the store knows of it, or null.
Json certificate(const x509::Certificate& certificate, const std::string& file,
                 const workflow::CertificateRecord* record);
// hsmbridge.cert-verify/1
Json verified_certificate(const std::string& file, const service::VerifiedCertificate& verified);
// hsmbridge.cert-revoke-plan/1
Json mass_revocation(const service::MassRevocation& planned);
// hsmbridge.cert-install/1
Json placed(const std::string& fingerprint, const std::vector<service::Placed>& placed);

}  // namespace hsmbridge::views
