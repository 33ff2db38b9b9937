#pragma once

#include "workflow/ports/key_ring.h"

#include <string>
#include <vector>

// Keys as a person reads them.
namespace hsmbridge::cli {

std::string key_text(const workflow::KeyInfo& key);
std::string keys_text(const std::vector<workflow::KeyInfo>& keys);
// A table of every attribute, the contract's column beside the attributes it speaks about.
std::string attributes_text(const workflow::KeyAttributes& attributes, const workflow::ContractReport& report);

}  // namespace hsmbridge::cli
