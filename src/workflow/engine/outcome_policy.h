#pragma once

#include "base/json.h"
#include "workflow/engine/effect_pool.h"
#include "workflow/ports/store.h"

#include <optional>
#include <string>
#include <utility>

namespace hsmbridge::workflow {

// What the engine does about an effect that finished: exactly one of a step to commit, or a claim to give back (with,
// where an answer came that the machine does not take, that answer to keep).
struct Judged {
  std::optional<Step> step;
  std::optional<GiveBack> back;
  std::optional<LateAnswer> late;
  std::optional<KeyRecord> key;  // with `late`
  // What is to be told of it: the run failed by itself, or its event was not taken, and why.
  bool failed = false;
  std::optional<std::pair<EventName, std::string>> not_taken = std::nullopt;
};

// What must not be lost, whatever state its request is in by now: it names something at the provider, is what the
// provider gives once, or tells of a key that is in the token. The whole of it as JSON; "" for anything else.
std::string precious_words(const Finished& finished);

// How long the other side wants to be left alone, where it said so.
std::optional<Duration> patience_asked(const Finished& finished);

// Pure: decides by its arguments alone.
class OutcomePolicy {
 public:
  OutcomePolicy(const std::string& worker, Instant now) : worker_(worker), now_(now) {}

  Judged of(const Finished& finished, const Timing& timing) const;
  // A timer went off: the event it means, as if an effect had brought it.
  Finished ring(Claim claim) const;
  // The claim is tried again, later the more often it failed.
  GiveBack failed(const Claim& claim, const std::string& why, std::optional<Duration> asked,
                  const Timing& timing) const;

 private:
  GiveBack failed(const Claim& claim, const Error& error, std::optional<Duration> asked, const Timing& timing) const;
  // The lane is down: it goes on with the lane, behind the others that wait for it.
  GiveBack waiting(const Claim& claim, const std::string& why) const;
  // The run went well and brought nothing new.
  GiveBack quiet(const Claim& claim, std::optional<Duration> asked, const Timing& timing) const;
  const std::string& worker_;
  Instant now_;
};

}  // namespace hsmbridge::workflow
