#include "tools/hsmbridge/audited_signer.h"

#include "base/bytes.h"
#include "tools/hsmbridge/place.h"

#include <utility>

namespace hsmbridge::cli {

AuditedSigner::AuditedSigner(std::unique_ptr<pkcs11::TokenKey> key, std::shared_ptr<pkcs11::Token> token,
                             std::string kind, std::string purpose, RecordFact record)
    : key_(std::move(key)),
      token_(std::move(token)),
      kind_(std::move(kind)),
      purpose_(std::move(purpose)),
      record_(std::move(record)) {}

Bytes AuditedSigner::sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) {
  auto signature = key_->sign(to_be_signed, algorithm);
  auto facts = key_facts(*token_, key_->info());
  facts.set("purpose", purpose_);
  facts.set("algorithm", algorithm.name);
  facts.set("signed_sha256", hex(sha256(to_be_signed)));
  record_(kind_, facts);
  return signature;
}

}  // namespace hsmbridge::cli
