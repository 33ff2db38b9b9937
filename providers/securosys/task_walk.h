#pragma once

#include "providers/securosys/wire/wire.h"

#include <functional>
#include <vector>

// Goes through a listing of approval tasks.
namespace hsmbridge::securosys {

// Asks for one page, in the order of creation, oldest first.
using FetchTasks = std::function<std::vector<Task>(const TaskFilter&)>;
enum class Walk { on, stop };
enum class Extent {
  whole,
  stopped,  // `visit` had enough
  cut,      // the server gives one page indefinitely, or there are more tasks than are read: not all were seen
};

// Every task once, until `visit` has enough: each that is open when the walk begins and when it ends is seen, though
// others are decided meanwhile. Oldest first, save those that had moved onto a page already read: they come last. At
// level 1, the bytes to be signed: what comes with higher levels has no bound, so one task could make every page too
// large. A page that is too large is asked for in smaller ones; a task that is too large by itself is a Task with a
// fault and hides no other. Throws what `fetch` throws otherwise.
Extent walk_tasks(const FetchTasks& fetch, const std::function<Walk(const Task&)>& visit);

}  // namespace hsmbridge::securosys
