#include "base/bytes.h"
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/login/pin_attempt.h"
#include "pkcs11/login/token_lock.h"
#include "pkcs11/token/module_state.h"
#include "pkcs11/token/token_state.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

// The rules of a login, in the order in which they are kept: nothing is tried that was refused before, one attempt at a
// time on this host, never the last one, and the attempt is on disk before the PIN is sent.
namespace hsmbridge::pkcs11 {
namespace {

std::string user_text(UserType user) {
  switch (user) {
    case kSecurityOfficer:
      return "security officer";
    case kUser:
      return "user";
    case kContextSpecific:
      return "user (for one signature)";
    default:
      return fmt::format("user of type 0x{:x}", user);
  }
}

const PinSource& key_pin(const TokenState& token) {
  return token.access.key_pin ? *token.access.key_pin : token.access.pin;
}

bool keys_have_own_pin(const TokenState& token) {
  return token.access.key_pin && token.access.key_pin->name != token.access.pin.name;
}

// The user's PIN is the same PIN, and counted by the same counter, whether it is given for the token or for one
// signature, unless the keys have a PIN of their own.
std::vector<PinSubject> same_pin(const TokenState& token, UserType user) {
  std::vector<UserType> types{user};
  if (user != kSecurityOfficer && !keys_have_own_pin(token)) types = {token.access.user_type, kContextSpecific};
  if (types.front() == kSecurityOfficer && user == kContextSpecific) types = {kContextSpecific};
  std::vector<PinSubject> subjects;
  for (const UserType type : types) {
    subjects.push_back({.token_serial = token.serial, .user_type = type, .distinction = token.distinction});
  }
  return subjects;
}

// Of a PIN that logged in. Not to be guessed from outside of this process, and gone with it.
Bytes digest_of(const Secret& pin) {
  static const Bytes key = random_bytes(32);
  std::string text = to_text(key);
  text.reserve(text.size() + pin.reveal().size());
  text += pin.reveal();
  const Secret keyed(std::move(text));
  return sha256(as_bytes(keyed.reveal()));
}

// What may be said about a refused PIN without showing it.
std::string oddity_of(const Secret& pin, const std::string& source) {
  const std::string_view text = pin.reveal();
  if (text.empty()) return {};
  if (text.back() == ' ') return fmt::format("the value of {} ends with a blank", source);
  if (text.front() == ' ') return fmt::format("the value of {} begins with a blank", source);
  return {};
}

class Attempt {
 public:
  Attempt(TokenState& token, UserType user, const PinSource& source)
      : token_(token),
        user_(user),
        source_(source),
        subjects_(same_pin(token, user)),
        memory_(*token.refusals, token.clock, subjects_,
                {.token = fmt::format("token {}", token.access.name),
                 .source = source.name,
                 .uri = token.uri,
                 .next = fmt::format("correct the PIN, then allow another attempt: hsmbridge token login {} --retry",
                                     token.access.name)}) {}

  void refuse_if_refused_before() const { memory_.refuse_if_refused_before(); }
  void forget_refusal() const { memory_.forget(); }

  // C_Login on `session`.
  void run(CK_SESSION_HANDLE session, LoginAttempt attempt) {
    if (attempt == LoginAttempt::unless_refused) refuse_if_refused_before();
    // Before the lock: a prompt may take minutes.
    const Secret pin = pin_or_why_not();
    memory_.oddity(oddity_of(pin, source_.name));
    const TokenLock lock(LockedWork::login, token_.serial, token_.access.login_wait);
    const PinState state = refuse_last_attempt();
    if (attempt == LoginAttempt::retry) {
      memory_.begin_again();
    } else {
      // Asks the memory again: another process may have been refused while this one waited.
      memory_.begin(evidence_for(pin, [state] { return state; }));
    }

    const bool pad = source_.kind == PinSource::Kind::protected_;
    // Cryptoki takes a pointer to mutable characters and does not write to them.
    auto* const characters = pad ? nullptr : reinterpret_cast<unsigned char*>(const_cast<char*>(pin.reveal().data()));
    const CK_ULONG length = pad ? 0 : pin.reveal().size();
    const CK_RV rv = token_.functions().C_Login(session, user_, characters, length);
    if (rv == CKR_OK) {
      if (!pad) token_.right_pins[subjects_.front().user_type] = digest_of(pin);
      return memory_.succeeded();
    }
    if (rv == CKR_USER_ALREADY_LOGGED_IN && user_ != kContextSpecific) return memory_.not_judged();
    TokenFailure failure(rv, "C_Login", fmt::format("log in to token {} as {}", token_.access.name, user_text(user_)));
    failure.with("pin_source", source_.name);
    memory_.failed(std::move(failure), evidence_for(pin, [this] { return pin_state_now(); }));
  }

 private:
  Secret pin_or_why_not() const {
    try {
      return read_pin();
    } catch (Error& error) {
      error.with(std::string(kNoPinFrom), source_.name).with(std::string(kLane), std::string(kLaneDown));
      throw;
    }
  }

