#pragma once

#include "config/settings.h"
#include "tools/hsmbridge/wiring/providers.h"
#include "workflow/ports/provider.h"

#include <memory>
#include <vector>

namespace hsmbridge::cli {

// Reads the sections of the CAs: for the thread that has read the configuration.
std::vector<NamedAuthority> named_authorities(const config::Settings& settings);

std::shared_ptr<workflow::Provider> make_local(const config::ProviderSettings& provider, const ProviderNeeds& needs);

}  // namespace hsmbridge::cli
