#pragma once

#include "config/settings.h"
#include "pkcs11/token/token.h"
#include "tools/hsmbridge/wiring/invocation.h"

#include <string>
#include <vector>

// From words of the configuration and of the command line to a token of pkcs11/.
namespace hsmbridge::cli {

// A PIN source of pkcs11/ that reads the configured source when a login is about to happen.
pkcs11::PinSource pin_source(const config::SecretSource& source, std::string what);
// A configured token.
pkcs11::TokenAccess token_access(const config::TokenSettings& settings);

// --token, --module, --uri, --pin: the options by which a command names a token.
std::vector<commandline::Option> token_options();
// Whether they name a token without the configuration's help (--module).
bool names_module(const Arguments& arguments);
// The token that the options name by --module. Throws invalid_input when they contradict each other.
pkcs11::TokenAccess token_access(const Arguments& arguments);

// The same options again, quoted for a shell, each with a blank before it: for the command to type next.
std::string token_words(const Arguments& arguments);
// `word` quoted for a shell where it needs to be.
std::string shell_word(const std::string& word);

}  // namespace hsmbridge::cli
