#pragma once

#include "base/json.h"
#include "service/tokens/tokens.h"

#include <vector>

// Tokens as a program reads them.
namespace hsmbridge::views {

Json token(const workflow::TokenInfo& info);
// hsmbridge.token/1
Json token(const service::TokenView& view);
// hsmbridge.token-list/1
Json tokens(const std::vector<service::ListedToken>& tokens);
Json tokens(const workflow::ModuleInfo& module, const std::vector<workflow::TokenInfo>& tokens);
// hsmbridge.token-login/1
Json token_login(const workflow::TokenInfo& info);

}  // namespace hsmbridge::views
