#include "tools/hsmbridge/wiring_securosys.h"

#include "base/file.h"
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

std::shared_ptr<x509::Signer> signer_of(const securosys::TokenKey& key, const ProviderNeeds& needs) {
  return pkcs11::TokenKey::open(needs.token(key.token), pkcs11::KeySelector::parse(key.key));
}

net::TlsHook tls_hook(const securosys::Settings& settings, const ProviderNeeds& needs) {
  if (!settings.client_key) return {};
  std::vector<Bytes> chain;
  if (settings.client_cert) chain = x509::read_certificates(read_file(*settings.client_cert));
  auto key = pkcs11::TlsClientKey::open(needs.token(settings.client_key->token),
                                        pkcs11::KeySelector::parse(settings.client_key->key), std::move(chain));
  return [key](void* ssl_ctx) { key->install(ssl_ctx); };
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
  if (parts.settings.application_key) keys.application = signer_of(*parts.settings.application_key, needs);
  keys.people = needs.people;
  if (parts.settings.task_reader) keys.task_reader = signer_of(parts.settings.task_reader->key, needs);
  return std::make_shared<securosys::SecurosysProvider>(std::move(parts.settings), std::move(parts.client),
                                                        std::move(keys), needs.clock, terminal_prompter());
}

}  // namespace hsmbridge::cli
