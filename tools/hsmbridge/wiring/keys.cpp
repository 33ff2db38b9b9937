#include "tools/hsmbridge/wiring/keys.h"

#include "base/error.h"
#include "base/file.h"
#include "pkcs11/key_ring.h"
#include "pkcs11/tls_client_key.h"
#include "x509/objects/pem_file.h"

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

std::shared_ptr<x509::Signer> signer_of(const providers::TokenKey& key, workflow::Purpose purpose, std::string words,
                                        const ProviderNeeds& needs) {
  const auto ring = pkcs11::key_ring(needs.token(key.token));
  auto opened =
      ring->signer(ring->find(key.key), {purpose, std::move(words), Json::object(), key.accept}, needs.record);
  return std::make_shared<WaitingSigner>(std::move(opened.signer));
}

net::TlsHook tls_hook(const providers::Connection& connection, const ProviderNeeds& needs) {
  if (!connection.client_key) return {};
  std::vector<Bytes> chain;
  if (connection.client_cert) chain = x509::certificates_in_file(*connection.client_cert, x509::Given::to_be_read);
  auto key = pkcs11::TlsClientKey::open(needs.token(connection.client_key->token),
                                        pkcs11::KeySelector::parse(connection.client_key->key),
                                        {workflow::Purpose::tls_client, "TLS client authentication",
                                         Json::object({{"provider", connection.name}}), connection.client_key->accept},
                                        needs.record, std::move(chain));
  return [key](void* ssl_ctx) {
    try {
      key->install(ssl_ctx);
    } catch (const Error& error) {
      throw pkcs11::for_a_waiting_request(error);
    }
  };
}

}  // namespace hsmbridge::cli
