#pragma once

#include "base/json.h"
#include "tools/hsmbridge/wiring/providers.h"
#include "workflow/ports/provider.h"

#include <string>
#include <vector>

namespace hsmbridge::cli {

// What a provider can do, a line each, and what it cannot where a user has to know; for a field "What it does".
std::string abilities_text(const workflow::Capabilities& can);
// Member by member, true and false.
Json abilities_json(const workflow::Capabilities& can);

// All ways of working side by side.
std::string ways_text(const std::vector<ProviderWay>& ways);
// README's table: a row an ability, a column a way.
std::string ways_markdown(const std::vector<ProviderWay>& ways);
Json ways_json(const std::vector<ProviderWay>& ways);

}  // namespace hsmbridge::cli
