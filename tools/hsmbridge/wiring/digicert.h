#pragma once

#include "config/settings.h"
#include "tools/hsmbridge/wiring/providers.h"

#include <memory>

namespace hsmbridge::cli {

// DigiCert Trust Lifecycle Manager put together from the configuration. Throws what the settings, the files they name
// and the token of its TLS key throw.
std::shared_ptr<workflow::Provider> make_digicert(const config::ProviderSettings& settings, const ProviderNeeds& needs);

}  // namespace hsmbridge::cli
