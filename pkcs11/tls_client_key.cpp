#include "pkcs11/tls_client_key.h"

#include "base/error.h"
#include "pkcs11/keys/certificates.h"
#include "pkcs11/keys/contract_table.h"
#include "pkcs11/keys/key_objects.h"
#include "pkcs11/keys/public_key.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/token/module_state.h"
#include "pkcs11/token/token.h"
#include "x509/asn1/openssl_error.h"
#include "x509/asn1/openssl_ptr.h"
#include "x509/objects/certificate.h"

#include <fmt/core.h>
#include <libp11.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

// libp11 reports through OpenSSL's error queue, and sometimes not at all.
std::string queued_errors() {
  std::string text = x509::take_openssl_errors();
  return text.empty() ? "no reason given" : text;
}

Error libp11_failed(const Token& token, std::string_view what) {
  return Error{ErrorKind::unavailable,
               fmt::format("libp11 cannot {} of token {}: {}", what, token.name(), queued_errors())};
}

// A token as libp11 sees it, good for one login of ours (TokenState::epoch): its session pool and its key handles are
// dead after that, and it does not notice.
struct SeenToken {
  PKCS11_TOKEN* token = nullptr;
  unsigned long epoch = 0;
};

// One libp11 context a module, loaded after our own C_Initialize.
struct ModuleContext {
  // libp11's setting-up calls are not safe against each other in one context. Held while they wait for the module: a
  // token that hangs then holds up the keys of its own module, and those for as long as they care to wait.
  std::timed_mutex mutex;
  PKCS11_CTX* context = nullptr;
  bool loaded = false;
  std::map<std::string, SeenToken> tokens;  // by URI
  std::vector<PKCS11_SLOT*> kept;  // every list that was given: still owned, so no leak checker takes it for lost
};

// Asks no module.
ModuleContext& context_of(const Token& token) {
  static auto* const mutex = new std::mutex;
  static auto* const contexts = new std::map<std::string, ModuleContext>;
  const std::lock_guard lock(*mutex);
  ModuleContext& found = (*contexts)[token.state().module->state().path.string()];
  if (found.context == nullptr) {
    // What libp11 shares between contexts it makes at the first use, without a lock of its own (libp11 0.4.12).
    ::PKCS11_get_rsa_method();
    ::PKCS11_get_ec_key_method();
    found.context = ::PKCS11_CTX_new();
    if (found.context == nullptr) throw libp11_failed(token, "make a context for the module");
  }
  return found;
}

std::unique_lock<std::timed_mutex> lock_libp11(ModuleContext& module, const Token& token) {
  const Duration wait = token.access().session_wait;
  std::unique_lock lock(module.mutex, wait);
  if (lock) return lock;
  throw Error{ErrorKind::unavailable, fmt::format("token {}: another TLS connection has kept its module busy for {}",
                                                  token.name(), spoken(wait))}
      .with("lane", "down")
      .hint("look at the HSM and its connection");
}

void load(ModuleContext& module, const Token& token) {
  if (module.loaded) return;
  const ModuleState& state = token.state().module->state();
  if (!state.arguments.empty()) ::PKCS11_CTX_init_args(module.context, state.arguments.c_str());
  if (::PKCS11_CTX_load(module.context, state.path.c_str()) != 0) throw libp11_failed(token, "load the module");
  module.loaded = true;
}

// Nothing that libp11 gave is logged out, released, unloaded or freed: that would call C_Logout, C_CloseAllSessions or
// C_Finalize under our sessions (measured on libp11 0.4.12). Slots are therefore listed anew only after a login was
// lost; not by PKCS11_update_slots, which crashes on its second call.
PKCS11_TOKEN* token_in(ModuleContext& module, const Token& token) {
  TokenState& state = token.state();
  SeenToken& seen = module.tokens[state.uri];
  if (seen.token != nullptr && seen.epoch == state.epoch) return seen.token;
  PKCS11_SLOT* slots = nullptr;
  unsigned count = 0;
  if (::PKCS11_enumerate_slots(module.context, &slots, &count) != 0) throw libp11_failed(token, "list the slots");
  module.kept.push_back(slots);
  const CK_SLOT_ID wanted = state.current_slot();
  for (unsigned i = 0; i < count; ++i) {
    if (::PKCS11_get_slotid_from_slot(&slots[i]) != wanted || slots[i].token == nullptr) continue;
    seen = {.token = slots[i].token, .epoch = state.epoch};
    return seen.token;
  }
  throw libp11_failed(token, "find the slot");
}

