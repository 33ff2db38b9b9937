#pragma once

#include "base/json.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/token/token.h"
#include "tools/hsmbridge/wiring/key_journal.h"
#include "x509/objects/signer.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::cli {

// A key in a token with two leaves of the audit log for every signature: one before the key signs, one when the
// signature is there and nobody has it yet. The first without the second: the token failed, or the process died, and
// what was signed, if anything, left this process never.
class AuditedSigner final : public x509::Signer {
 public:
  // `kind` names the leaves ("approver-key": "approver-key-use", then "approver-key-used"), `purpose` what the key is
  // used for. `more`: what each leaf says beside that. Throws what TokenKey::open throws.
  AuditedSigner(std::shared_ptr<pkcs11::Token> token, const pkcs11::KeySelector& key, std::vector<std::string> accepted,
                std::string kind, std::string purpose, RecordFact record, Json more = Json::object());
  AuditedSigner(const AuditedSigner&) = delete;
  AuditedSigner& operator=(const AuditedSigner&) = delete;

  // From the next signature on. Not while another thread signs.
  void purpose(std::string purpose) { purpose_ = std::move(purpose); }

  const Bytes& subject_public_key_info() const override { return key_->subject_public_key_info(); }
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override;

 private:
  void record(const std::string& kind, const pkcs11::IntendedUse& use) const;

  const std::shared_ptr<pkcs11::Token> token_;
  const std::string kind_;
  std::string purpose_;
  const RecordFact record_;
  const Json more_;
  const std::unique_ptr<pkcs11::TokenKey> key_;  // last: opening it may sign a proof
};

}  // namespace hsmbridge::cli
