#pragma once

#include "config/settings.h"
#include "tools/hsmbridge/wiring/providers.h"

#include <memory>

// Venafi TLS Protect Cloud put together from the configuration: the client, its credentials, and keys in tokens.
namespace hsmbridge::cli {

// Throws what the settings, the files they name and the tokens of their keys throw.
std::shared_ptr<workflow::Provider> make_venafi(const config::ProviderSettings& settings, const ProviderNeeds& needs);

}  // namespace hsmbridge::cli
