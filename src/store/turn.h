#pragma once

#include "base/clock.h"
#include "base/descriptor.h"

#include <filesystem>
#include <string>

namespace hsmbridge::store {

// Whose turn it is at the stores of a folder: a lock of the folder (flock(2)), exclusive while one of them is migrated,
// shared while one of them is made. Not of the store: closing any descriptor of that would end the locks that SQLite
// holds on it. A file made for the lock would be one more thing that belongs to a store, with an owner and a mode to
// keep in order, and readers could not wait for it. So whoever may list the folder can hold others up, which is why a
// wait says who does. Held as long as it lives.
class Turn {
 public:
  // A store of a million events takes minutes to migrate; whoever opens it meanwhile waits for that.
  static constexpr Duration kLongest = std::chrono::minutes{15};

  // Takes nothing yet. Throws denied, not_found when this process may not list the folder.
  explicit Turn(const std::filesystem::path& store);

  // Takes it (LOCK_SH or LOCK_EX), or returns false when another process has it. Throws when it cannot be locked.
  bool take(int how) const;
  // Waits for it; false when another process kept it that long. Logs once who has it, after a second.
  bool wait_for(int how, Duration longest = kLongest) const;
  // "process 4711 has locked the folder /var/lib/hsmbridge".
  std::string holder() const;

 private:
  std::filesystem::path folder_;
  Descriptor fd_;
};

// Waits until no other process migrates a store in the folder of this one (LOCK_SH), nor makes one (LOCK_EX); false when
// none did, or when it cannot be told.
bool wait_for_others(const std::filesystem::path& store, int how);

}  // namespace hsmbridge::store
