#include "pkcs11/keys/signer.h"

#include "base/text.h"
#include "base/unicode.h"
#include "pkcs11/cryptoki/mechanism_name.h"
#include "pkcs11/keys/contract_table.h"
#include "pkcs11/keys/key_objects.h"
#include "pkcs11/token/token.h"
#include "x509/objects/spki.h"
#include "x509/objects/verify.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

using x509::KeySpec;
using x509::KeyType;
using x509::SignatureAlgorithm;

constexpr std::size_t kMostSignature = 2048;  // RSA with 16384 bits

// digest | CKM_* | CKG_MGF1_* | salt length in octets (RFC 4055 §3.1: that of the hash)
struct PssDigest {
  std::string_view digest;
  CK_MECHANISM_TYPE hash;
  CK_ULONG mgf;
  CK_ULONG salt;
};
constexpr PssDigest kPssDigests[] = {
    {"SHA256", CKM_SHA256, CKG_MGF1_SHA256, 32},
    {"SHA384", CKM_SHA384, CKG_MGF1_SHA384, 48},
    {"SHA512", CKM_SHA512, CKG_MGF1_SHA512, 64},
};

struct Operation {
  CK_MECHANISM_TYPE mechanism = 0;
  std::optional<CK_RSA_PKCS_PSS_PARAMS> pss;
  Bytes input;
};

// FIPS 186-4 §6.4: ECDSA takes the leftmost bits of a digest that is longer than the order of the curve. Some tokens do
// that, others refuse the digest with CKR_DATA_LEN_RANGE. The orders of our curves that are shorter than a digest have
// a whole number of octets.
void cut_to_order(Bytes& digest, const KeySpec& curve) {
  const std::size_t order = (curve.bits + 7) / 8;
  if (digest.size() > order) digest.resize(order);
}

Operation operation_for(const Token& token, const SignatureAlgorithm& algorithm, ByteView message) {
  Operation operation;
  const CK_MECHANISM_TYPE hashed = algorithm.hashed_mechanism;
  if (token.can_sign_with(algorithm.token_mechanism)) {
    operation.mechanism = algorithm.token_mechanism;
    operation.input = x509::token_input(algorithm, message);
  } else if (hashed != 0 && token.can_sign_with(hashed)) {
    operation.mechanism = hashed;
    operation.input.assign(message.begin(), message.end());
  } else {
    throw Error{ErrorKind::invalid_input,
                fmt::format("token {} cannot sign {}: it has neither {}{}{}", token.name(), algorithm.name,
                            mechanism_name(algorithm.token_mechanism), hashed != 0 ? " nor " : "",
                            hashed != 0 ? mechanism_name(hashed) : "")}
        .hint("choose another algorithm or token: hsmbridge token show lists the mechanisms");
  }
  if (algorithm.token_input == x509::TokenInput::pss_digest) {
    for (const PssDigest& row : kPssDigests) {
      if (row.digest == algorithm.digest) operation.pss = CK_RSA_PKCS_PSS_PARAMS{row.hash, row.mgf, row.salt};
    }
    if (!operation.pss) throw Error{ErrorKind::internal, "a PSS algorithm without a row for its digest"};
  }
  return operation;
}

}  // namespace

struct TokenKey::State {
  std::shared_ptr<Token> token;
  KeyInfo key;
  workflow::Intent intent;
  workflow::RecordFact record;
  std::mutex mutex;  // guards what follows, and what the intent says
  KeyStanding standing;
  CK_OBJECT_HANDLE handle = 0;
  unsigned long epoch = 0;
  bool doubted = false;  // a signature did not verify: a remembered handle may be another key's by now

  // The cached handle while the login that it belongs to lasts; else the key is looked up again, must be the same, and
  // is compared with the contract again.
  CK_OBJECT_HANDLE private_handle(const Session& session) {
    const std::lock_guard lock(mutex);
    const unsigned long now = session.token().epoch;
    if (epoch != now) {
      // Nothing verifies what OpenSSL signs with the key in a handshake.
      const bool verified = intent.purpose != workflow::Purpose::tls_client && !doubted;
      PrivateHalf found = locate_private_half(session, key, verified ? pkcs11::Look::remembered : pkcs11::Look::again);
      doubted = false;
      if (!row_of(intent.purpose).any_flaw) refuse_flaws(found.standing, intent.accepted, *token, key);
      standing = std::move(found.standing);
      handle = found.handle;
      epoch = now;
    }
    return handle;
  }

