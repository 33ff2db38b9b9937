#include "base/bytes.h"
#include "base/clock.h"
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/login/host_pins.h"
#include "pkcs11/login/pin_attempt.h"
#include "pkcs11/login/token_lock.h"
#include "pkcs11/token/module.h"
#include "pkcs11/token/module_state.h"
#include "pkcs11/token/token_state.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {
namespace {

constexpr Duration kLoginWait{60'000};

unsigned char* characters(const Secret& pin) {
  // Cryptoki takes pointers to mutable characters and does not write to them.
  return reinterpret_cast<unsigned char*>(const_cast<char*>(pin.reveal().data()));
}

class OpenSession {
 public:
  OpenSession(const CK_FUNCTION_LIST& functions, CK_SLOT_ID slot) : functions_(functions) {
    const CK_RV rv = functions_.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle_);
    if (rv != CKR_OK) throw TokenFailure(rv, "C_OpenSession", "set the user PIN of the new token");
  }
  // The last session of a token: closing it also ends the security officer's login (PKCS#11 v2.40 §5.6).
  ~OpenSession() { functions_.C_CloseSession(handle_); }
  OpenSession(const OpenSession&) = delete;
  OpenSession& operator=(const OpenSession&) = delete;
  CK_SESSION_HANDLE handle() const { return handle_; }

 private:
  const CK_FUNCTION_LIST& functions_;
  CK_SESSION_HANDLE handle_ = 0;
};

TokenInfo slot_to_use(const std::vector<TokenInfo>& all, const NewToken& wanted, Reinitialize existing) {
  for (const TokenInfo& token : all) {
    if (token.initialized && token.label == wanted.label && wanted.slot != token.slot) {
      throw Error{ErrorKind::conflict, fmt::format("there is a token labelled {} already", wanted.label)}
          .with("candidate", token.uri)
          .hint("choose another label");
    }
  }
  const auto chosen = std::find_if(all.begin(), all.end(), [&](const TokenInfo& token) {
    return wanted.slot ? token.slot == *wanted.slot : !token.initialized;
  });
  if (chosen == all.end()) {
    throw Error{ErrorKind::not_found, wanted.slot ? fmt::format("slot {} holds no token", *wanted.slot)
                                                  : "no slot holds a token that is not initialised"}
        .hint("hsmbridge token list shows the slots; an initialised token is named by its slot and needs --force");
  }
  if (chosen->initialized && existing == Reinitialize::refuse) {
    throw Error{ErrorKind::conflict,
                fmt::format("the token {} in slot {} is initialised already", chosen->label, chosen->slot)}
        .with("candidate", chosen->uri)
        .hint("initialising it again destroys every key on it: --force does it anyway");
  }
  return *chosen;
}

// The slot again, now that nobody else logs in to its token: what was looked at before the lock, or by the person who
// agreed to lose it, may have changed.
TokenInfo unchanged(const Module& module, const TokenInfo& before) {
  TokenInfo now = token_info_of(module.state(), before.slot);
  if (now.serial == before.serial && now.label == before.label) now.uri = before.uri;
  if (now.serial != before.serial || now.label != before.label || now.initialized != before.initialized) {
    throw Error{ErrorKind::conflict,
                fmt::format("the token in slot {} was changed by somebody else meanwhile", before.slot)}
        .with("candidate", now.uri)
        .hint("look at it (hsmbridge token list), then do it again");
  }
  return now;
}

// A login's rules, for the security officer's PIN. A token that is not initialised takes any PIN as its new one.
class OfficerPin {
 public:
  OfficerPin(const ModuleState& module, const TokenInfo& token, const NewToken& wanted, PinRefusals& refusals,
             const std::string& distinction)
      : module_(module),
        token_(token),
        again_(wanted.so_pin_again == LoginAttempt::retry),
        memory_(refusals, clock_,
                {{.token_serial = token.serial, .user_type = kSecurityOfficer, .distinction = distinction}},
                {.token = fmt::format("token {} (security officer)", token.label),
                 .source = wanted.so_pin_source,
                 .uri = token.uri,
                 .next = "correct the PIN, then give --retry to have it tried once more"}) {}

