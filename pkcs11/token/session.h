#pragma once

#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/token/token_state.h"

#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace hsmbridge::pkcs11 {

// How often work is run at most, when the token answers with what another try may cure.
inline constexpr unsigned kMostTries = 3;

enum class Access { read, write };
enum class Needs { nothing, login };
// Whether the token is asked about the session before it is used. A search in a session whose login was taken away
// finds no private object and reports no error, so searches ask; C_Sign reports it, so signatures do not.
enum class Ask { always, when_idle };

// A session of the token's pool, for as long as this object lives. Not to be nested on one thread.
class Session {
 public:
  Session(TokenState& token, Access access, Needs needs, Ask ask, unsigned attempt = kMostTries);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  CK_SESSION_HANDLE handle() const noexcept { return session_.handle; }
  const CK_FUNCTION_LIST& functions() const { return token_.functions(); }
  TokenState& token() const noexcept { return token_; }
  // TokenState::epoch when the session was ready: handles that it gives are of that one.
  unsigned long epoch() const noexcept { return epoch_; }
  // Whether the work that uses the session will not be run once more: what the token says now must be believed.
  bool is_last_try() const noexcept { return last_try_; }
  // Throws TokenFailure unless `rv` is CKR_OK.
  void check(CK_RV rv, std::string_view function, std::string_view doing) const;
  // Throws TokenFailure when the login that private objects need was lost meanwhile: what is hidden then is not gone.
  void expect_login() const;
  // The session is closed instead of going back to the pool.
  void discard() noexcept { discard_ = true; }
  // The same for a session that is well but has an operation open, which only closing it ends: closing the last session
  // would end the login (PKCS#11 v2.40 §5.6), so another one is opened before that.
  void discard_and_keep_login() noexcept { discard_ = keep_login_ = true; }

 private:
  void take_or_open(Access access);
  void open_one(Access access, unsigned long initialisation);
  void close() noexcept;
  void give_back() noexcept;
  void open_spare() noexcept;

  TokenState& token_;
  IdleSession session_;
  bool discard_ = false;
  bool keep_login_ = false;
  bool last_try_;
  unsigned long epoch_ = 0;
};

// What follows from a failed call; true when the work may be run once more (at most kMostTries times in all, and never
// after a failed C_Login). `session` is null when none was to be had; `epoch` is the token's before it was asked for.
bool recover(TokenState& token, Session* session, unsigned long epoch, const TokenFailure& failure, unsigned attempt);
// Names the token in an error that is about to leave this folder.
void name_token(const TokenState& token, Error& error);

// Runs `work(session)` and runs it again as the class of a failure allows. `work` must be repeatable: each try looks
// its handles up anew, or checks their epoch.
template <class Work>
auto with_session(TokenState& token, Access access, Needs needs, Ask ask, UsageGate::Use use, Work work) {
  using Result = std::invoke_result_t<Work&, Session&>;
  for (unsigned attempt = 1;; ++attempt) {
    try {
      const UsageGate::Pass pass(token.gate, use, token.access.session_wait);
      const unsigned long epoch = token.epoch;
      std::optional<Session> session;
      try {
        session.emplace(token, access, needs, ask, attempt);
        return Result(work(*session));
      } catch (const TokenFailure& failure) {
        if (!recover(token, session ? &*session : nullptr, session ? session->epoch() : epoch, failure, attempt)) throw;
      }
    } catch (Error& error) {
      name_token(token, error);
      throw;
    }
  }
}

template <class Work>
auto reading(TokenState& token, Work work) {
  return with_session(token, Access::read, Needs::login, Ask::always, UsageGate::Use::shared, std::move(work));
}

template <class Work>
auto writing(TokenState& token, Work work) {
  return with_session(token, Access::write, Needs::login, Ask::always, UsageGate::Use::shared, std::move(work));
}

}  // namespace hsmbridge::pkcs11
