#include "tools/hsmbridge/wiring/digicert.h"

#include "providers/digicert/provider.h"
#include "tools/hsmbridge/wiring/keys.h"
#include "tools/hsmbridge/wiring/prompt.h"

#include <utility>

namespace hsmbridge::cli {

std::shared_ptr<workflow::Provider> make_digicert(const config::ProviderSettings& provider,
                                                  const ProviderNeeds& needs) {
  auto settings = digicert::read_settings(provider.name, provider.section);
  auto transport = providers::make_transport(settings, tls_hook(settings, needs));
  auto client = std::make_shared<digicert::Client>(std::move(transport),
                                                   digicert::api_key_of(settings, terminal_prompter()), needs.clock);
  return std::make_shared<digicert::DigicertProvider>(std::move(settings), std::move(client), needs.clock);
}

}  // namespace hsmbridge::cli
