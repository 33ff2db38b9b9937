#pragma once

#include "workflow/ports/token_device.h"

#include <string>
#include <vector>

// Tokens as a person reads them.
namespace hsmbridge::cli {

std::string token_text(const workflow::TokenInfo& info);
std::string mechanisms_text(const std::vector<workflow::MechanismInfo>& mechanisms);

}  // namespace hsmbridge::cli
