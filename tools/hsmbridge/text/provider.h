#pragma once

#include "service/providers/abilities.h"

#include <string>
#include <vector>

namespace hsmbridge::cli {

// What a provider can do, a line each, and what it cannot where a user has to know; for a field "What it does".
std::string abilities_text(const workflow::Capabilities& can);
// All ways of working side by side.
std::string ways_text(const std::vector<service::ProviderWay>& ways);
// README's table: a row an ability, a column a way.
std::string ways_markdown(const std::vector<service::ProviderWay>& ways);

}  // namespace hsmbridge::cli
