#include "tools/hsmbridge/wiring/venafi.h"

#include "providers/venafi/client.h"
#include "providers/venafi/credentials.h"
#include "providers/venafi/provider.h"
#include "providers/venafi/settings.h"
#include "tools/hsmbridge/wiring/keys.h"
#include "tools/hsmbridge/wiring/prompt.h"

#include <string>
#include <utility>

namespace hsmbridge::cli {
namespace {

// The token endpoint of a federated account is an address of its own; where it lies below the service's, the client
// certificate is for it too.
venafi::Access federated(const venafi::Settings& settings, const std::shared_ptr<net::Transport>& transport,
                         const ProviderNeeds& needs) {
  const std::string& url = settings.federated->token_url;
  auto jwt =
      providers::source_of(settings.federated->jwt, terminal_prompter(), "the JWT of provider " + settings.name).get;
  if (url.starts_with(settings.url + "/")) {
    return venafi::token_access(transport, venafi::federated_order(url.substr(settings.url.size()), std::move(jwt)),
                                needs.clock);
  }
  const std::size_t path = url.find('/', std::string("https://").size());
  providers::Connection connection;
  connection.name = settings.name;
  connection.url = url.substr(0, path);
  connection.ca = settings.ca;
  connection.proxy = settings.proxy;
  return venafi::token_access(
      providers::make_transport(connection, {}),
      venafi::federated_order(path == std::string::npos ? "/" : url.substr(path), std::move(jwt)), needs.clock);
}

venafi::Access access(const venafi::Settings& settings, const std::shared_ptr<net::Transport>& transport,
                      const ProviderNeeds& needs) {
  using Kind = venafi::Access::Kind;
  const auto stored = [](Kind kind, const config::SecretSource& source, std::string what) {
    return venafi::stored_access(kind, providers::source_of(source, terminal_prompter(), std::move(what)));
  };
  if (settings.api_key) return stored(Kind::api_key, *settings.api_key, "the API key of provider " + settings.name);
  if (settings.access_token) {
    return stored(Kind::bearer, *settings.access_token, "the access token of provider " + settings.name);
  }
  if (settings.federated) return federated(settings, transport, needs);
  // Every JWT is a use of a key, and in the audit log.
  auto signer = signer_of(settings.service_account->key, workflow::Purpose::jwt,
                          "a JWT for an access token at " + settings.name, needs);
  return venafi::token_access(
      transport, venafi::service_account_order(std::move(signer), settings.service_account->client_id, needs.clock),
      needs.clock);
}

}  // namespace

std::shared_ptr<workflow::Provider> make_venafi(const config::ProviderSettings& provider, const ProviderNeeds& needs) {
  venafi::Settings settings = venafi::read_settings(provider.name, provider.section);
  std::shared_ptr<net::Transport> transport = providers::make_transport(settings, tls_hook(settings, needs));
  auto client = std::make_shared<venafi::Client>(transport, access(settings, transport, needs), needs.clock);
  return std::make_shared<venafi::VenafiProvider>(std::move(settings), std::move(client), needs.clock);
}

}  // namespace hsmbridge::cli