  Secret read_pin() const {
    switch (source_.kind) {
      case PinSource::Kind::protected_:
        if (!token_info_of(token_.module->state(), token_.current_slot()).protected_authentication_path) {
          throw Error{ErrorKind::invalid_input,
                      fmt::format("token {} has no PIN pad (protected authentication path)", token_.access.name)}
              .with("token", token_.uri)
              .hint("give it a PIN source, for example pin: \"file:/etc/hsmbridge/web.pin\"");
        }
        return {};
      case PinSource::Kind::secret: {
        Secret pin = source_.read();
        // Some tokens count an empty PIN as a wrong one, others log in with it.
        if (pin.empty()) {
          throw Error{ErrorKind::invalid_input,
                      fmt::format("the PIN source {} of token {} is empty", source_.name, token_.access.name)};
        }
        return pin;
      }
      case PinSource::Kind::none:
        break;
    }
    throw Error{ErrorKind::denied, fmt::format("token {} wants a login, and no PIN is configured", token_.access.name)}
        .with("token", token_.uri)
        .hint("give it a PIN source: pin: \"file:PATH\", \"env:NAME\", \"prompt\" or \"protected\"");
  }

  PinState pin_state_now() const {
    const TokenInfo info = token_info_of(token_.module->state(), token_.current_slot());
    return user_ == kSecurityOfficer ? info.so_pin : info.user_pin;
  }

  template <class Ask>
  PinEvidence evidence_for(const Secret& pin, Ask state_now) const {
    PinEvidence evidence;
    evidence.typed_at_token = source_.kind == PinSource::Kind::protected_;
    const auto right = token_.right_pins.find(subjects_.front().user_type);
    evidence.was_right = right != token_.right_pins.end() && !pin.empty() && right->second == digest_of(pin);
    // The flags are about the user's PIN and the security officer's, not about one that the keys have of their own.
    if (user_ == kContextSpecific && keys_have_own_pin(token_)) return evidence;
    try {
      const PinState state = state_now();
      evidence.wrong_pin_counted = state != PinState::fine && state != PinState::not_set;
      if (evidence.wrong_pin_counted) token_.refusals->saw_wrong_pin(subjects_.front());
      evidence.none_counted = state == PinState::fine && token_.refusals->shows_wrong_pins(subjects_.front());
    } catch (const Error&) {
      // A token that does not answer says nothing for or against the PIN.
    }
    return evidence;
  }

  PinState refuse_last_attempt() const {
    const PinState state = pin_state_now();
    if (state == PinState::final_try) {
      throw Error{
          ErrorKind::denied,
          fmt::format("one wrong PIN more would lock token {}: the last attempt is not spent", token_.access.name)}
          .with("token", token_.uri)
          .with(std::string(kLane), std::string(kLaneDown))
          .hint("log in once with the vendor's tool and the right PIN, which resets the count");
    }
    if (state == PinState::locked || state == PinState::not_set) {
      throw TokenFailure(state == PinState::locked ? CKR_PIN_LOCKED : CKR_USER_PIN_NOT_INITIALIZED, "C_GetTokenInfo",
                         fmt::format("log in to token {}", token_.access.name))
          .once_only()
          .with(std::string(kLane), std::string(kLaneDown));
    }
    return state;
  }

  TokenState& token_;
  UserType user_;
  const PinSource& source_;
  const std::vector<PinSubject> subjects_;
  PinAttempt memory_;
};

// A person who had the token's PIN tried once more, and is logged in, means the keys' own PIN too: it may be tried at
// the next signature. Where the keys have none of their own there is nothing left to allow.
void allow_key_pin(TokenState& token) {
  if (keys_have_own_pin(token)) allow_signature_pin(token);
}

}  // namespace

std::optional<PinRefusal> remembered_pin(const TokenState& token) {
  std::optional<PinRefusal> worst;
  for (const PinSubject& subject : same_pin(token, token.access.user_type)) {
    worst = worse(std::move(worst), token.refusals->refused(subject));
  }
  return worst;
}

void allow_signature_pin(TokenState& token) {
  // Not while anybody tries it.
  const TokenLock lock(LockedWork::login, token.serial, token.access.login_wait);
  Attempt(token, kContextSpecific, key_pin(token)).forget_refusal();
}

void log_in(TokenState& token, CK_SESSION_HANDLE session, LoginAttempt attempt) {
  const std::lock_guard lock(token.login_mutex);
  CK_SESSION_INFO info{};
  const CK_RV rv = token.functions().C_GetSessionInfo(session, &info);
  if (rv != CKR_OK) throw TokenFailure(rv, "C_GetSessionInfo", "use a session");
  // Another thread was faster. A retry that makes no attempt with the token's PIN forgets no refusal of it.
  if (info.state != CKS_RO_PUBLIC_SESSION && info.state != CKS_RW_PUBLIC_SESSION) {
    token.logged_in = true;
    if (attempt == LoginAttempt::retry) allow_key_pin(token);
    return;
  }
  expect_same_token(token);
  Attempt(token, token.access.user_type, token.access.pin).run(session, attempt);
  token.logged_in = true;
  ++token.epoch;
  if (attempt == LoginAttempt::retry) allow_key_pin(token);
}

void expect_login_for_one_signature(TokenState& token) {
  Attempt(token, kContextSpecific, key_pin(token)).refuse_if_refused_before();
}

void log_in_for_one_signature(TokenState& token, CK_SESSION_HANDLE session) {
  Attempt(token, kContextSpecific, key_pin(token)).run(session, LoginAttempt::unless_refused);
}

}  // namespace hsmbridge::pkcs11
