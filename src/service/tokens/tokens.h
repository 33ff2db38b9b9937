#pragma once

#include "base/error.h"
#include "service/bridge.h"
#include "service/logbook.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

// What people do with tokens: list them, look at one, log in, initialise one.
namespace hsmbridge::service {

// A token of the configuration. Logs in nowhere.
struct ListedToken {
  std::string name;
  std::filesystem::path module;
  std::optional<workflow::TokenInfo> info;
  std::optional<Error> error;  // why there is no info
};
std::vector<ListedToken> list_tokens(Bridge& bridge);

struct TokenView {
  std::string name;
  std::filesystem::path module;
  workflow::TokenInfo info;
  std::vector<workflow::MechanismInfo> mechanisms;
  std::vector<std::string> signs;  // names of x509::signature_algorithms()
};
TokenView view_token(workflow::TokenDevice& token);

// What the token says of the login. `attempt` retry is in the audit log first. A lane that workers leave alone is tried
// again by them. `no_log`: told why this is in no audit log, where this user may not write the store: the token is
// their own.
workflow::TokenInfo log_in(workflow::TokenDevice& token, Logbook& log, workflow::LoginAttempt attempt,
                           const std::function<void(const Error&)>& no_log);

// What is in a slot. Throws not_found.
workflow::TokenInfo token_in_slot(const workflow::TokenModule& module, unsigned long slot);
// Initialises it: the intent is in the audit log first, since it may destroy every key, and what became of it after.
workflow::TokenInfo initialize_token(workflow::TokenModule& module, Logbook& log, const workflow::NewToken& wanted,
                                     workflow::Reinitialize existing);

}  // namespace hsmbridge::service
