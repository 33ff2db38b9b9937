#pragma once

#include "base/bytes.h"
#include "config/settings.h"
#include "tools/hsmbridge/wiring/providers.h"
#include "workflow/ports/provider.h"

#include <functional>
#include <memory>
#include <vector>

namespace hsmbridge::cli {

// Reads the sections of the CAs: for the thread that has read the configuration.
std::vector<NamedAuthority> named_authorities(const config::Settings& settings);

// Of those that have one yet, DER.
std::function<std::vector<Bytes>()> certificates_of(std::shared_ptr<const std::vector<NamedAuthority>> authorities);

std::shared_ptr<workflow::Provider> make_local(const config::ProviderSettings& provider, const ProviderNeeds& needs);

}  // namespace hsmbridge::cli