  enum class Look { when_the_login_is_new, always };
  // First in the order of every use. While a signature runs, private_handle looks again where the login is lost.
  void compare_with_contract(Look when) {
    {
      const std::lock_guard lock(mutex);
      if (when == Look::always) epoch = 0;
      if (epoch != 0 && epoch == token->state().epoch) return;
    }
    reading(token->state(), [&](Session& session) { return private_handle(session); });
  }

  void write_down(std::string_view leaf, const Json* more, std::string_view algorithm,
                  const std::string& signed_sha256) {
    Json facts = workflow::facts_of(token->name(), key);
    {
      const std::lock_guard lock(mutex);
      facts.set("purpose", intent.words);
      if (!algorithm.empty()) facts.set("algorithm", std::string(algorithm));
      if (!signed_sha256.empty()) facts.set("signed_sha256", signed_sha256);
      facts.set("flaws", Json(standing.flaws));
      for (const auto& [name, value] : (more != nullptr ? *more : intent.more).as_object()) facts.set(name, value);
    }
    record(leaf, facts);
  }

  Bytes sign_in_token(const SignatureAlgorithm& algorithm, ByteView message) {
    Operation operation = operation_for(*token, algorithm, message);
    if (operation.mechanism == CKM_ECDSA) cut_to_order(operation.input, *key.spec);
    if (key.always_authenticate) expect_login_for_one_signature(token->state());
    const auto use = key.always_authenticate ? UsageGate::Use::alone : UsageGate::Use::shared;
    return with_session(token->state(), Access::read, Needs::login, Ask::when_idle, use,
                        [&](Session& session) { return sign_once(session, operation); });
  }

  Bytes sign_once(Session& session, Operation& operation) {
    const std::string doing = fmt::format("sign with key {}", key.name);
    CK_MECHANISM mechanism{operation.mechanism, operation.pss ? &*operation.pss : nullptr,
                           operation.pss ? sizeof *operation.pss : 0UL};
    const CK_RV ready = session.functions().C_SignInit(session.handle(), &mechanism, private_handle(session));
    // What SoftHSM answers when the login ends in the middle of the call.
    if (ready == CKR_GENERAL_ERROR) session.expect_login();
    session.check(ready, "C_SignInit", doing);
    // From here on the session has an open operation, which only C_Sign ends: whatever fails, it is closed.
    struct CloseOnFailure {
      Session& session;
      bool done = false;
      ~CloseOnFailure() {
        if (!done) session.discard_and_keep_login();
      }
    } guard{session};
    if (key.always_authenticate) log_in_for_one_signature(token->state(), session.handle());
    Bytes signature(kMostSignature);
    CK_ULONG length = signature.size();
    const auto call = [&] {
      return session.functions().C_Sign(session.handle(), operation.input.data(), operation.input.size(),
                                        signature.data(), &length);
    };
    CK_RV rv = call();
    if (rv == CKR_BUFFER_TOO_SMALL) {
      // PKCS#11 v2.40 §5.2: the operation stays open, and `length` says what is needed.
      signature.resize(std::max<std::size_t>(length, kMostSignature));
      length = signature.size();
      rv = call();
    }
    // Only some codes say that nothing was done when the call began.
    if (rv != CKR_OK && row_of(intent.purpose).once && !return_code(rv).before_the_call()) {
      throw TokenFailure(rv, "C_Sign", doing).once_only();
    }
    session.check(rv, "C_Sign", doing);
    guard.done = true;
    signature.resize(std::min<std::size_t>(length, signature.size()));
    return signature;
  }
};

void expect_to_sign(const Token& token, const SignatureAlgorithm& algorithm) {
  operation_for(token, algorithm, {});
}

TokenKey::TokenKey(std::unique_ptr<State> state) : state_(std::move(state)) {}

TokenKey::~TokenKey() = default;

