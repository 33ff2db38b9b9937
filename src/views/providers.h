#pragma once

#include "base/json.h"
#include "config/settings.h"
#include "service/providers/abilities.h"

#include <string>
#include <vector>

// Providers as a program reads them.
namespace hsmbridge::views {

// hsmbridge.provider-list/1
Json providers(const config::Settings& settings);
// hsmbridge.provider/1
Json provider(const config::ProviderSettings& settings, const workflow::Capabilities& can);
// hsmbridge.provider-types/1
Json provider_types(const std::vector<service::ProviderWay>& ways);
// hsmbridge.provider-profiles/1
Json provider_profiles(const std::string& name, const std::vector<workflow::ProfileCatalogue::Entry>& entries);
// hsmbridge.provider-policy/1
Json provider_policy(const std::string& name, const workflow::Facts& facts);

}  // namespace hsmbridge::views
