#pragma once

#include "base/json.h"
#include "service/certificates/certificates.h"
#include "service/certificates/placing.h"

#include <string>
#include <vector>

// Certificates as a program reads them.
namespace hsmbridge::views {

// hsmbridge.cert-list/1
Json certificates(const service::CertificateList& list);
// hsmbridge.cert-install/1
Json placed(const std::string& fingerprint, const std::vector<service::Placed>& placed);

}  // namespace hsmbridge::views
