#pragma once

#include "base/bytes.h"
#include "pkcs11/cryptoki/cryptoki.h"
#include "pkcs11/login/host_pins.h"
#include "pkcs11/token/token.h"
#include "pkcs11/token/uri.h"
#include "pkcs11/token/usage_gate.h"
#include "workflow/ports/key_ring.h"

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace hsmbridge::pkcs11 {

struct IdleSession {
  CK_SESSION_HANDLE handle = 0;
  bool writable = false;
  Duration since{};                  // CLOCK_BOOTTIME of its last use
  unsigned long initialisation = 0;  // TokenState::initialisation before it was opened
};

struct TokenState {
  TokenAccess access;
  std::shared_ptr<HostPins> refusals;
  std::shared_ptr<Module> module;
  SystemClock clock;

  // As the token was found; a slot that comes back must hold the same one.
  std::string label;
  std::string serial;
  std::string manufacturer;
  std::string model;
  // TokenInfo::uri: the token's identity, under which its lock for making keys is kept.
  std::string uri;
  // Set where another token shows the same four texts: only the slot tells the two apart.
  std::optional<unsigned long> twin_slot;
  std::string distinction;  // see PinSubject
  bool login_required = true;

  std::mutex mutex;  // guards slot, idle, open, leaving, limit, given_back, initialisation
  std::condition_variable freed;
  CK_SLOT_ID slot = 0;
  std::vector<IdleSession> idle;
  unsigned open = 0;
  unsigned leaving = 0;  // of those, being closed
  unsigned limit = 1;
  // How often the module was initialised again: session handles from before may be another thread's now.
  unsigned long initialisation = 0;
  std::shared_mutex handles_mutex;  // held while a session is closed, and alone when that number grows
  unsigned long given_back = 0;     // sessions so far: while it grows, who waits for one waits in a queue that moves

  // Digests, keyed by a secret of this process, of the PINs that logged in: guarded by the LockedWork::login lock.
  std::map<UserType, Bytes> right_pins;

  std::mutex login_mutex;  // one attempt at a time in this process
  std::atomic<bool> logged_in{false};
  // Object handles found under another epoch are stale: a login or the module was lost in between.
  std::atomic<unsigned long> epoch{1};
  std::mutex mending_mutex;  // one at a time decides what follows from a lost session or login
  UsageGate gate;

  // The halves that searches of this login found, by what tells a key from others: a use of a key looks there
  // before it searches. Bounded; of another epoch they are worth nothing.
  struct FoundKey {
    unsigned long private_half = 0;
    std::optional<unsigned long> public_half;
    unsigned long epoch = 0;
    std::shared_ptr<const workflow::KeyInfo> info;  // as the search showed it
  };
  std::mutex found_mutex;                                           // guards found
  std::map<std::tuple<Bytes, std::string, Bytes>, FoundKey> found;  // CKA_ID, label, SPKI

  std::mutex mechanisms_mutex;  // guards the two below
  std::optional<std::vector<unsigned long>> mechanism_types;
  std::map<unsigned long, std::optional<MechanismInfo>> mechanisms;

  const CK_FUNCTION_LIST& functions() const;
  CK_SLOT_ID current_slot();
  // The part of a URI that names this token: label and serial, and the slot where those do not tell it from another.
  UriParts uri_parts() const;
};

// PinSubject::distinction of a token among all that its module shows. A serial number is unique by its maker's good
// will only (PKCS#11 v2.40 §3.2).
std::string distinction_of(const TokenInfo& token, std::span<const TokenInfo> all);
// The slot in which the token is now. Throws unavailable when it is gone, or when it cannot be told from another one.
void find_slot_again(TokenState& token);
// Before a PIN is sent: throws unavailable when another token is in its slot now.
void expect_same_token(TokenState& token);
// Logs in through this session unless the process is logged in. See Token::login.
void log_in(TokenState& token, CK_SESSION_HANDLE session, LoginAttempt attempt);
// The login between C_SignInit and C_Sign. Throws denied as a login does.
void log_in_for_one_signature(TokenState& token, CK_SESSION_HANDLE session);
// Throws denied when that login would be refused without an attempt. To be asked before C_SignInit.
void expect_login_for_one_signature(TokenState& token);
// What is remembered of the PIN with which this token is logged in to.
std::optional<PinRefusal> remembered_pin(const TokenState& token);
// Forgets that the PIN for one signature was refused: it may be tried at the next one.
void allow_signature_pin(TokenState& token);

}  // namespace hsmbridge::pkcs11
