#pragma once

#include "base/clock.h"

#include <string>

namespace hsmbridge::pkcs11 {

// What one process at a time may do to a token.
enum class LockedWork {
  login,        // one attempt with a PIN
  making_keys,  // from the search for a planned key to the read-back of the new one
};

// Holds off every other process of this host, and every other thread of this one, from the same work on the same token:
// flock(2) on a file that all users can open, in /run/lock or, where it is set, in HSMBRIDGE_LOCK_FOLDER. There is no
// other folder to fall back on: two processes that lock in different ones (a service with PrivateTmp= has a temporary
// folder of its own) would hold nothing off. Throws unavailable when the file cannot be opened, or when another process
// holds the lock longer than `wait`; invalid_input when HSMBRIDGE_LOCK_FOLDER is no absolute path.
class TokenLock {
 public:
  TokenLock(LockedWork work, const std::string& token_serial, Duration wait);
  ~TokenLock();
  TokenLock(const TokenLock&) = delete;
  TokenLock& operator=(const TokenLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace hsmbridge::pkcs11
