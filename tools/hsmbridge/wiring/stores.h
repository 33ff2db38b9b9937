#pragma once

#include "base/clock.h"
#include "config/settings.h"
#include "workflow/ports/store.h"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace hsmbridge::store {
class SqliteStore;
struct OpenOptions;
}  // namespace hsmbridge::store

namespace hsmbridge::cli {

// The store of the configuration, opened for whoever needs it: beside the memory of refused PINs the one place that
// knows which kind of store there is. Thread rule: any thread; what is opened is for one.
class Stores {
 public:
  // `clock` must outlive what is opened.
  Stores(std::shared_ptr<const config::Settings> settings, const Clock& clock);

  // Whether one is at the configured place, or should be: it was there before, or the configuration says so.
  bool is_there_or_was() const;
  bool configured() const { return settings_->store.path.has_value(); }
  // Whether this user may read it and not write it.
  bool may_only_be_read() const;
  // A missing one is made, or not, as configured. Throws invalid_input when no store is configured, and what opening it
  // throws. Whether it is an older copy is said once, since it is why no request goes on.
  std::unique_ptr<workflow::Store> open();
  // For whoever may only look: nothing is made or changed, and functions that write throw denied.
  std::unique_ptr<workflow::Store> open_to_read();
  // The same, and what is found is the caller's to say.
  std::unique_ptr<workflow::Store> open_to_examine();
  // For commands that only look, whoever runs them: as open() where this user may write it.
  std::unique_ptr<workflow::Store> open_to_look();

  // The calling thread's own, opened at its first question and kept for its next ones, while the file at its path is
  // the one that was opened: a use of a key must not be written down in a file that is not the store any more. Good
  // until the thread asks again.
  workflow::Store& lent();

  // A new one, also where the configuration says that one must be there. Throws conflict when one is there.
  enum class Before { must_not_have_been, is_gone };
  std::unique_ptr<workflow::Store> begin(Before before);
  // A person says that an older copy may go on, in which all approvals are asked for again. True when it was one.
  bool accept_restored(const std::string& actor);
  // Throws as store/backup.h says.
  void back_up(const std::filesystem::path& copy);
  // How many audit entries the store had that was at this place, whether it is there or not. Nothing where none was.
  std::optional<std::uint64_t> entries_before() const;

 private:
  const std::filesystem::path& path() const;
  store::OpenOptions options() const;
  std::unique_ptr<store::SqliteStore> open(const store::OpenOptions& options);
  std::unique_ptr<workflow::Store> told(std::unique_ptr<workflow::Store> store);

  const std::shared_ptr<const config::Settings> settings_;
  const Clock& clock_;
  std::once_flag restored_told_;
  std::mutex mutex_;
  struct Lent {
    std::unique_ptr<workflow::Store> store;
    std::pair<dev_t, ino_t> file{};
  };
  std::map<std::thread::id, Lent> lent_;  // an id comes again when its thread has ended
};

}  // namespace hsmbridge::cli