std::unique_ptr<TokenKey> TokenKey::open(std::shared_ptr<Token> token, KeyInfo key, workflow::Intent intent,
                                         workflow::RecordFact record) {
  if (!record) throw Error{ErrorKind::internal, "a key is opened without a log of its uses"};
  if (wants_proof(key)) key = with_proved_claim(token, std::move(key), intent, record);
  const auto refuse = [&](std::string_view why, std::string_view what_to_do) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("key {} on token {} cannot sign: {}", key.name, token->name(), why)}
        .with("key", candidate_text(key))
        .hint(std::string(what_to_do));
  };
  if (!key.has_private) refuse("only its public half is there", "name a key whose private half is on the token");
  if (!key.paired) {
    refuse("two public keys carry its id and label, and nothing says which is its own",
           "remove the public key that is not its own");
  }
  if (key.spki.empty() && !key.claims.empty()) {
    const std::string certificates =
        joined(key.claims, ", ", [](const KeyInfo::Claim& claim) { return '"' + printable(claim.certificate) + '"'; });
    refuse(fmt::format("the token shows no public half, and no certificate under its CKA_ID is its own ({})",
                       certificates),
           "put the public key or the key's own certificate next to it, with the same CKA_ID");
  }
  if (key.spki.empty() || !key.spec) {
    refuse(fmt::format("the token shows no public key of a kind known here ({})", key.type),
           "put the public key or a certificate of the key next to it, with the same CKA_ID");
  }
  auto state = std::make_unique<State>();
  state->token = std::move(token);
  state->key = std::move(key);
  state->intent = std::move(intent);
  state->record = std::move(record);
  state->compare_with_contract(State::Look::always);
  return std::unique_ptr<TokenKey>(new TokenKey(std::move(state)));
}

std::unique_ptr<TokenKey> TokenKey::open(std::shared_ptr<Token> token, const KeySelector& selector,
                                         workflow::Intent intent, workflow::RecordFact record) {
  KeyInfo key = find_key(*token, selector);
  return open(std::move(token), std::move(key), std::move(intent), std::move(record));
}

std::unique_ptr<TokenKey> TokenKey::open_pinned(std::shared_ptr<Token> token, const KeySelector& selector,
                                                const SpkiHash& expected, workflow::Intent intent,
                                                workflow::RecordFact record) {
  std::optional<KeyInfo> known;
  if (intent.purpose != workflow::Purpose::tls_client) known = remembered_key(token->state(), selector, expected);
  KeyInfo key = known ? std::move(*known) : find_pinned(*token, selector, expected);
  return open(std::move(token), std::move(key), std::move(intent), std::move(record));
}

const KeyInfo& TokenKey::info() const noexcept {
  return state_->key;
}

KeyStanding TokenKey::standing() const {
  const std::lock_guard lock(state_->mutex);
  return state_->standing;
}

const Bytes& TokenKey::subject_public_key_info() const {
  return state_->key.spki;
}

void TokenKey::say(std::string words) {
  const std::lock_guard lock(state_->mutex);
  state_->intent.words = std::move(words);
}

Bytes TokenKey::sign(ByteView to_be_signed, const SignatureAlgorithm& algorithm) {
  return sign(nullptr, to_be_signed, algorithm);
}

Bytes TokenKey::sign_saying(const Json& more, ByteView to_be_signed, const SignatureAlgorithm& algorithm) {
  return sign(&more, to_be_signed, algorithm);
}

Bytes TokenKey::sign(const Json* more, ByteView to_be_signed, const SignatureAlgorithm& algorithm) {
  const workflow::Purpose purpose = state_->intent.purpose;
  if (purpose == workflow::Purpose::proof || purpose == workflow::Purpose::tls_client) {
    throw Error{ErrorKind::internal,
                "a key that was opened for a proof or for TLS client authentication signs nothing else"};
  }
  const workflow::PurposeRow& row = row_of(purpose);
  Bytes signature = sign_for(row.intent, more, to_be_signed, algorithm);
  if (row.outcome.empty()) return signature;
  try {
    state_->write_down(row.outcome, more, algorithm.name, hex(sha256(to_be_signed)));
  } catch (const Error& error) {
    if (!row.once) throw;
    throw Error{ErrorKind::outcome_unknown, fmt::format("the signature with key {} was made, and was dropped: {}",
                                                        state_->key.name, error.message())}
        .hint(error.hint());
  }
  return signature;
}

void TokenKey::lend(const std::function<void()>& hand_over) {
  if (state_->intent.purpose != workflow::Purpose::tls_client) {
    throw Error{ErrorKind::internal, "a key is handed to OpenSSL for something else than TLS client authentication"};
  }
  state_->compare_with_contract(State::Look::always);
  state_->write_down(row_of(state_->intent.purpose).intent, nullptr, "", "");
  hand_over();
}

