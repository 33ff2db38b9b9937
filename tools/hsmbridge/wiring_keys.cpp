#include "tools/hsmbridge/wiring_keys.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "pkcs11/signer.h"
#include "pkcs11/tls_client_key.h"
#include "x509/pem_file.h"

#include <utility>
#include <vector>

namespace hsmbridge::cli {

namespace {

// That nobody can log in to the token says nothing about the request for which a provider signs.
class WaitingSigner final : public x509::Signer {
 public:
  explicit WaitingSigner(std::shared_ptr<x509::Signer> signer) : signer_(std::move(signer)) {}
  const Bytes& subject_public_key_info() const override { return signer_->subject_public_key_info(); }
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override {
    try {
      return signer_->sign(to_be_signed, algorithm);
    } catch (const Error& error) {
      throw pkcs11::for_a_waiting_request(error);
    }
  }

 private:
  const std::shared_ptr<x509::Signer> signer_;
};

}  // namespace

std::shared_ptr<x509::Signer> signer_of(const providers::TokenKey& key, std::string kind, std::string purpose,
                                        const ProviderNeeds& needs) {
  const auto token = needs.token(key.token);
  return std::make_shared<WaitingSigner>(
      std::make_shared<AuditedSigner>(pkcs11::TokenKey::open(token, pkcs11::KeySelector::parse(key.key), key.accept),
                                      token, std::move(kind), std::move(purpose), needs.record));
}

net::TlsHook tls_hook(const providers::Connection& connection, const ProviderNeeds& needs) {
  if (!connection.client_key) return {};
  std::vector<Bytes> chain;
  if (connection.client_cert) chain = x509::certificates_in_file(*connection.client_cert, x509::Given::to_be_read);
  auto key = pkcs11::TlsClientKey::open(needs.token(connection.client_key->token),
                                        pkcs11::KeySelector::parse(connection.client_key->key), std::move(chain),
                                        connection.client_key->accept);
  // The handshake signs with it, inside the TLS library: what can be written down is that it is about to.
  const Json facts = Json::object({{"provider", connection.name},
                                   {"token", connection.client_key->token},
                                   {"key", connection.client_key->key},
                                   {"purpose", "TLS client authentication"}});
  return [key, facts, record = needs.record](void* ssl_ctx) {
    record("client-key-used", facts);
    try {
      key->install(ssl_ctx);
    } catch (const Error& error) {
      throw pkcs11::for_a_waiting_request(error);
    }
  };
}

}  // namespace hsmbridge::cli
