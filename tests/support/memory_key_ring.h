#pragma once

#include "base/error.h"
#include "support/software_signer.h"
#include "workflow/ports/key_ring.h"
#include "x509/objects/spki.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {

// A token whose keys are in this process. It knows the contract of the door: the intent is on record before the key
// signs. A selector is a label or id=HEX.
class MemoryKeyRing final : public workflow::KeyRing {
 public:
  const std::string& token() const override { return name; }
  std::string token_uri() override { return "pkcs11:token=" + name; }
  void login() override { ++logins; }
  unsigned sessions() const override { return 0; }
  std::vector<workflow::KeyInfo> list() override { return keys; }
  std::vector<workflow::KeyInfo> match(const std::string& selector) override {
    std::vector<workflow::KeyInfo> found;
    std::copy_if(keys.begin(), keys.end(), std::back_inserter(found),
                 [&](const auto& key) { return selector == key.label || selector == "id=" + hex(key.id); });
    return found;
  }
  workflow::KeyInfo find(const std::string& selector) override {
    const auto found = match(selector);
    if (found.size() == 1) return found.front();
    throw Error{found.empty() ? ErrorKind::not_found : ErrorKind::ambiguous, selector};
  }
  std::vector<std::optional<workflow::KeyInfo>> find_many(std::span<const std::string> selectors) override {
    return std::vector<std::optional<workflow::KeyInfo>>(selectors.size());
  }
  workflow::KeyAttributes attributes(const workflow::KeyInfo&) override { return {}; }
  workflow::ContractReport contract(const workflow::KeyInfo&) override { return {}; }
  void expect_to_sign(const x509::SignatureAlgorithm&) override {}
  std::vector<workflow::KeyPlan> plan(std::span<const std::string> labels, const x509::KeySpec& spec,
                                      const std::map<std::string, Bytes>& open_plans) override {
    std::vector<workflow::KeyPlan> plans;
    for (const auto& label : labels) {
      const auto open = open_plans.find(label);
      plans.push_back({label, open == open_plans.end() ? Bytes(16, ++octet) : open->second, spec});
    }
    return plans;
  }
  std::vector<workflow::MadeKey> make(std::span<const workflow::KeyPlan> plans, const workflow::KeyMade& on_made,
                                      const workflow::KeysDue& on_due) override {
    std::vector<workflow::MadeKey> made;
    on_due(plans);
    for (const auto& plan : plans) {
      if (made.size() >= most) throw Error{ErrorKind::unavailable, "the token failed"};
      workflow::KeyInfo key;
      key.label = key.name = plan.label;
      key.id = plan.id;
      key.spec = plan.spec;
      key.type = x509::to_string(plan.spec);
      signers[plan.label] = std::make_shared<SoftwareSigner>(key.type);
      key.spki = signers[plan.label]->subject_public_key_info();
      key.spki_hash = x509::spki_hash(key.spki);
      key.has_private = key.has_public = true;
      keys.push_back(key);
      made.push_back({key, {}, workflow::MadeKey::Origin::generated});
      on_made(made.back());
    }
    return made;
  }
  void destroy(const workflow::KeyInfo& key, workflow::WithCertificates) override {
    std::erase_if(keys, [&](const auto& one) { return one.id == key.id; });
  }
  workflow::KeyInfo identify(workflow::KeyInfo key, const workflow::Intent&, const workflow::RecordFact&) override {
    return key;
  }
  Opened signer(const workflow::KeyInfo& key, workflow::Intent intent, workflow::RecordFact record) override {
    return {key, std::make_unique<Signer>(name, key, signers.at(key.label), std::move(intent), std::move(record))};
  }

  std::string name = "web";
  std::vector<workflow::KeyInfo> keys;
  std::size_t most = 1000;  // so many keys are made at once; then the token fails
  unsigned logins = 0;

 private:
  class Signer final : public workflow::KeySigner {
   public:
    Signer(std::string token, workflow::KeyInfo key, std::shared_ptr<SoftwareSigner> signer, workflow::Intent intent,
           workflow::RecordFact record)
        : token_(std::move(token)),
          key_(std::move(key)),
          signer_(std::move(signer)),
          intent_(std::move(intent)),
          record_(std::move(record)) {}
    const Bytes& subject_public_key_info() const override { return key_.spki; }
    Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override {
      record_(workflow::row_of(intent_.purpose).intent, workflow::facts_of(token_, key_));
      return signer_->sign(to_be_signed, algorithm);
    }
    void say(std::string words) override { intent_.words = std::move(words); }
    Bytes sign_saying(const Json& more, ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override {
      intent_.more = more;
      return sign(to_be_signed, algorithm);
    }
    workflow::KeyProof prove(ByteView nonce) override {
      record_(workflow::kProofIntent, workflow::facts_of(token_, key_));
      return {Bytes(nonce.begin(), nonce.end()), {}, {}, ""};
    }

   private:
    const std::string token_;
    const workflow::KeyInfo key_;
    const std::shared_ptr<SoftwareSigner> signer_;
    workflow::Intent intent_;
    const workflow::RecordFact record_;
  };
  std::map<std::string, std::shared_ptr<SoftwareSigner>> signers;
  unsigned char octet = 0;
};

}  // namespace hsmbridge::test
