#include "tools/hsmbridge/wiring_keys.h"

#include "base/file.h"
#include "pkcs11/signer.h"
#include "pkcs11/tls_client_key.h"
#include "x509/pem.h"

#include <utility>
#include <vector>

namespace hsmbridge::cli {

std::shared_ptr<x509::Signer> signer_of(const providers::TokenKey& key, const ProviderNeeds& needs) {
  return pkcs11::TokenKey::open(needs.token(key.token), pkcs11::KeySelector::parse(key.key));
}

net::TlsHook tls_hook(const providers::Connection& connection, const ProviderNeeds& needs) {
  if (!connection.client_key) return {};
  std::vector<Bytes> chain;
  if (connection.client_cert) chain = x509::read_certificates(read_file(*connection.client_cert));
  auto key = pkcs11::TlsClientKey::open(needs.token(connection.client_key->token),
                                        pkcs11::KeySelector::parse(connection.client_key->key), std::move(chain));
  return [key](void* ssl_ctx) { key->install(ssl_ctx); };
}

}  // namespace hsmbridge::cli