Bytes TokenKey::sign_for(std::string_view leaf, const Json* more, ByteView message,
                         const SignatureAlgorithm& algorithm) {
  const KeyInfo& key = state_->key;
  if (algorithm.key_type != key.spec->type) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("key {} is {} and cannot sign {}", key.name, key.type, algorithm.name)}
        .hint(fmt::format("use {}", x509::default_algorithm(*key.spec).name));
  }
  state_->compare_with_contract(State::Look::when_the_login_is_new);
  state_->write_down(leaf, more, algorithm.name, hex(sha256(message)));
  const Bytes answer = state_->sign_in_token(algorithm, message);
  try {
    Bytes signature = x509::signature_from_token(algorithm, *key.spec, answer);
    if (x509::verify(key.spki, algorithm, message, signature)) return signature;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) throw;
  }
  // Another key may have taken its place: then that is the error.
  {
    const std::lock_guard lock(state_->mutex);
    state_->doubted = true;
  }
  try {
    state_->compare_with_contract(State::Look::always);
  } catch (const Error& error) {
    // Some key of the token has signed the bytes all the same.
    if (!row_of(state_->intent.purpose).once) throw;
    throw Error{ErrorKind::outcome_unknown,
                fmt::format("token {} answered with a signature that is not that of key {}: {}", state_->token->name(),
                            key.name, error.message())}
        .hint(error.hint());
  }
  throw Error{ErrorKind::corrupt, fmt::format("token {} answered a wrong signature with key {} ({}): it was not used",
                                              state_->token->name(), key.name, algorithm.name)}
      .with("key", candidate_text(key))
      .hint(
          "either the token is faulty, or the public key next to the private half is not its own: hsmbridge key show");
}

Bytes proof_message(ByteView nonce, ByteView spki) {
  // No DER structure begins with "h" (0x68, an application tag): this can never be taken for a certificate or a
  // request.
  constexpr std::string_view kDomain{"hsmbridge key proof v1\0", 23};
  Bytes message = to_bytes(kDomain);
  message.insert(message.end(), nonce.begin(), nonce.end());
  const Bytes hash = sha256(spki);
  message.insert(message.end(), hash.begin(), hash.end());
  return message;
}

bool wants_proof(const KeyInfo& key) {
  return key.has_private && key.paired && key.spki.empty() && !key.claims.empty();
}

namespace {

// How a token refuses to sign what a key of another curve or type would: then the claim is another key's.
bool is_of_another_kind(CK_RV rv) {
  return rv == CKR_DATA_LEN_RANGE || rv == CKR_KEY_TYPE_INCONSISTENT || rv == CKR_KEY_SIZE_RANGE;
}

bool signs_as(const std::shared_ptr<Token>& token, KeyInfo supposed, const workflow::Intent& intent,
              const workflow::RecordFact& record) {
  const auto key = TokenKey::open(token, std::move(supposed), intent, record);
  try {
    key->prove(random_bytes(32));
    return true;
  } catch (const TokenFailure& failure) {
    if (!is_of_another_kind(failure.code())) throw;
  } catch (const Error& error) {
    // A signature that does not verify. A log that is corrupt names no key.
    if (error.kind() != ErrorKind::corrupt || error.detail("key").empty()) throw;
  }
  return false;
}

}  // namespace

KeyInfo with_proved_claim(const std::shared_ptr<Token>& token, KeyInfo key, const workflow::Intent& intent,
                          const workflow::RecordFact& record) {
  if (!wants_proof(key)) return key;
  for (const KeyInfo::Claim& claim : key.claims) {
    KeyInfo supposed = key;
    take_claim(supposed, claim.spki);
    if (signs_as(token, supposed, intent, record)) return supposed;
  }
  return key;
}

workflow::KeyProof TokenKey::prove(ByteView nonce) {
  if (nonce.size() < 16) throw Error{ErrorKind::invalid_input, "a proof wants a nonce of at least 16 octets"};
  const SignatureAlgorithm& algorithm = x509::default_algorithm(*state_->key.spec);
  workflow::KeyProof proof{.nonce = Bytes(nonce.begin(), nonce.end()),
                           .message = proof_message(nonce, state_->key.spki),
                           .signature = {},
                           .algorithm = std::string(algorithm.name)};
  proof.signature = sign_for(workflow::kProofIntent, nullptr, proof.message, algorithm);
  return proof;
}

}  // namespace hsmbridge::pkcs11
