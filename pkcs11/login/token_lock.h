#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <filesystem>
#include <string>
#include <string_view>

namespace hsmbridge::pkcs11 {

// What one process at a time may do to a token.
enum class LockedWork {
  login,        // one attempt with a PIN
  making_keys,  // from the search for a planned key to the read-back of the new one
};

// Holds off every other process of this host, and every other thread of this one, from the same work on the same token:
// flock(2) on a file that all users can open, in HSMBRIDGE_LOCK_FOLDER where it is set, else in /run/lock/hsmbridge
// where root has made that folder, else in /run/lock. There is no other folder to fall back on: two processes that lock
// in different ones (a service with PrivateTmp= has a temporary folder of its own) would hold nothing off.
//
// A folder that its group or others may write needs the sticky bit. Whoever can write the folder can plant something in
// the file's place: that is an error which names its owner, and never waited for. A file that was taken away while it
// was waited for is opened anew. One that its owner takes away while it is held is not noticed by the next process: the
// folder's users are trusted that far.
//
// Throws unavailable when the file cannot be opened, when the folder is not safe, or when another process holds the
// lock longer than `wait`; invalid_input when HSMBRIDGE_LOCK_FOLDER is no absolute path.
class TokenLock {
 public:
  TokenLock(LockedWork work, const std::string& token_serial, Duration wait);
  ~TokenLock();
  TokenLock(const TokenLock&) = delete;
  TokenLock& operator=(const TokenLock&) = delete;

 private:
  int file_ = -1;
};

// Opens the lock's file as a TokenLock does, which may make it, and gives its path. Throws the same; waits for nobody.
std::filesystem::path open_token_lock(LockedWork work, const std::string& token_serial);

// The folder of those files. Throws unavailable when it is not safe, invalid_input when HSMBRIDGE_LOCK_FOLDER is no
// absolute path.
std::filesystem::path token_lock_folder();
// `what` went wrong with a file of ours in that folder: unavailable, with its owner where somebody else planted it, and
// with what to do so that every process with this token can write there.
Error token_lock_trouble(std::string what, const std::filesystem::path& file);

}  // namespace hsmbridge::pkcs11
