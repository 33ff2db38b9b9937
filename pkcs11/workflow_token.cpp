#include "pkcs11/workflow_token.h"

#include "base/error.h"
#include "pkcs11/keys/certificates.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/keys/signer.h"
#include "x509/objects/algorithm.h"

#include <mutex>
#include <utility>

namespace hsmbridge::pkcs11 {

// Shared with the work on the token's threads, which may outlive both its caller and the WorkflowToken.
struct WorkflowToken::Shared {
  Shared(std::string token_name, Open how_to_open, workflow::RecordFact uses, Duration limit, unsigned threads)
      : name(std::move(token_name)),
        open(std::move(how_to_open)),
        record(std::move(uses)),
        deadline(limit),
        thread(name, threads) {}

  std::string name;
  Open open;
  workflow::RecordFact record;
  Duration deadline;
  std::mutex mutex;
  std::shared_ptr<pkcs11::Token> opened;
  TokenThread thread;

  std::shared_ptr<pkcs11::Token> token() {
    const std::lock_guard lock(mutex);
    if (opened) return opened;
    try {
      opened = open();
    } catch (const Error& error) {
      // Whatever keeps the token from being opened (it is not in its slot, its module cannot be loaded, two tokens
      // match) says nothing about the request.
      Error later = error.restated(ErrorKind::unavailable, error.message());
      if (later.detail("lane").empty()) later.with("lane", "down");
      throw later;
    }
    return opened;
  }

  // On a thread of the token. That nobody can log in now says nothing about the request: somebody will correct the PIN,
  // or unlock it, and another process may have another source.
  template <class Work>
  auto run(Work work) {
    return run_within(deadline, WhenLate::unavailable, std::move(work));
  }
  template <class Work>
  auto run_within(Duration limit, WhenLate late, Work work) {
    try {
      return thread.call(limit, late, std::move(work));
    } catch (const Error& error) {
      throw for_a_waiting_request(error);
    }
  }
};

namespace {

workflow::Key key_of(const KeyInfo& info, bool made_here) {
  workflow::Key key;
  key.uri = info.uri;
  key.label = info.label;
  key.cka_id = hex(info.id);
  key.spki = info.spki_hash;
  key.made_here = made_here;
  return key;
}

using workflow::Purpose;

workflow::Intent intent_of(Purpose purpose, std::vector<std::string> accepted) {
  return {purpose, std::string(row_of(purpose).word), Json::object(), std::move(accepted)};
}

// By CKA_ID, which is what a request stores; by its URI where the token gave the key none. Other keys may have that id
// too: the pinned public key says which one is meant.
KeySelector selector_of(const workflow::Key& key) {
  return key.cka_id.empty() ? KeySelector::parse(key.uri) : KeySelector::by_id(from_hex(key.cka_id));
}

void check_usable(const KeyInfo& info) {
  if (!info.has_private) {
    throw Error{ErrorKind::not_found, "key " + info.name + ": its private half is not on the token"};
  }
  if (info.spki.empty()) {
    throw Error{ErrorKind::not_found, "key " + info.name + ": the token shows no public half of it"}.hint(
        "put the public key or a certificate of it on the token, with the same CKA_ID");
  }
}

// Signs on the token's threads, so that a hanging token holds up no effect thread for longer than the deadline.
class ThreadedSigner final : public x509::Signer {
 public:
  ThreadedSigner(std::shared_ptr<TokenKey> key, std::function<Bytes(std::function<Bytes()>)> on_thread)
      : key_(std::move(key)), on_thread_(std::move(on_thread)) {}

  const Bytes& subject_public_key_info() const override { return key_->subject_public_key_info(); }
  Bytes sign(ByteView to_be_signed, const x509::SignatureAlgorithm& algorithm) override {
    return on_thread_([key = key_, bytes = Bytes(to_be_signed.begin(), to_be_signed.end()), row = &algorithm] {
      return key->sign(bytes, *row);
    });
  }

 private:
  std::shared_ptr<TokenKey> key_;
  std::function<Bytes(std::function<Bytes()>)> on_thread_;
};

}  // namespace

WorkflowToken::WorkflowToken(std::string name, Open open, workflow::RecordFact record, Duration deadline,
                             unsigned threads)
    : shared_(std::make_shared<Shared>(std::move(name), std::move(open), std::move(record), deadline, threads)) {}

WorkflowToken::~WorkflowToken() = default;

workflow::Key WorkflowToken::ensure_key(const workflow::KeyWish& wish) {
  // A generation that comes too late is found by its journalled CKA_ID at the next run. Until it returns it holds the
  // token's lock for making keys, so that no other worker of this host carries out the same plan meanwhile; one of
  // another host may. The late call then finds more than one key under the id and takes back its own by its handles, or
  // cannot see what it made and leaves it.
  return shared_->run([shared = shared_, wish] {
    const auto token = shared->token();
    if (wish.source == workflow::KeyWish::Source::use) {
      const auto selector = KeySelector::parse(wish.selector);
      const auto info = wish.spki.empty() ? find_key(*token, selector) : find_pinned(*token, selector, wish.spki);
      if (!wants_proof(info)) check_usable(info);
      const auto opened = TokenKey::open(token, info, intent_of(Purpose::csr, wish.accept), shared->record);
      const KeyStanding standing = opened->standing();
      auto key = key_of(opened->info(), false);
      key.flaws = standing.flaws;
      key.not_shown = standing.not_shown;
      return key;
    }
    const KeyPlan plan{wish.selector, from_hex(wish.cka_id), x509::parse_key_spec(wish.spec)};
    return key_of(make_key(*token, plan).key, true);
  });
}

std::unique_ptr<x509::Signer> WorkflowToken::signer(const workflow::Key& key, Purpose purpose) {
  auto opened = shared_->run([shared = shared_, key, purpose] {
    return std::shared_ptr<TokenKey>(TokenKey::open_pinned(shared->token(), selector_of(key), key.spki,
                                                           intent_of(purpose, key.flaws), shared->record));
  });
  return std::make_unique<ThreadedSigner>(
      std::move(opened), [shared = shared_](std::function<Bytes()> work) { return shared->run(std::move(work)); });
}

std::unique_ptr<x509::Signer> WorkflowToken::signer_within(const workflow::Key& key, workflow::Intent intent,
                                                           Duration limit) {
  auto opened = shared_->run_within(limit, WhenLate::unavailable, [shared = shared_, key, intent = std::move(intent)] {
    return std::shared_ptr<TokenKey>(
        TokenKey::open_pinned(shared->token(), selector_of(key), key.spki, intent, shared->record));
  });
  return std::make_unique<ThreadedSigner>(std::move(opened), [shared = shared_, limit](std::function<Bytes()> work) {
    return shared->run_within(limit, WhenLate::outcome_unknown, std::move(work));
  });
}

void WorkflowToken::put_certificate(const workflow::Key& key, ByteView certificate,
                                    const std::vector<Bytes>& replaces) {
  shared_->run([shared = shared_, key, der = Bytes(certificate.begin(), certificate.end()), replaces] {
    pkcs11::put_certificate(*shared->token(), selector_of(key), key.spki, der, replaces);
  });
}

}  // namespace hsmbridge::pkcs11
