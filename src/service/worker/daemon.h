#pragma once

#include "service/worker/workplace.h"

#include <memory>
#include <string>

// Working on every request until told to stop, with a line of log an event.
namespace hsmbridge::service {

// Whoever watches the daemon from outside, such as systemd. Called by the thread that works: throws nothing, is quick.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // As EngineObserver::alive.
  virtual void alive() = 0;
  // One line on what it is doing, whenever that has changed: how many requests are open (counted at most every ten
  // seconds), what is down, and when something is due.
  virtual void status(const std::string& line) = 0;
};

// What one engine works with. Made whole before the one before it is let go: a configuration whose store, or whose
// file, cannot be used is not taken, and the requests are not left alone for it.
struct Equipment {
  std::unique_ptr<Workplace> place;
  workflow::EngineOptions options;
  std::unique_ptr<workflow::Store> store;
};
// Throws what opening the store throws. Which configuration it is, is in the audit log.
Equipment equipped(std::unique_ptr<Workplace> place, Watcher& watcher);
// The same place again. Throws likewise.
void equip(Equipment& equipment, Watcher& watcher);

// The part of the audit log that is new since the last start, so that a start costs little; `audit verify` looks at all
// of it. A fault is said and stops nothing: whoever can write the store could stop every request with one octet.
void check_audit(workflow::AuditLog& log);

// Requests, renewals, ends and retirements, until stopped, or until something that was left out can be used. Gives what
// could not be stored. The equipment is used up: equip() makes it whole again.
workflow::Engine::LeftOver work(Equipment& equipment, const Stoppable& stoppable, Watcher& watcher);

}  // namespace hsmbridge::service
