#include "tools/hsmbridge/wiring/securosys.h"

#include "providers/securosys/provider.h"
#include "tools/hsmbridge/wiring/keys.h"
#include "tools/hsmbridge/wiring/prompt.h"

#include <utility>

namespace hsmbridge::cli {

SecurosysParts securosys_parts(const config::ProviderSettings& provider, const ProviderNeeds& needs) {
  SecurosysParts parts;
  parts.settings = securosys::read_settings(provider.name, provider.section);
  auto transport = providers::make_transport(parts.settings, tls_hook(parts.settings, needs));
  parts.client = std::make_shared<securosys::Client>(
      std::move(transport), securosys::client_options(parts.settings, terminal_prompter()), needs.clock);
  return parts;
}

std::shared_ptr<workflow::Provider> make_securosys(const config::ProviderSettings& provider,
                                                   const ProviderNeeds& needs) {
  auto parts = securosys_parts(provider, needs);
  securosys::Keys keys;
  if (parts.settings.application_key) {
    keys.application = signer_of(*parts.settings.application_key, workflow::Purpose::metadata,
                                 "signing a submission at " + provider.name, needs);
  }
  keys.people = needs.people;
  keys.unread_people = needs.unread_people;
  if (parts.settings.task_reader) {
    keys.task_reader = signer_of(parts.settings.task_reader->key, workflow::Purpose::time_stamp,
                                 "looking a submission up at " + provider.name + " (a time stamp)", needs);
  }
  return std::make_shared<securosys::SecurosysProvider>(std::move(parts.settings), std::move(parts.client),
                                                        std::move(keys), needs.clock, terminal_prompter(),
                                                        needs.anchors);
}

}  // namespace hsmbridge::cli
