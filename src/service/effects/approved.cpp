#include "service/effects/approved.h"

#include "base/error.h"
#include "base/text.h"
#include "workflow/machine/local_approval.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::service {

std::string policy_changed(const std::string& profile) {
  return fmt::format(
      "profile {} wants other approvals now than when this was requested: those that were given are void", profile);
}

std::optional<workflow::EventBody> against_approvals(Dependencies& world, const workflow::Claim& claim, Instant now) {
  const auto& order = claim.record.order;
  const auto* prepared = workflow::prepared_of(claim.record.state);
  if (!order.brings_certificate() || prepared == nullptr) return std::nullopt;
  const unsigned attempt = claim.effect.attempt;
  const auto refused = [attempt](ErrorKind kind, std::string why) {
    return workflow::SubmissionRefused{attempt, {std::string(to_string(kind)), std::move(why), "request it again"}};
  };
  const auto not_accepted = [attempt](ErrorKind kind, std::string why) {
    return workflow::SubmissionNotAccepted{attempt, {std::string(to_string(kind)), std::move(why), ""}, std::nullopt};
  };
  try {
    // Also of an order that pins none: it may have been written by somebody whose configuration asks for none.
    const auto wanted = world.approval_policy(order.profile);
    const auto pinned = order.approval ? std::optional(order.approval->policy) : std::nullopt;
    if (wanted != pinned) return refused(ErrorKind::conflict, policy_changed(order.profile));
  } catch (...) {
    return not_accepted(ErrorKind::unavailable, fmt::format("who may approve for profile {} cannot be read: {}",
                                                            order.profile, current_error().message()));
  }
  if (!order.wants_approval()) return std::nullopt;
  const auto standing = workflow::approval_standing(order, *prepared, now);
  if (!standing.faults.empty()) {
    return refused(ErrorKind::corrupt, "a vote that is stored does not count: " + joined(standing.faults, "; "));
  }
  if (standing.outcome == approval::Outcome::met) return std::nullopt;
  auto answer = not_accepted(ErrorKind::refused, "its approvals have run out, or are not enough");
  answer.outdated = true;
  return answer;
}

}  // namespace hsmbridge::service