// The last one that matches: libp11 appends what it finds anew and keeps what it found before.
PKCS11_KEY* key_in(PKCS11_TOKEN* libp11_token, const Token& token, const KeyInfo& key) {
  PKCS11_KEY* keys = nullptr;
  unsigned count = 0;
  if (::PKCS11_enumerate_keys(libp11_token, &keys, &count) != 0) throw libp11_failed(token, "list the keys");
  for (unsigned i = count; i > 0; --i) {
    PKCS11_KEY* const candidate = &keys[i - 1];
    const ByteView id(candidate->id, candidate->id_len);
    if (candidate->isPrivate != 0 && equal(id, key.id) &&
        (candidate->label == nullptr ? std::string() : std::string(candidate->label)) == key.label) {
      return candidate;
    }
  }
  throw libp11_failed(token, fmt::format("find key {}", key.name));
}

void refuse_ed25519_on_token(Token& token) {
  const bool there = reading(token.state(), [](Session& session) {
    Template match;
    match.flag(CKA_TOKEN, CK_TRUE).number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_EC_EDWARDS);
    return !find_objects(session, std::move(match)).empty();
  });
  if (!there) return;
  throw Error{ErrorKind::invalid_input,
              fmt::format("token {} holds an Ed25519 private key: libp11 can then use none of its keys for TLS client "
                          "authentication",
                          token.name())}
      .with("token", token.state().uri)
      .hint("keep the TLS client key on a token without Ed25519 keys, or give the client key as a file");
}

// What the handshake may ask of the key. libp11 0.4.12 pads RSA-PSS by itself and asks the token for raw RSA.
enum class Padding { any, pkcs1_only };

Padding padding_of(Token& token, const KeyInfo& key) {
  if (key.spec->type != x509::KeyType::rsa) return Padding::any;
  if (!token.can_sign_with(CKM_RSA_X_509)) return Padding::pkcs1_only;
  return reading(token.state(), [&](Session& session) {
    const auto private_half = locate(session, key).private_half;
    if (!private_half) {
      throw Error{ErrorKind::not_found,
                  fmt::format("the private half of key {} is not on token {} any more", key.name, token.name())};
    }
    const auto allowed = read_attribute(session, *private_half, CKA_ALLOWED_MECHANISMS);
    if (!allowed || allowed->empty()) return Padding::any;
    for (std::size_t at = 0; at + sizeof(CK_ULONG) <= allowed->size(); at += sizeof(CK_ULONG)) {
      if (number_of(ByteView(*allowed).subspan(at, sizeof(CK_ULONG))) == CKM_RSA_X_509) return Padding::any;
    }
    return Padding::pkcs1_only;
  });
}

// As OpenSSL has it, of bytes that our own reader took: it passes over nothing, and nothing follows the certificate.
x509::X509Ptr parse_certificate(ByteView der) {
  x509::parse_certificate(der);
  const unsigned char* at = der.data();
  x509::X509Ptr certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("a certificate for TLS client authentication cannot be read: {}", queued_errors())};
  }
  return certificate;
}

}  // namespace

struct TlsClientKey::State {
  std::shared_ptr<Token> token;
  std::unique_ptr<TokenKey> key;
  std::vector<Bytes> chain;
  Padding padding = Padding::any;
};

TlsClientKey::TlsClientKey(std::unique_ptr<State> state) : state_(std::move(state)) {}

TlsClientKey::~TlsClientKey() = default;

