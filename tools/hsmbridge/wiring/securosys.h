#pragma once

#include "config/settings.h"
#include "providers/key_service.h"
#include "providers/securosys/client.h"
#include "providers/securosys/settings.h"
#include "tools/hsmbridge/wiring/providers.h"

#include <memory>
#include <optional>
#include <string>

// Securosys TSB put together from the configuration: the client, its credentials, and keys in tokens.
namespace hsmbridge::cli {

struct SecurosysParts {
  securosys::Settings settings;
  std::shared_ptr<securosys::Client> client;
};
// Throws what the settings, the files they name and the tokens of their keys throw.
SecurosysParts securosys_parts(const config::ProviderSettings& settings, const ProviderNeeds& needs);

std::shared_ptr<workflow::Provider> make_securosys(const config::ProviderSettings& settings,
                                                   const ProviderNeeds& needs);

// The key of a CA of this bridge that a provider keeps: `authority` is the CA's provider.
std::shared_ptr<providers::KeyService> make_key_service(const config::ProviderSettings& keeper,
                                                        const std::string& authority, const std::string& key,
                                                        std::optional<config::SecretSource> password,
                                                        const ProviderNeeds& needs);

}  // namespace hsmbridge::cli
