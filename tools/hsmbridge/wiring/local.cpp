#include "tools/hsmbridge/wiring/local.h"

#include "providers/local/provider.h"
#include "providers/local/settings.h"
#include "tools/hsmbridge/wiring/securosys.h"

#include <utility>

namespace hsmbridge::cli {

namespace {

local::OpenKey key_in_token(const providers::TokenKey& key, const ProviderNeeds& needs) {
  return [token = needs.workflow_token(key.token), key](workflow::Purpose purpose, const SpkiHash& spki,
                                                        const Json& facts, Duration limit) {
    workflow::Key pinned;
    pinned.uri = key.key;
    pinned.label = key.key;
    pinned.spki = spki;
    return token->signer_within(pinned, {purpose, std::string(workflow::row_of(purpose).word), facts, key.accept},
                                limit);
  };
}

}  // namespace

std::shared_ptr<workflow::Provider> make_local(const config::ProviderSettings& provider, const ProviderNeeds& needs) {
  local::Settings settings = local::read_settings(provider.name, provider.section);
  local::Dependencies dependencies;
  if (const auto& there = settings.key_service) {
    dependencies.service =
        make_key_service(needs.other(there->provider), provider.name, settings.key.key, there->password, needs);
  } else {
    dependencies.open = key_in_token(settings.key, needs);
  }
  dependencies.record = needs.record;
  dependencies.serials = [store = needs.store]() -> workflow::SerialNumbers& { return store(); };
  dependencies.revocations = [store = needs.store]() -> workflow::Revocations& { return store(); };
  dependencies.anchors = needs.anchors;
  dependencies.spent = [store = needs.store](const SpkiHash& spki) -> std::string {
    workflow::KeyQuery query;
    query.spki = spki;
    for (const auto& key : store().keys(query)) {
      if (key.status == workflow::status::kCompromised || key.status == workflow::status::kDestroyed) return key.status;
    }
    return {};
  };
  dependencies.signed_elsewhere = [store = needs.store](const std::string& issuer, const std::string& serial) {
    return store().certified_elsewhere(issuer, serial).has_value();
  };
  dependencies.suspended = [store = needs.store](const std::string& issuer) { return store().suspended(issuer); };
  return std::make_shared<local::LocalProvider>(std::move(settings), std::move(dependencies), needs.clock);
}

}  // namespace hsmbridge::cli
