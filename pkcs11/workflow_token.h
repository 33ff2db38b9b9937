#pragma once

#include "pkcs11/token/token.h"
#include "pkcs11/token/token_thread.h"
#include "workflow/ports/key_use.h"
#include "workflow/ports/token.h"

#include <functional>
#include <memory>

namespace hsmbridge::pkcs11 {

// A token as the workflow sees it. Every call runs on threads that belong to this token: one that takes longer than
// `deadline` is left to its thread and the token counts as unavailable until it returns. The token is opened at the
// first call and looked for again after it was not there: a token that is not plugged in is `unavailable` here, never
// `not_found`, since a request must not fail for a card that is in a drawer.
// Thread rule: may be called from several threads.
class WorkflowToken final : public workflow::Token {
 public:
  using Open = std::function<std::shared_ptr<pkcs11::Token>()>;
  // `name`: the token's name in the configuration, for messages.
  // `record`: each use of a key is written down with it, on a thread of the token.
  WorkflowToken(std::string name, Open open, workflow::RecordFact record, Duration deadline, unsigned threads);
  ~WorkflowToken() override;

  workflow::Key ensure_key(const workflow::KeyWish& wish) override;
  std::unique_ptr<x509::Signer> signer(const workflow::Key& key, workflow::Purpose purpose) override;
  // For what is signed in another one's time (a CA's certificate, in that of its provider): opening and each signature
  // take `limit` at most. A signature past it throws outcome_unknown. `key` is pinned by its SubjectPublicKeyInfo and
  // found by its CKA_ID, else by what its `uri` holds: any selector.
  std::unique_ptr<x509::Signer> signer_within(const workflow::Key& key, workflow::Intent intent, Duration limit);
  void put_certificate(const workflow::Key& key, ByteView certificate, const std::vector<Bytes>& replaces) override;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace hsmbridge::pkcs11
