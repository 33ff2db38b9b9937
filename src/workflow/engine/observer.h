#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "workflow/machine/event.h"
#include "workflow/machine/state.h"
#include "workflow/ports/outbox.h"

#include <optional>
#include <string>

namespace hsmbridge::workflow {

// Is told what an engine does, always by the engine's own thread. Throws nothing and is quick: requests wait meanwhile.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;

  virtual void claimed(const Claim& /*claim*/) {}
  virtual void started(const Claim& /*claim*/) {}
  // `trouble`: what the run threw, or why it was not begun. Null: it brought something, or nothing new.
  virtual void finished(const Claim& /*claim*/, const Error* /*trouble*/) {}
  // The event is on disk.
  virtual void committed(const RequestId& /*id*/, const Event& /*event*/, StateName /*now*/) {}
  // Counted against the request: it is tried again, later each time.
  virtual void failed(const Claim& /*claim*/, const Error& /*why*/) {}
  // An event that changes nothing. What it brings is kept.
  virtual void not_taken(const RequestId& /*id*/, EventName /*event*/, const std::string& /*why*/) {}

  // Once when a lane goes down, and once when it works again, however many requests wait for it.
  virtual void lane_down(const std::string& /*lane*/, const Error& /*why*/) {}
  virtual void lane_works(const std::string& /*lane*/) {}
  virtual void store_failed(const Error& /*why*/) {}
  virtual void store_works() {}

  // At least once a second: the rounds go on. Also while a stop waits for the effects in hand, as long as each of them
  // is within its time limit. Whoever watches the process from outside may take a long silence for a hang.
  virtual void alive() {}
  // Nothing more is begun before `due`; none: before somebody writes something.
  virtual void idle(std::optional<Instant> /*due*/) {}

  // What happens seldom and a person should read.
  enum class Gravity { warning, error };
  virtual void note(Gravity /*gravity*/, const std::string& /*sentence*/) {}
};

// The log of it.
class EngineLog : public EngineObserver {
 public:
  void committed(const RequestId& id, const Event& event, StateName now) override;
  void failed(const Claim& claim, const Error& why) override;
  void not_taken(const RequestId& id, EventName event, const std::string& why) override;
  void lane_down(const std::string& lane, const Error& why) override;
  void lane_works(const std::string& lane) override;
  void store_failed(const Error& why) override;
  void store_works() override;
  void note(Gravity gravity, const std::string& sentence) override;
};

}  // namespace hsmbridge::workflow