  template <class Call>
  void attempt(Call call, const char* function, std::string_view doing) {
    if (!token_.initialized) {
      const CK_RV rv = call();
      if (rv != CKR_OK) throw TokenFailure(rv, function, doing).with("token", token_.uri);
      return;
    }
    refuse_last_attempt();
    if (again_) {
      memory_.begin_again();
    } else {
      memory_.begin(evidence());
    }
    const CK_RV rv = call();
    if (rv != CKR_OK) memory_.failed(TokenFailure(rv, function, doing), evidence());
    memory_.succeeded();
  }

 private:
  PinEvidence evidence() const {
    PinEvidence evidence;
    try {
      const PinState state = token_info_of(module_, token_.slot).so_pin;
      evidence.wrong_pin_counted = state != PinState::fine && state != PinState::not_set;
    } catch (const Error&) {
      // A token that does not answer says nothing for or against the PIN.
    }
    return evidence;
  }
  void refuse_last_attempt() const {
    if (token_.so_pin != PinState::final_try && token_.so_pin != PinState::locked) return;
    throw Error{ErrorKind::denied,
                fmt::format("the security officer's PIN of token {}: {}", token_.label, to_string(token_.so_pin))}
        .with("token", token_.uri)
        .hint("the last attempt is not spent: use the vendor's tool");
  }

  const ModuleState& module_;
  const TokenInfo token_;
  const bool again_;
  const SystemClock clock_;
  PinAttempt memory_;
};

}  // namespace

TokenInfo initialize_token(const Module& module, const NewToken& wanted, Reinitialize existing, PinRefusals& refusals) {
  CK_TOKEN_INFO sizes{};
  if (wanted.label.empty() || wanted.label.size() > sizeof sizes.label) {
    throw Error{ErrorKind::invalid_input, fmt::format("a token's label has 1 to {} octets", sizeof sizes.label)};
  }
  if (wanted.so_pin.empty() || wanted.user_pin.empty()) {
    throw Error{ErrorKind::invalid_input, "a new token needs a security officer's PIN and a user PIN"};
  }
  const CK_FUNCTION_LIST& functions = *module.state().functions;
  const std::vector<TokenInfo> all = module.tokens();
  const TokenInfo chosen = slot_to_use(all, wanted, existing);
  const TokenLock lock(LockedWork::login, chosen.serial, kLoginWait);
  const TokenInfo token = unchanged(module, wanted.confirmed ? *wanted.confirmed : chosen);
  HostPins host(std::shared_ptr<PinRefusals>(&refusals, [](PinRefusals*) {}));
  const std::string distinction = distinction_of(token, all);
  OfficerPin officer(module.state(), token, wanted, host, distinction);

  // 32 octets padded with blanks, not terminated (PKCS#11 v2.40 §5.5).
  std::string label = wanted.label;
  label.resize(sizeof sizes.label, ' ');
  const std::string doing = fmt::format("initialise token {}", wanted.label);
  officer.attempt(
      [&] {
        return functions.C_InitToken(token.slot, characters(wanted.so_pin), wanted.so_pin.reveal().size(),
                                     reinterpret_cast<unsigned char*>(label.data()));
      },
      "C_InitToken", doing);
  {
    const OpenSession session(functions, token.slot);
    officer.attempt(
        [&] {
          return functions.C_Login(session.handle(), CKU_SO, characters(wanted.so_pin), wanted.so_pin.reveal().size());
        },
        "C_Login", doing);
    const CK_RV rv =
        functions.C_InitPIN(session.handle(), characters(wanted.user_pin), wanted.user_pin.reveal().size());
    if (rv != CKR_OK) throw TokenFailure(rv, "C_InitPIN", fmt::format("set the user PIN of token {}", wanted.label));
  }
  TokenInfo made = slot_contents(module.state(), token.slot).info;
  // Its user has another PIN now, which says nothing about another token of that serial number. One that was not
  // initialised had none, and shares its serial number with every other such token.
  for (const UserType type : {kUser, kContextSpecific}) {
    if (token.initialized) host.clear({token.serial, type, distinction});
    host.clear({made.serial, type, distinction_of(made, all)});
  }
  if (made.label != wanted.label || !made.initialized || made.user_pin == PinState::not_set) {
    throw Error{ErrorKind::corrupt,
                fmt::format("the token says it is initialised as {}, and shows {}", wanted.label, made.label)};
  }
  return made;
}

}  // namespace hsmbridge::pkcs11
