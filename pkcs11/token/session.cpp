#include "pkcs11/token/session.h"

#include "base/log.h"
#include "pkcs11/token/module_state.h"

#include <fmt/core.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>

namespace hsmbridge::pkcs11 {
namespace {

// An HSM's own idle limit is minutes; a session that rested this long is asked before it is used.
constexpr Duration kRested{10'000};

bool is_logged_in(CK_STATE state) {
  return state != CKS_RO_PUBLIC_SESSION && state != CKS_RW_PUBLIC_SESSION;
}

}  // namespace

Session::Session(TokenState& token, Access access, Needs needs, Ask ask, unsigned attempt)
    : token_(token), last_try_(attempt >= kMostTries) {
  token_.module->state().refuse_in_child();
  take_or_open(access);
  try {
    const bool rested = token_.clock.since_boot() - session_.since > kRested;
    const bool needs_login = needs == Needs::login && token_.login_required;
    if (ask == Ask::always || rested || (needs_login && !token_.logged_in)) {
      CK_SESSION_INFO info{};
      check(functions().C_GetSessionInfo(handle(), &info), "C_GetSessionInfo", "use a session");
      if (needs_login && !is_logged_in(info.state)) {
        token_.logged_in = false;
        log_in(token_, handle(), LoginAttempt::unless_refused);
      } else if (needs_login) {
        token_.logged_in = true;
      }
    }
    epoch_ = token_.epoch;
  } catch (const TokenFailure& failure) {
    if (failure.recovery() != Recovery::give_up) discard_ = true;
    give_back();
    throw;
  } catch (...) {
    give_back();
    throw;
  }
}

Session::~Session() {
  give_back();
}

void Session::check(CK_RV rv, std::string_view function, std::string_view doing) const {
  if (rv != CKR_OK) throw TokenFailure(rv, function, doing);
}

void Session::take_or_open(Access access) {
  auto until = std::chrono::steady_clock::now() + token_.access.session_wait;
  std::unique_lock lock(token_.mutex);
  unsigned long given_back = token_.given_back;
  for (;;) {
    // The one used last: a resting session stays at rest and is asked before its next use.
    for (auto idle = token_.idle.rbegin(); idle != token_.idle.rend(); ++idle) {
      if (access == Access::write && !idle->writable) continue;
      session_ = *idle;
      token_.idle.erase(std::next(idle).base());
      return;
    }
    if (token_.open >= token_.limit && !token_.idle.empty()) {
      // Only readers rest, and a writer is wanted: one of them makes room. Closing the last one ends the login; the
      // next check sees that.
      token_.functions().C_CloseSession(token_.idle.front().handle);
      token_.idle.erase(token_.idle.begin());
      if (--token_.open == 0) token_.logged_in = false;
    }
    if (token_.open < token_.limit) {
      ++token_.open;
      const unsigned long initialisation = token_.initialisation;
      lock.unlock();
      try {
        open_one(access, initialisation);
        return;
      } catch (const TokenFailure& failure) {
        lock.lock();
        --token_.open;
        token_.freed.notify_one();
        // Fewer sessions than configured: live with those that are open.
        if (failure.code() != CKR_SESSION_COUNT || token_.open == 0) throw;
        token_.limit = token_.open;
        continue;
      }
    }
    if (token_.freed.wait_until(lock, until) == std::cv_status::timeout && token_.idle.empty() &&
        token_.open >= token_.limit) {
      // Others were served meanwhile: a long queue before a slow token is no fault.
      if (std::exchange(given_back, token_.given_back) != token_.given_back) {
        until = std::chrono::steady_clock::now() + token_.access.session_wait;
        continue;
      }
      throw Error{ErrorKind::unavailable,
                  fmt::format("all {} sessions of token {} are busy", token_.limit, token_.access.name)}
          .hint("try again later, or allow more with sessions in the token's configuration");
    }
  }
}

void Session::open_one(Access access, unsigned long initialisation) {
  // With one session for everything it must be able to write: opening another one would end the login.
  const bool writable = access == Access::write || token_.limit == 1;
  const CK_FLAGS flags = CKF_SERIAL_SESSION | (writable ? CKF_RW_SESSION : 0UL);
  CK_SESSION_HANDLE opened = 0;
  check(functions().C_OpenSession(token_.current_slot(), flags, nullptr, nullptr, &opened), "C_OpenSession",
        "open a session");
  session_ = {
      .handle = opened, .writable = writable, .since = token_.clock.since_boot(), .initialisation = initialisation};
}

void Session::expect_login() const {
  if (!token_.login_required) return;
  CK_SESSION_INFO info{};
  check(functions().C_GetSessionInfo(handle(), &info), "C_GetSessionInfo", "use a session");
  if (!is_logged_in(info.state)) throw TokenFailure(CKR_USER_NOT_LOGGED_IN, "C_GetSessionInfo", "use a session");
}

// With the mutex held.
void Session::open_spare() noexcept {
  CK_SESSION_HANDLE opened = 0;
  if (functions().C_OpenSession(token_.slot, CKF_SERIAL_SESSION, nullptr, nullptr, &opened) != CKR_OK) return;
  ++token_.open;
  token_.idle.push_back({.handle = opened,
                         .writable = false,
                         .since = token_.clock.since_boot(),
                         .initialisation = token_.initialisation});
}

// Closed without the pool's mutex: a token in trouble may take long.
void Session::close() noexcept {
  const std::shared_lock no_new_handles(token_.handles_mutex);
  {
    const std::lock_guard lock(token_.mutex);
    ++token_.leaving;
    if (session_.initialisation != token_.initialisation) return;
    // Of several that are closed together the last one sees that it is the last.
    if (keep_login_ && token_.open == token_.leaving && token_.limit > 1) open_spare();
  }
  token_.functions().C_CloseSession(session_.handle);  // dead already, mostly: the result says nothing
}

void Session::give_back() noexcept {
  if (discard_) close();
  {
    const std::lock_guard lock(token_.mutex);
    ++token_.given_back;
    if (discard_) --token_.leaving;
    if (discard_ || session_.initialisation != token_.initialisation) {
      if (--token_.open == 0) token_.logged_in = false;
    } else {
      session_.since = token_.clock.since_boot();
      token_.idle.push_back(session_);
    }
  }
  token_.freed.notify_one();
}

bool recover(TokenState& token, Session* session, unsigned long epoch, const TokenFailure& failure, unsigned attempt) {
  if (failure.recovery() == Recovery::give_up || failure.recovery() == Recovery::smaller_template) return false;
  log::debug(fmt::format("token {}: {}", token.access.name, failure.message()));
  const std::lock_guard one_at_a_time(token.mending_mutex);
  const auto drop_idle = [&token] {
    for (const IdleSession& idle : token.idle) token.functions().C_CloseSession(idle.handle);
    token.open -= static_cast<unsigned>(token.idle.size());
    token.idle.clear();
  };
  // Another thread met the same since then, and has mended it: mending it again would take the sessions and the login
  // from under those that go on.
  if (epoch != token.epoch) {
    const bool is_dead = failure.recovery() == Recovery::new_session || failure.recovery() == Recovery::reinitialize;
    if (session != nullptr && is_dead) session->discard();
    return attempt < kMostTries && !failure.is_once_only();
  }
  switch (failure.recovery()) {
    case Recovery::same_session:
      break;
    case Recovery::new_session:
      // What ended one session (C_CloseAllSessions, an HSM that restarted) mostly ended all of them.
      if (session != nullptr) session->discard();
      if (failure.code() != CKR_OPERATION_ACTIVE && failure.code() != CKR_OPERATION_NOT_INITIALIZED) {
        const std::lock_guard lock(token.mutex);
        drop_idle();
      }
      break;
    case Recovery::login_again:
      token.logged_in = false;
      break;
    case Recovery::reinitialize:
      if (session != nullptr) session->discard();
      {
        const std::unique_lock none_is_being_closed(token.handles_mutex);
        const std::lock_guard lock(token.mutex);
        drop_idle();
        // A module that merely lost its device still knows the others, and they are closed.
        if (failure.code() == CKR_CRYPTOKI_NOT_INITIALIZED) ++token.initialisation;
      }
      if (attempt < kMostTries && !failure.is_once_only()) {
        token.module->state().initialize();
        find_slot_again(token);
      }
      break;
    case Recovery::smaller_template:
    case Recovery::give_up:
      return false;
  }
  // A login that another party of this process ended shows as a handle that is gone, and a search would then find
  // nothing without an error: the next session is asked.
  token.logged_in = false;
  ++token.epoch;
  return attempt < kMostTries && !failure.is_once_only();
}

void name_token(const TokenState& token, Error& error) {
  if (error.detail("token").empty()) error.with("token", token.uri);
}

}  // namespace hsmbridge::pkcs11
