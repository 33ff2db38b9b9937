#pragma once

#include "service/authorities/authorities.h"

#include <string>
#include <vector>

// The CAs of this bridge as people read them.
namespace hsmbridge::cli {

std::string authorities_text(const std::vector<service::Authority>& all);
std::string authority_text(const service::Authority& authority);

}  // namespace hsmbridge::cli
