#include "tools/hsmbridge/audited_signer.h"

#include "base/bytes.h"
#include "tools/hsmbridge/place.h"

#include <utility>

namespace hsmbridge::cli {

AuditedSigner::AuditedSigner(std::unique_ptr<pkcs11::TokenKey> key, std::shared_ptr<pkcs11::Token> token,
                             std::string kind, std::string purpose, RecordFact record, Json more)
    : key_(std::move(key)),
      token_(std::move(token)),
      kind_(std::move(kind)),
      purpose_(std::move(purpose)),
      record_(std::move(record)),
      more_(std::move(more)) {}

Bytes AuditedSigner::sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) {
  auto signature = key_->sign(to_be_signed, algorithm);
  auto facts = key_facts(*token_, key_->info());
  for (const auto& [name, value] : more_.as_object()) facts.set(name, value);
  facts.set("purpose", purpose_);
  facts.set("algorithm", algorithm.name);
  facts.set("signed_sha256", hex(sha256(to_be_signed)));
  record_(kind_, facts);
  return signature;
}

}  // namespace hsmbridge::cli