std::shared_ptr<TlsClientKey> TlsClientKey::open(std::shared_ptr<Token> token, const KeySelector& selector,
                                                 workflow::Intent intent, workflow::RecordFact record,
                                                 std::vector<Bytes> chain) {
  auto state = std::make_unique<State>();
  const KeyInfo key = with_proved_claim(token, find_key(*token, selector), intent, record);
  // libp11 knows RSA and EC keys.
  const bool known = key.spec && (key.spec->type == x509::KeyType::rsa || key.spec->type == x509::KeyType::ec);
  if (!key.has_private || !known) {
    throw Error{ErrorKind::invalid_input, fmt::format("key {} on token {} cannot authenticate a TLS client: it is {}",
                                                      key.name, token->name(), candidate_text(key))}
        .hint("use an RSA or EC key whose private half is on the token");
  }
  if (key.always_authenticate) {
    throw Error{
        ErrorKind::invalid_input,
        fmt::format("key {} on token {} wants its PIN for every signature (CKA_ALWAYS_AUTHENTICATE), which a TLS "
                    "handshake cannot give",
                    key.name, token->name())}
        .hint("use a key without CKA_ALWAYS_AUTHENTICATE");
  }
  refuse_ed25519_on_token(*token);
  state->key = TokenKey::open(token, key, std::move(intent), std::move(record));
  if (chain.empty()) {
    // The newest one is not known to PKCS#11; with several the configuration must say which.
    const auto beside = certificates_of(*token, key);
    if (beside.size() != 1) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} certificates are next to key {} on token {}, one is needed",
                                                        beside.size(), key.name, token->name())}
          .hint("give the client certificate as a file, or put one next to the key: hsmbridge cert install");
    }
    chain.push_back(beside.front().der);
  }
  const auto spki = spki_of_certificate(chain.front());
  if (!spki || *spki != key.spki) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("the TLS client certificate is not for key {} on token {}", key.name, token->name())}
        .hint("the first certificate must be the client's own");
  }
  state->chain = std::move(chain);
  state->padding = padding_of(*token, key);
  state->token = std::move(token);
  return std::shared_ptr<TlsClientKey>(new TlsClientKey(std::move(state)));
}

void TlsClientKey::install(void* ssl_ctx) {
  Token& token = *state_->token;
  SSL_CTX* const context = static_cast<SSL_CTX*>(ssl_ctx);
  // Our session first: libp11 waits for ever when its own first C_OpenSession fails. Our login is its login too, so it
  // is never given a PIN; a token that wants no login gets a session of ours only.
  token.login();
  refuse_ed25519_on_token(token);
  state_->key->lend([&] { hand_over(context); });
}

void TlsClientKey::hand_over(SSL_CTX* context) {
  Token& token = *state_->token;
  const KeyInfo& info = state_->key->info();
  ModuleContext& module = context_of(token);
  const auto lock = lock_libp11(module, token);
  ::ERR_clear_error();
  load(module, token);
  PKCS11_KEY* const found = key_in(token_in(module, token), token, info);
  const x509::PkeyPtr key(::PKCS11_get_private_key(found));
  if (!key) throw libp11_failed(token, fmt::format("use key {}", info.name));
  if (::SSL_CTX_use_certificate(context, parse_certificate(state_->chain.front()).get()) != 1) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("OpenSSL refuses the TLS client certificate: {}", queued_errors())};
  }
  ::SSL_CTX_clear_chain_certs(context);
  for (std::size_t i = 1; i < state_->chain.size(); ++i) {
    if (::SSL_CTX_add1_chain_cert(context, parse_certificate(state_->chain[i]).get()) != 1) {
      throw Error{ErrorKind::invalid_input,
                  fmt::format("OpenSSL refuses the chain of the TLS client certificate: {}", queued_errors())};
    }
  }
  // RFC 8446 §4.2.3: TLS 1.3 has no PKCS#1 v1.5 signature in the handshake, so such a key stays with 1.2.
  if (state_->padding == Padding::pkcs1_only &&
      (::SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) != 1 ||
       ::SSL_CTX_set1_client_sigalgs_list(context, "RSA+SHA256:RSA+SHA384:RSA+SHA512") != 1)) {
    throw Error{ErrorKind::internal, fmt::format("OpenSSL refuses our TLS settings: {}", queued_errors())};
  }
  if (::SSL_CTX_use_PrivateKey(context, key.get()) != 1 || ::SSL_CTX_check_private_key(context) != 1) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("OpenSSL refuses key {} for TLS: {}", info.name, queued_errors())};
  }
}

}  // namespace hsmbridge::pkcs11
