#include "pkcs11/key_ring.h"

#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/token/uri.h"

#include <utility>
#include <vector>

namespace hsmbridge::pkcs11 {
namespace {

class TokenKeyRing final : public workflow::KeyRing {
 public:
  explicit TokenKeyRing(std::shared_ptr<Token> token) : token_(std::move(token)) {}

  const std::string& token() const override { return token_->name(); }
  std::string token_uri() override { return token_->info().uri; }
  void login() override { token_->login(); }
  unsigned sessions() const override { return token_->sessions(); }
  std::vector<KeyInfo> list() override { return list_keys(*token_); }
  std::vector<KeyInfo> match(const std::string& selector) override {
    return match_keys(*token_, KeySelector::parse(selector));
  }
  KeyInfo find(const std::string& selector) override { return find_key(*token_, KeySelector::parse(selector)); }
  std::vector<std::optional<KeyInfo>> find_many(std::span<const std::string> selectors) override {
    std::vector<KeySelector> parsed;
    for (const std::string& selector : selectors) parsed.push_back(KeySelector::parse(selector));
    return find_keys(*token_, parsed);
  }
  KeyAttributes attributes(const KeyInfo& key) override { return key_attributes(*token_, key); }
  ContractReport contract(const KeyInfo& key) override { return check_contract(*token_, key); }
  void expect_to_sign(const x509::SignatureAlgorithm& algorithm) override {
    pkcs11::expect_to_sign(*token_, algorithm);
  }
  std::vector<KeyPlan> plan(std::span<const std::string> labels, const x509::KeySpec& spec,
                            const std::map<std::string, Bytes>& open_plans) override {
    return plan_keys(*token_, labels, spec, open_plans);
  }
  std::vector<MadeKey> make(std::span<const KeyPlan> plans, const KeyMade& on_made, const KeysDue& on_due) override {
    return make_keys(*token_, plans, on_made, on_due);
  }
  void destroy(const KeyInfo& key, WithCertificates certificates) override { destroy_key(*token_, key, certificates); }
  KeyInfo identify(KeyInfo key, const workflow::Intent& intent, const workflow::RecordFact& record) override {
    return with_proved_claim(token_, std::move(key), intent, record);
  }
  Opened signer(const KeyInfo& key, workflow::Intent intent, workflow::RecordFact record) override {
    auto opened = TokenKey::open(token_, key, std::move(intent), std::move(record));
    KeyInfo identified = opened->info();
    return {std::move(identified), std::move(opened)};
  }

 private:
  const std::shared_ptr<Token> token_;
};

}  // namespace

std::unique_ptr<workflow::KeyRing> key_ring(std::shared_ptr<Token> token) {
  return std::make_unique<TokenKeyRing>(std::move(token));
}

}  // namespace hsmbridge::pkcs11
