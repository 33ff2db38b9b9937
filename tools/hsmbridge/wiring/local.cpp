#include "tools/hsmbridge/wiring/local.h"

#include "providers/local/provider.h"
#include "providers/local/settings.h"
#include "tools/hsmbridge/wiring/keys.h"
#include "tools/hsmbridge/wiring/prompt.h"
#include "tools/hsmbridge/wiring/securosys.h"

#include <utility>
#include <vector>

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

// CRLs are as large as the CA is.
constexpr std::size_t kMostPut = std::size_t{256} << 20U;

std::shared_ptr<local::CrlPut> put_with(const local::Settings::Crl::Server& server, const ProviderNeeds& needs) {
  const providers::Connection& connection = server.connection;
  std::vector<providers::CredentialHeader> credentials;
  if (server.bearer_token) {
    const auto source =
        providers::source_of(*server.bearer_token, terminal_prompter(), "the bearer token of " + connection.url);
    credentials.push_back({"Authorization", "Bearer ", providers::stored_credentials({source})});
  } else if (server.password) {
    credentials.push_back(local::basic_credentials(
        server.user, providers::source_of(*server.password, terminal_prompter(), "the password of " + connection.url)));
  }
  return std::make_shared<local::CrlPut>(connection.url,
                                         providers::make_transport(connection, tls_hook(connection, needs), kMostPut),
                                         std::move(credentials), needs.clock);
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
  if (settings.crl && settings.crl->server) dependencies.put = put_with(*settings.crl->server, needs);
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
