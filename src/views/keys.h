#pragma once

#include "base/json.h"
#include "service/keys/keys.h"
#include "service/keys/new_csr.h"
#include "workflow/ports/key_ring.h"

#include <string>
#include <vector>

// Keys, and the CSRs that they sign, as a program reads them.
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

// hsmbridge.csr-create/1
Json csr(const std::string& token, const service::NewCsr& wanted, const service::MadeCsr& made);
// hsmbridge.csr-row/1
Json csr_row(const std::string& token, const service::CsrRow& row);

}  // namespace hsmbridge::views
