#pragma once

#include "base/json.h"
#include "pkcs11/signer.h"
#include "pkcs11/token.h"
#include "x509/signer.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace hsmbridge::cli {

// Appends a leaf to the audit log: durable when it returns. Throws unavailable: then nothing may leave the process.
using RecordFact = std::function<void(std::string_view kind, const Json& facts)>;

// A key in a token whose every signature is a leaf of the audit log before anybody gets it. Used by one thread at a
// time, as every signer is.
class AuditedSigner final : public x509::Signer {
 public:
  // `kind` names the leaf ("approver-key-used"), `purpose` what it is used for. `more`: what each leaf says beside
  // that.
  AuditedSigner(std::unique_ptr<pkcs11::TokenKey> key, std::shared_ptr<pkcs11::Token> token, std::string kind,
                std::string purpose, RecordFact record, Json more = Json::object());

  // From the next signature on.
  void purpose(std::string purpose) { purpose_ = std::move(purpose); }

  const Bytes& subject_public_key_info() const override { return key_->subject_public_key_info(); }
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override;

 private:
  std::unique_ptr<pkcs11::TokenKey> key_;
  std::shared_ptr<pkcs11::Token> token_;
  const std::string kind_;
  std::string purpose_;
  RecordFact record_;
  const Json more_;
};

}  // namespace hsmbridge::cli
