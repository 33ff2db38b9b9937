#pragma once

#include "providers/securosys/wire.h"

#include <functional>
#include <vector>

// Goes through a listing of approval tasks.
namespace hsmbridge::securosys {

// Asks for one page.
using FetchTasks = std::function<std::vector<Task>(const TaskFilter&)>;
enum class Walk { on, stop };

// Every task of the listing once, oldest first, until `visit` has enough. At level 1, the bytes to be signed: what
// comes with higher levels has no bound, so one task could make every page too large. A page that is too large is asked
// for in smaller ones; a task that is too large by itself is a Task with a fault and hides no other. Throws what
// `fetch` throws otherwise.
void walk_tasks(const FetchTasks& fetch, const std::function<Walk(const Task&)>& visit);

}  // namespace hsmbridge::securosys
