#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "pkcs11/login/pin.h"
#include "pkcs11/token/module.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

// Whether the token takes CKO_CERTIFICATE objects: declared in the configuration, since PKCS#11 has no question for it.
enum class CertificateStorage { in_token, not_supported };

// How a configuration names a token and gets into it.
struct TokenAccess {
  std::string name;              // the configuration's name, "web"; for messages
  std::filesystem::path module;  // /usr/lib/softhsm/libsofthsm2.so
  std::string module_arguments;  // for Module::load
  std::string uri;               // RFC 7512; must match exactly one initialised token
  PinSource pin;
  UserType user_type = kUser;
  std::optional<PinSource> key_pin;  // for CKA_ALWAYS_AUTHENTICATE keys whose PIN is another one
  CertificateStorage certificates = CertificateStorage::in_token;
  unsigned most_sessions = 4;  // fewer when the token allows fewer
  // For a free session, and for the exclusive use an always-authenticate key needs; from when somebody last got one.
  Duration session_wait{30'000};
  Duration login_wait{60'000};    // for another process' login attempt to end
  Duration making_wait{150'000};  // for another process' making of keys: longer than one key takes, and some seconds
};

struct TokenState;

// The error of a login that keeps everybody from this token, as one for which a request waits: unavailable, with the
// same words. Any other error as it is.
Error for_a_waiting_request(const Error& error);

// One token, found by its URI. Opening it reads its description only; the login happens when the first private object
// is needed. Login belongs to the token and this process: it is never ended by this class, and stays while a session of
// ours is open. Thread rule: every function may be called from any thread; calls block while the token works.
class Token {
 public:
  // Throws not_found or ambiguous with one "candidate" (its URI) a token, and what Module::load throws.
  // `refusals`: what outlives a restart of the machine; the users of this host share what they know besides (HostPins).
  static std::shared_ptr<Token> open(TokenAccess access, std::shared_ptr<PinRefusals> refusals);
  ~Token();
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

  const std::string& name() const;
  const TokenAccess& access() const;
  // Asked anew from the token: PIN flags change.
  TokenInfo info() const;
  // What the token can do, each thing asked once. A question that was not answered is asked again the next time, and
  // throws: what could not be asked is unknown, not absent.
  std::optional<MechanismInfo> mechanism(unsigned long type) const;
  bool can_sign_with(unsigned long mechanism) const;
  // For a person: every mechanism that it lists; one that it did not describe has the flag "not_described".
  std::vector<MechanismInfo> mechanisms() const;

  // How many calls it may be asked to answer at once: sessions of the pool.
  unsigned sessions() const;

  // Logs in when this process is not logged in; a token that wants no login (CKF_LOGIN_REQUIRED is not set) is only
  // opened. A refused PIN is recorded before the error is thrown (denied); one that was refused before, whoever tried
  // it, is not tried again; the token's last attempt is never spent.
  void login(LoginAttempt attempt = LoginAttempt::unless_refused);
  // Whether this process is logged in now.
  bool logged_in() const;
  // What stands against another login: a refusal that is remembered, or an attempt without a clear answer. Asks no
  // token.
  std::optional<PinRefusal> remembered_pin() const;

  TokenState& state() const { return *state_; }

 private:
  explicit Token(std::unique_ptr<TokenState> state);
  std::unique_ptr<TokenState> state_;
};

}  // namespace hsmbridge::pkcs11
