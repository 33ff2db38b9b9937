#pragma once

#include "config/settings.h"
#include "pkcs11/token/token.h"
#include "pkcs11/workflow_token.h"
#include "service/providers/abilities.h"
#include "workflow/ports/key_use.h"
#include "workflow/ports/provider.h"
#include "workflow/ports/store.h"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace hsmbridge::cli {

// A CA of this bridge, as the configuration names it.
struct NamedAuthority {
  std::filesystem::path certificate;
  std::string token;  // where its key is; "" where a provider keeps it
};

// What a provider may need of this process.
struct ProviderNeeds {
  const Clock& clock;
  std::function<std::shared_ptr<pkcs11::Token>(const std::string& token)> token;
  workflow::RecordFact record;  // every use of a key is written down
  // Another one of the threads of that token, for what a provider signs in its own time.
  std::function<std::shared_ptr<pkcs11::WorkflowToken>(const std::string& token)> workflow_token = {};
  std::function<workflow::Store&()> store = {};  // lent to the thread that asks
  // The trust anchors of an order's profile, DER.
  std::function<std::vector<Bytes>(const workflow::Order&)> anchors = {};
  std::vector<SpkiHash> people = {};            // the keys of everybody under `people:`, as far as the file names them
  std::vector<std::string> unread_people = {};  // who is named by a file that cannot be read, and why
  // Another provider of the configuration, which keeps the key of this one.
  std::function<const config::ProviderSettings&(const std::string& name)> other = {};
  // The CAs whose keys a provider keeps.
  std::function<std::vector<const config::ProviderSettings*>(const std::string& keeper)> cas_at = {};
  std::shared_ptr<const std::vector<NamedAuthority>> authorities = {};  // all of them
};

// Where those decide who must approve at a provider.
enum class Approvers {
  there,             // at its own pages, not here
  with_a_key,        // here, each with a key of his own
  with_our_account,  // here, by the account that the provider was configured with
};

// The registry: one row a type of provider.
struct ProviderType {
  std::string type;  // as `type:` names it
  // Reads the provider's own keys while the configuration is read, so that all problems are reported together.
  config::ProviderReader check;
  std::function<std::shared_ptr<workflow::Provider>(const config::ProviderSettings&, const ProviderNeeds&)> make;
  std::vector<service::ProviderWay> ways;
  Approvers approvers = Approvers::there;
};
const std::vector<ProviderType>& provider_types();
// The row of a configured provider. Throws invalid_input.
const ProviderType& provider_type(const config::ProviderSettings& settings);

// The readers of every type, for config::read_settings.
std::map<std::string, config::ProviderReader> provider_readers();

}  // namespace hsmbridge::cli
