#pragma once

#include "base/json.h"
#include "service/keys/keys.h"
#include "workflow/ports/key_ring.h"

#include <string>
#include <vector>

// Keys as a program reads them.
namespace hsmbridge::views {

Json key(const workflow::KeyInfo& key);
// hsmbridge.key-generate/1
Json made_keys(const std::string& token, const std::vector<workflow::MadeKey>& made);
// hsmbridge.key-list/1
Json keys(const std::string& token, const std::vector<workflow::KeyInfo>& keys);
// hsmbridge.key/1
Json key(const std::string& token, const service::KeyView& view);
Json destroyed_key(const std::string& token, const workflow::KeyInfo& key);
// hsmbridge.key-public/1
Json public_key(const workflow::KeyInfo& key);

}  // namespace hsmbridge::views
