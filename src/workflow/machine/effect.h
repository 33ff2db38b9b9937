#pragma once

#include "workflow/machine/event.h"
#include "workflow/machine/state.h"

#include <string>
#include <string_view>
#include <vector>

// What the bridge must do to the outside world. An effect is written down in the transaction of the event that causes
// it and runs after that commit.
namespace hsmbridge::workflow {

enum class EffectName {
  ensure_key,      // make the planned key, or find the named one            token   repeatable (journalled birth)
  sign_csr,        // CSR signed in the token and proved                     token   repeatable
  build_draft,     // what the provider makes of the CSR                     provider repeatable
  check_draft,     // what the provider cannot carry, policy, lint           provider repeatable
  submit,          //                                                        provider ONCE an attempt
  look_up,         // after a lost answer                                    provider repeatable
  poll,            //                                                        provider repeatable
  retrieve,        //                                                        provider repeatable
  verify,          // read the result, check  it against the request         provider repeatable
  install,         // one target, named by Effect::target                    token or local repeatable
  withdraw,        // cancel at the provider                                 provider repeatable
  answer_overdue,  // timer: a started attempt without an answer           timer
  deadline,        // timer: the request's own deadline                    timer
  draft_age,       // timer: the draft reaches its max_age                 timer
  approvals_due,   // timer: a timelock or the time to approve it ends     timer
  command_over,    // timer: an operator's command was not carried out     timer
};
std::string_view to_string(EffectName name);
std::optional<EffectName> effect_name_from(std::string_view word);
// At most once per attempt: AttemptStarted is committed before the first byte.
bool is_once_only(EffectName name);

struct Effect {
  EffectName name = EffectName::poll;
  Instant due{};
  unsigned attempt = 0;  // submit, look_up, answer_overdue
  std::string target;    // install

  // Two effects with equal identity are the same work: "install:token", "submit:2", "poll".
  std::string identity() const;
  bool operator==(const Effect&) const = default;
};

// Where an effect runs: "token:NAME", "provider:NAME", "local", or for timers "timer:PROVIDER". A slow lane starves no
// other.
std::string lane_of(const Effect& effect, const Order& order);

// A timer needs no token and no provider, only the engine itself: its lane is "timer:PROVIDER", so that a process that
// does not know the provider (and its times) leaves it alone, and no slow hook keeps a deadline waiting.
bool is_timer(EffectName name);
std::string timer_lane(const std::string& provider);

}  // namespace hsmbridge::workflow
