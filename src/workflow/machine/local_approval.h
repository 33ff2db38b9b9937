#pragma once

#include "approval/policy.h"
#include "approval/vote.h"
#include "workflow/machine/state.h"

#include <string>
#include <vector>

// The approvals at this bridge, judged from the signed votes and the policy that the order pins, whenever somebody asks:
// nowhere is it written down that there are enough. Pure; nothing here throws.
namespace hsmbridge::workflow {

// How far apart the clocks of this machine and of an approver's may be.
inline constexpr Duration kClockTolerance = std::chrono::minutes{5};
// An approval counts no longer, whatever it says itself.
inline constexpr Duration kLongestApproval = std::chrono::hours{24 * 30};

// What the people of the policy are asked about the draft in the round that is open. Throws corrupt for a draft whose
// issuer cannot be read.
approval::Question question_of(const Order& order, const PreparedRequest& prepared);
// SHA-256, hex, of the order and all that was frozen for it: the draft, and what a person is shown beside it, as an
// export carries it. It is approval::Question::order.
std::string asked_digest(const Order& order, const PreparedRequest& prepared);

// Where the approvals of a draft stand.
struct ApprovalStanding {
  approval::Outcome outcome = approval::Outcome::impossible;
  approval::Decisions decisions;    // of votes that count; who asked for it counts as one who does not approve
  std::vector<std::string> faults;  // of votes that are no votes: a store that was written by somebody else
};
ApprovalStanding approval_standing(const Order& order, const PreparedRequest& prepared, Instant now);

// Why this vote is not taken, one sentence; "" when it may be. `decision` and `person`: what the event says of it.
std::string against_vote(const Order& order, const PreparedRequest& prepared, const std::string& vote,
                         const std::string& person, approval::Decision decision, Instant now);
// The round with that vote in it, which may be taken. It is in the place of an approval of that person that has run out.
ApprovalRound with_vote(ApprovalRound round, const std::string& vote, const std::string& person);

// A clock that was set back would make a timelock longer and everything else younger. Why nothing is submitted now of
// what was approved later than now; "" where the clock is not that far behind.
inline constexpr Duration kMostSetBack = std::chrono::minutes{10};
std::string against_clock(const Order& order, const PreparedRequest& prepared, Instant now);

// Who may decide and how they decided, in words for people, and in the order of the policy. `requesters`: who is known to
// have asked for it besides those that the order names.
Progress approval_progress(const Order& order, const PreparedRequest& prepared, Instant now,
                           const std::vector<std::string>& requesters = {});
// When they are to be judged again without a vote. Nothing where time changes nothing.
std::optional<Instant> approvals_due(const Order& order, const PreparedRequest& prepared, Instant now);

}  // namespace hsmbridge::workflow
