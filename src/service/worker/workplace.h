#pragma once

#include "service/actor.h"
#include "service/bridge.h"
#include "workflow/engine/engine.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hsmbridge::service {

// A token or provider that this process does not work for, and why.
struct LeftOut {
  std::string lane;  // "token:web"
  std::string why;
};

// What a process that works on requests needs.
class Workplace : public Bridge {
 public:
  virtual const Actor& actor() const = 0;  // whoever runs this process
  // A connection of its own.
  virtual std::unique_ptr<workflow::Store> store() = 0;
  // What the engine of this process may do: the lanes of the tokens and providers that it can use (a token whose module
  // or PIN this process cannot read belongs to another one), their limits and times. `only`: these requests; empty: all.
  // `alive` (may be empty) is called before each look at a lane, which a module that hangs holds up for seconds.
  virtual workflow::EngineOptions engine_options(const std::vector<RequestId>& only,
                                                 const std::function<void()>& alive) = 0;
  // Found by engine_options.
  virtual std::vector<LeftOut> left_out() = 0;
  // Whether one of them could be used now: engine_options gives its lane then. The function owns what it uses: a look
  // that a module holds up may outlive this object.
  virtual std::function<bool()> left_out_look() = 0;
};

// Told what stops the work when it begins, and nullptr when it has ended. `stop` may be called from a signal handler.
using Stoppable = std::function<void(void (*stop)(void* context) noexcept, void* context)>;

// Runs the engine, which `stoppable` can stop meanwhile.
void run_stoppable(workflow::Engine& engine, const Stoppable& stoppable,
                   const std::function<bool(workflow::Store&)>& until = {});

}  // namespace hsmbridge::service
