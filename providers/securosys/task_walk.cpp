#include "providers/securosys/task_walk.h"

#include "base/error.h"

#include <fmt/format.h>

#include <set>
#include <string>

namespace hsmbridge::securosys {
namespace {

// Each size divides the one before, so that a smaller page begins where the larger one would have.
constexpr unsigned kPageSize = 25;
constexpr unsigned kShrink = 5;
// A server that never gives a short page must not keep us for ever.
constexpr unsigned kMostPages = 2000;
constexpr std::size_t kMostTasks = 10'000;
// Then it is the server, not a task.
constexpr unsigned kMostUnreadableInRow = 5;

Task unreadable(unsigned number, const std::string& why) {
  Task task;
  task.fault = fmt::format("task number {} of the listing is too large to be read: {}", number + 1, why);
  return task;
}

}  // namespace

void walk_tasks(const FetchTasks& fetch, const std::function<Walk(const Task&)>& visit) {
  std::set<std::string> seen;
  unsigned size = kPageSize;
  unsigned page = 0;
  unsigned unreadable_in_row = 0;
  for (unsigned calls = 0; calls < kMostPages; ++calls) {
    std::vector<Task> tasks;
    try {
      tasks = fetch({"", 1, page, size});
      unreadable_in_row = 0;
    } catch (const Error& error) {
      if (error.detail("too-large").empty()) throw;
      if (size > 1) {
        page *= kShrink;
        size /= kShrink;
        continue;
      }
      if (++unreadable_in_row > kMostUnreadableInRow) throw;
      tasks = {unreadable(page, error.message())};
    }
    bool news = false;
    for (const Task& task : tasks) {
      // A task decided between two pages moves the others up: the same one may come twice.
      if (!task.id.empty() && !seen.insert(task.id).second) continue;
      news = true;
      if (visit(task) == Walk::stop) return;
    }
    // A page with nothing new is the end too: a server may ignore the page number.
    if (tasks.size() < size || !news || seen.size() > kMostTasks) return;
    ++page;
  }
}

}  // namespace hsmbridge::securosys
