#pragma once

#include "service/certificates/files.h"

#include <string>

namespace hsmbridge::cli {

// Everything that a certificate says.
std::string certificate_text(const x509::Certificate& certificate);
// One line a finding, and the chain where nothing is wrong.
std::string verified_text(const service::VerifiedCertificate& verified, bool answers_request);

}  // namespace hsmbridge::cli
