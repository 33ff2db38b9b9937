#include "providers/securosys/task_walk.h"

#include "base/error.h"

#include <fmt/core.h>

#include <optional>
#include <set>
#include <string>

namespace hsmbridge::securosys {
namespace {

// Each size divides the one before, so that a smaller page begins or ends where the larger one would have.
constexpr unsigned kPageSize = 25;
constexpr unsigned kShrink = 5;
// A server that never gives a short page must not keep us indefinitely.
constexpr unsigned kMostPages = 2000;
constexpr std::size_t kMostTasks = 10'000;
// Then it is the server, not a task.
constexpr unsigned kMostUnreadableInRow = 5;

Task unreadable(unsigned number, const std::string& why) {
  Task task;
  task.fault = fmt::format("task number {} of the listing is too large to be read: {}", number + 1, why);
  return task;
}

class Walker {
 public:
  Walker(const FetchTasks& fetch, const std::function<Walk(const Task&)>& visit) : fetch_(fetch), visit_(visit) {}

  // Pages have numbers and no cursor, and a task that is decided moves all later ones up: one of them may cross from
  // the page that is asked next onto the one just read. Forward alone would miss it, and so would the order with the
  // newest first (decided tasks stand before the others there too), an overlap (when more are decided than it is long)
  // and a second walk forward (when it happens again). With the oldest first a task's number only ever falls, since
  // new ones are put behind it: whoever reads from the last page to the first meets every task that stays. So the way
  // forward finds the end, and the way back is the one that misses nothing.
  Extent walk() {
    const std::optional<Extent> ended = forward();
    return ended ? *ended : back();
  }

 private:
  // The largest size of page that begins or ends at this task number.
  static unsigned size_at(unsigned number) {
    unsigned size = kPageSize;
    while (number % size != 0) size /= kShrink;
    return size;
  }

  // Nothing: the end was reached, and `at_` is where the last page begins.
  std::optional<Extent> forward() {
    for (unsigned size = kPageSize;;) {
      if (++calls_ > kMostPages) return Extent::cut;
      const std::optional<std::vector<Task>> tasks = page(at_, size);
      if (!tasks) {
        size /= kShrink;
        continue;
      }
      bool news = false;
      for (const Task& task : *tasks) {
        if (task.id.empty() ? (++unnamed_, false) : !seen_.insert(task.id).second) continue;
        news = true;
        if (visit_(task) == Walk::stop) return Extent::stopped;
      }
      if (tasks->size() < size) return std::nullopt;
      // A full page with nothing new: the server ignores the page number.
      if (!news || seen_.size() > kMostTasks) return Extent::cut;
      at_ += size;
      // Not right behind a task that is too large: the next may be so too.
      if (unreadable_in_row_ == 0) size = size_at(at_);
    }
  }

  Extent back() {
    std::size_t unnamed = 0;
    for (unsigned size = size_at(at_); at_ > 0;) {
      if (++calls_ > kMostPages) return Extent::cut;
      const std::optional<std::vector<Task>> tasks = page(at_ - size, size);
      if (!tasks) {
        size /= kShrink;
        continue;
      }
      for (const Task& task : *tasks) {
        // Those without an id cannot be told apart: only one more than before is a new one.
        if (task.id.empty() ? ++unnamed <= unnamed_ : !seen_.insert(task.id).second) continue;
        if (visit_(task) == Walk::stop) return Extent::stopped;
      }
      at_ -= size;
      if (unreadable_in_row_ == 0) size = size_at(at_);
    }
    return Extent::whole;
  }

  // The tasks from number `begin`, which `size` divides; nothing when they are too large together.
  std::optional<std::vector<Task>> page(unsigned begin, unsigned size) {
    try {
      std::vector<Task> tasks = fetch_({"", 1, begin / size, size});
      unreadable_in_row_ = 0;
      return tasks;
    } catch (const Error& error) {
      if (error.detail("too-large").empty()) throw;
      if (size > 1) return std::nullopt;
      if (++unreadable_in_row_ > kMostUnreadableInRow) throw;
      return std::vector<Task>{unreadable(begin, error.message())};
    }
  }

  const FetchTasks& fetch_;
  const std::function<Walk(const Task&)>& visit_;
  std::set<std::string> seen_;
  std::size_t unnamed_ = 0;  // tasks without an id on the way forward
  unsigned at_ = 0;          // task number
  unsigned calls_ = 0;
  unsigned unreadable_in_row_ = 0;
};

}  // namespace

Extent walk_tasks(const FetchTasks& fetch, const std::function<Walk(const Task&)>& visit) {
  return Walker(fetch, visit).walk();
}

}  // namespace hsmbridge::securosys
