#include "tools/hsmbridge/wiring/audited_signer.h"

#include "base/bytes.h"

#include <utility>

namespace hsmbridge::cli {

using pkcs11::IntendedUse;

AuditedSigner::AuditedSigner(std::shared_ptr<pkcs11::Token> token, const pkcs11::KeySelector& key,
                             std::vector<std::string> accepted, std::string kind, std::string purpose,
                             RecordFact record, Json more)
    : token_(std::move(token)),
      kind_(std::move(kind)),
      purpose_(std::move(purpose)),
      record_(std::move(record)),
      more_(std::move(more)),
      key_(pkcs11::TokenKey::open(
          token_, key,
          [this](const IntendedUse& use) {
            this->record(use.act == IntendedUse::Act::proof ? "key-prove" : kind_ + "-use", use);
          },
          std::move(accepted))) {}

void AuditedSigner::record(const std::string& kind, const IntendedUse& use) const {
  Json facts = use_facts(use, purpose_);
  for (const auto& [name, value] : more_.as_object()) facts.set(name, value);
  record_(kind, facts);
}

Bytes AuditedSigner::sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) {
  auto signature = key_->sign(to_be_signed, algorithm);
  record(kind_ + "-used", {IntendedUse::Act::signature, *token_, key_->info(), key_->standing(), algorithm.name,
                           hex(sha256(to_be_signed))});
  return signature;
}

}  // namespace hsmbridge::cli
