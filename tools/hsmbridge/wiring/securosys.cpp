#include "tools/hsmbridge/wiring/securosys.h"

#include "providers/securosys/provider.h"
#include "tools/hsmbridge/wiring/keys.h"
#include "tools/hsmbridge/wiring/local.h"
#include "tools/hsmbridge/wiring/prompt.h"

#include <mutex>
#include <utility>

namespace hsmbridge::cli {

SecurosysParts securosys_parts(const config::ProviderSettings& provider, const ProviderNeeds& needs) {
  SecurosysParts parts;
  {
    // A provider and the CAs whose keys it keeps are made on threads of their own, and read one section.
    static std::mutex reading;
    const std::lock_guard lock(reading);
    parts.settings = securosys::read_settings(provider.name, provider.section);
  }
  auto transport = providers::make_transport(parts.settings, tls_hook(parts.settings, needs));
  parts.client = std::make_shared<securosys::Client>(
      std::move(transport), securosys::client_options(parts.settings, terminal_prompter()), needs.clock);
  return parts;
}

namespace {

std::shared_ptr<securosys::SecurosysProvider> provider_of(SecurosysParts parts, const ProviderNeeds& needs) {
  const std::string& name = parts.settings.name;
  securosys::Keys keys;
  if (parts.settings.application_key) {
    keys.application = signer_of(*parts.settings.application_key, workflow::Purpose::metadata,
                                 "signing a submission at " + name, needs);
  }
  keys.people = needs.people;
  keys.unread_people = needs.unread_people;
  if (parts.settings.task_reader) {
    keys.task_reader = signer_of(parts.settings.task_reader->key, workflow::Purpose::time_stamp,
                                 "looking a submission up at " + name + " (a time stamp)", needs);
  }
  return std::make_shared<securosys::SecurosysProvider>(std::move(parts.settings), std::move(parts.client),
                                                        std::move(keys), needs.clock, terminal_prompter(),
                                                        needs.anchors, certificates_of(needs.authorities));
}

}  // namespace

std::shared_ptr<workflow::Provider> make_securosys(const config::ProviderSettings& provider,
                                                   const ProviderNeeds& needs) {
  auto parts = securosys_parts(provider, needs);
  for (const auto* ca : needs.cas_at(provider.name)) parts.settings.keys_of_cas.insert(ca->key_at->key);
  return provider_of(std::move(parts), needs);
}

std::shared_ptr<providers::KeyService> make_key_service(const config::ProviderSettings& keeper,
                                                        const std::string& authority, const std::string& key,
                                                        std::optional<config::SecretSource> password,
                                                        const ProviderNeeds& needs) {
  auto parts = securosys_parts(keeper, needs);
  parts.settings = securosys::for_key_of_ca(std::move(parts.settings), authority, key, std::move(password));
  return provider_of(std::move(parts), needs);
}

}  // namespace hsmbridge::cli
