#include "tools/hsmbridge/wiring/local.h"

#include "base/error.h"
#include "ca/crl.h"
#include "providers/local/provider.h"
#include "providers/local/settings.h"
#include "tools/hsmbridge/wiring/keys.h"
#include "tools/hsmbridge/wiring/prompt.h"
#include "tools/hsmbridge/wiring/securosys.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem_file.h"
#include "x509/objects/spki.h"

#include <optional>
#include <set>
#include <string>
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

// Nothing where the CA has none yet.
std::optional<Bytes> certificate_at(const NamedAuthority& authority) {
  try {
    return x509::certificate_in_file(authority.certificate, x509::Given::to_be_believed);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    throw;
  }
}

// How the records call a key that must not sign any more; "" for any other. Whoever has a copy of a compromised one may
// sign with it. One that was destroyed in a token may live in another one: there it is known, or the configuration of
// its CA names that token, into which its maker's own tools have put it.
std::string spent_word(workflow::Store& store, const std::vector<NamedAuthority>& authorities, const SpkiHash& spki) {
  workflow::KeyQuery query;
  query.spki = spki;
  std::set<std::string> destroyed;  // the tokens
  bool lives = false;
  for (const auto& key : store.keys(query)) {
    if (key.status == workflow::status::kCompromised) return key.status;
    if (key.status == workflow::status::kDestroyed) destroyed.insert(key.token);
    if (key.status == workflow::status::kActive) lives = true;
  }
  if (destroyed.empty() || lives) return {};
  for (const NamedAuthority& one : authorities) {
    if (destroyed.count(one.token) != 0) continue;
    const auto certificate = certificate_at(one);
    if (certificate && x509::spki_hash(x509::parse_certificate(*certificate).spki()) == spki) return {};
  }
  return workflow::status::kDestroyed;
}

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
  return std::make_shared<local::CrlPut>(
      connection.url, providers::make_transport(connection, tls_hook(connection, needs), ca::kLargestCrl),
      std::move(credentials), needs.clock);
}

}  // namespace

std::vector<NamedAuthority> named_authorities(const config::Settings& settings) {
  std::vector<NamedAuthority> all;
  for (const auto& provider : settings.providers) {
    if (provider.type != workflow::kLocalAuthority) continue;
    const local::Settings ca = local::read_settings(provider.name, provider.section);
    all.push_back({ca.certificate, ca.key.token});
  }
  return all;
}

std::function<std::vector<Bytes>()> certificates_of(std::shared_ptr<const std::vector<NamedAuthority>> authorities) {
  return [all = std::move(authorities)] {
    std::vector<Bytes> certificates;
    for (const NamedAuthority& one : *all) {
      if (auto der = certificate_at(one)) certificates.push_back(std::move(*der));
    }
    return certificates;
  };
}

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
  dependencies.fetch = net::fetch_public;
  dependencies.record = needs.record;
  dependencies.serials = [store = needs.store]() -> workflow::SerialNumbers& { return store(); };
  dependencies.revocations = [store = needs.store]() -> workflow::Revocations& { return store(); };
  dependencies.anchors = needs.anchors;
  dependencies.authorities = certificates_of(needs.authorities);
  dependencies.spent = [store = needs.store, all = needs.authorities](const SpkiHash& spki) {
    return spent_word(store(), *all, spki);
  };
  dependencies.signed_elsewhere = [store = needs.store](const std::string& issuer, const std::string& serial) {
    return store().certified_elsewhere(issuer, serial).has_value();
  };
  dependencies.suspended = [store = needs.store](const std::string& issuer) { return store().suspended(issuer); };
  return std::make_shared<local::LocalProvider>(std::move(settings), std::move(dependencies), needs.clock);
}

}  // namespace hsmbridge::cli
