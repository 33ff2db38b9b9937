#pragma once

#include "base/clock.h"
#include "workflow/machine/effect.h"
#include "workflow/machine/record.h"
#include "workflow/ports/lease_clock.h"
#include "workflow/ports/records.h"
#include "workflow/ports/wakeup.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::workflow {

// A due effect, taken by one worker until its lease ends.
struct Claim {
  std::int64_t effect_id = 0;
  Record record;
  Effect effect;
  unsigned failures = 0;  // in a row: runs that said why they brought nothing
  // Runs that ended without an outcome since the last one that went well: the worker died or was stopped, or its lease
  // ended. No failures: nobody knows what they would have said.
  unsigned crashes = 0;
  Deadline lease;  // whoever works past it may not be alone
  // Set by the engine for a once-only call: its hard deadline, journalled with the intent. Past it the call is not
  // begun.
  std::optional<Deadline> call_until = std::nullopt;
};

// A claim given back without an event.
struct GiveBack {
  std::int64_t effect_id = 0;
  Instant due{};  // it is due again then; none: when it was, by a clock that may have been set since it was claimed
  // "": the run went well and brought nothing new, both counts start at zero. Words: why it failed. Nothing: it was not
  // run.
  std::optional<std::string> trouble;
  // The words are about the lane: they are shown, and not counted against the request.
  enum class Counts { yes, no };
  Counts counts = Counts::yes;
};

// What is known of a lane in every process.
struct LaneFacts {
  unsigned deaths = 0;          // workers that died with a call of this lane in hand since one last came through
  Instant died_at{};            // the last of them
  std::uint64_t came_back = 0;  // grows when somebody saw it work again: whoever left it alone tries it
};

struct ClaimQuery {
  std::string worker;                     // "HOST/PID/random": who holds the lease
  std::map<std::string, unsigned> lanes;  // free places a lane; only these are claimed
  Duration lease{};
  std::vector<RequestId> only;      // `request wait`: these requests alone; empty: all
  std::vector<GiveBack> give_back;  // done in the transaction that claims, so that a quiet poll costs no other
  std::map<std::string, Duration> leases = {};  // lane -> its own lease: the calls of a slow token last longer
  Duration lease_in(const std::string& lane) const {
    const auto own = leases.find(lane);
    return own == leases.end() ? lease : own->second;
  }
};

// An effect that waits, for `explain`.
struct EffectStatus {
  Effect effect;
  bool running = false;   // some worker holds its lease
  unsigned failures = 0;  // as in Claim
  unsigned crashes = 0;   // as in Claim
  std::string trouble;    // of the last run, "" when it went well
};

// An answer that could not be stored while somebody held the store: a file of its own next to it, until a process that
// works on the store has stored it.
struct KeptAnswer {
  std::string name;  // of the file; given by the store
  std::int64_t effect_id = 0;
  Effect effect;
  RequestId request;
  Event event;
  std::optional<KeyRecord> key;
};

// Effects that wait, who carries them out, and what came back and is not stored yet. Rules of all ports: store.h.
class Outbox {
 public:
  virtual ~Outbox() = default;

  // Takes due effects, oldest first, at most the free places of each lane (the lane "timer:NAME" holds the timers of
  // the requests of provider NAME). Writes nothing when nothing is due and nothing is given back.
  virtual std::vector<Claim> claim(const ClaimQuery& query, Instant now) = 0;
  virtual const LeaseClock& lease_clock() const = 0;
  // Lanes with something to know.
  virtual std::map<std::string, LaneFacts> lanes() = 0;
  // A call of the lane came through after deaths or a pause: no deaths any more, and the others are told.
  virtual void lane_works(const std::string& lane) = 0;
  // Steps that were planned by a clock that was ahead of `now` keep their pause and lose the error; those that wait for
  // a moment that somebody named (a deadline, the age of a draft) keep that. Gives how far ahead the clock was.
  virtual Duration follow_clock(Instant now) = 0;
  // When the next effect of these lanes is due, or nothing.
  virtual std::optional<Instant> next_due(const ClaimQuery& query) = 0;
  // Sleeps until somebody else wrote something, `wakeup` is notified or, in real time, `longest` has passed. True when
  // somebody else wrote something since the call before: then it returns at once.
  virtual bool wait_for_change(Wakeup& wakeup, Duration longest) = 0;

  // Ends the leases of every holder that `gone` says is no more, so that a restart after a crash need not wait for them
  // to run out; what it had in hand counts as a crash, of the effect and of its lane. Safe even when `gone` errs: an
  // attempt that was started is never started again, lease or not. Gives the number of holders; writes nothing when
  // there is none.
  virtual std::size_t end_leases(const std::function<bool(const std::string& worker)>& gone) = 0;

  // By due time.
  virtual std::vector<Effect> effects(const RequestId& id) = 0;
  virtual std::vector<EffectStatus> effect_status(const RequestId& id) = 0;

  // Without the database, which may be held or full. Durable when it returns; gives the name. Throws unavailable,
  // denied.
  virtual std::string keep_aside(const KeptAnswer& answer) = 0;
  // What is kept. A file that cannot be read is logged and left where it is.
  virtual std::vector<KeptAnswer> kept_aside() = 0;
  virtual void forget_aside(const std::string& name) = 0;
  // Whether an answer for the request may be kept, also one that this process cannot read.
  virtual bool may_be_kept(const RequestId& request) = 0;

  // Polls of the lane that fell due before `began` and that nobody has in hand are due at `began` plus what `place` gives
  // for the request and for how late its poll is: none before it. At most `most`, the latest first; gives how many there
  // were, and writes nothing when there are none.
  virtual std::size_t spread_polls(const std::string& lane, Instant began,
                                   const std::function<Duration(const RequestId& request, Duration late)>& place,
                                   std::size_t most) = 0;
};

}  // namespace hsmbridge::workflow
