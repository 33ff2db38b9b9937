#include "tools/hsmbridge/wiring_securosys.h"

#include "base/file.h"
#include "base/json.h"
#include "pkcs11/signer.h"
#include "pkcs11/tls_client_key.h"
#include "providers/net_transport.h"
#include "providers/securosys/provider.h"
#include "tools/hsmbridge/prompt.h"
#include "x509/pem.h"

#include <utility>
#include <vector>

namespace hsmbridge::cli {

namespace {

std::shared_ptr<x509::Signer> signer_of(const securosys::TokenKey& key, std::string kind, std::string purpose,
                                        const ProviderNeeds& needs) {
  const auto token = needs.token(key.token);
  return std::make_shared<AuditedSigner>(pkcs11::TokenKey::open(token, pkcs11::KeySelector::parse(key.key)), token,
                                         std::move(kind), std::move(purpose), needs.record);
}

net::TlsHook tls_hook(const securosys::Settings& settings, const ProviderNeeds& needs) {
  if (!settings.client_key) return {};
  std::vector<Bytes> chain;
  if (settings.client_cert) chain = x509::read_certificates(read_file(*settings.client_cert));
  auto key = pkcs11::TlsClientKey::open(needs.token(settings.client_key->token),
                                        pkcs11::KeySelector::parse(settings.client_key->key), std::move(chain));
  // The handshake signs with it, inside the TLS library: what can be written down is that it is about to.
  const Json facts = Json::object({{"provider", settings.name},
                                   {"token", settings.client_key->token},
                                   {"key", settings.client_key->key},
                                   {"purpose", "TLS client authentication"}});
  return [key, facts, record = needs.record](void* ssl_ctx) {
    record("client-key-used", facts);
    key->install(ssl_ctx);
  };
}

}  // namespace

SecurosysParts securosys_parts(const config::ProviderSettings& provider, const ProviderNeeds& needs) {
  SecurosysParts parts;
  parts.settings = securosys::read_settings(provider.name, provider.section);
  auto transport = providers::make_transport(parts.settings, tls_hook(parts.settings, needs), needs.clock);
  parts.client = std::make_shared<securosys::Client>(
      std::move(transport), securosys::client_options(parts.settings, terminal_prompter()), needs.clock);
  return parts;
}

std::shared_ptr<workflow::Provider> make_securosys(const config::ProviderSettings& provider,
                                                   const ProviderNeeds& needs) {
  auto parts = securosys_parts(provider, needs);
  securosys::Keys keys;
  if (parts.settings.application_key)
    keys.application = signer_of(*parts.settings.application_key, "application-key-used",
                                 "signing a submission at " + provider.name, needs);
  keys.people = needs.people;
  if (parts.settings.task_reader)
    keys.task_reader = signer_of(parts.settings.task_reader->key, "task-reader-used",
                                 "looking a submission up at " + provider.name + " (a time stamp)", needs);
  return std::make_shared<securosys::SecurosysProvider>(std::move(parts.settings), std::move(parts.client),
                                                        std::move(keys), needs.clock, terminal_prompter());
}

}  // namespace hsmbridge::cli
