#pragma once

#include "config/settings.h"
#include "tools/hsmbridge/wiring/providers.h"
#include "workflow/ports/provider.h"

#include <memory>

namespace hsmbridge::cli {

std::shared_ptr<workflow::Provider> make_local(const config::ProviderSettings& provider, const ProviderNeeds& needs);

}  // namespace hsmbridge::cli
