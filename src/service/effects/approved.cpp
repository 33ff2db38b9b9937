#include "service/effects/approved.h"

#include "approval/vote.h"
#include "base/error.h"
#include "base/text.h"
#include "workflow/machine/local_approval.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::service {

namespace {

// Without those who are known now to have asked for it.
bool approval_is_impossible(const workflow::ApprovalTerms& terms, const std::vector<std::string>& requesters) {
  approval::Decisions without;
  for (const auto& member : approval::members(terms.policy)) {
    for (const auto* const people : {&terms.requesters, &requesters}) {
      if (std::find(people->begin(), people->end(), member.person.name) == people->end()) continue;
      without.rejected.insert(member.person.key);
    }
  }
  return judge(terms.policy, without, Duration::zero()) == approval::Outcome::impossible;
}

}  // namespace

std::string against_terms(const ReleaseTerms& wanted, const workflow::Order& order) {
  // Also of an order that pins none: it may have been written by somebody whose configuration asks for none.
  const auto pinned = order.approval ? std::optional(order.approval->policy) : std::nullopt;
  if (wanted.approval != pinned) {
    return fmt::format(
        "profile {} wants other approvals now than when this was requested: those that were given are void",
        order.profile);
  }
  if (wanted.command && !order.wants_command) {
    return fmt::format("profile {} wants an operator's command now, and this was requested without", order.profile);
  }
  if (!order.approval) return {};
  if (approval_is_impossible(*order.approval, wanted.requesters)) {
    return fmt::format("{} asked for it, as the accounts of people are now: there could not be enough approvals",
                       joined(wanted.requesters, " and "));
  }
  if (order.approval->environment == wanted.environment) return {};
  return fmt::format("it was requested when this store was {}, and now it is {}: approvals that were given are void",
                     order.approval->environment, wanted.environment);
}

std::string against_requester(const ReleaseTerms& wanted, const workflow::Order& order, const std::string& vote) {
  const auto person = approval::read_vote(vote).vote.person;
  const auto& asked = wanted.requesters;
  if (std::find(asked.begin(), asked.end(), person) == asked.end()) return {};
  return fmt::format("{} asked for it ({})", person, workflow::who_asked(order));
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
  const auto asked_again = [&](std::string why) {
    auto answer = not_accepted(ErrorKind::refused, std::move(why));
    answer.outdated = true;
    return answer;
  };
  ReleaseTerms wanted;
  try {
    wanted = world.release_terms(order);
    if (auto why = against_terms(wanted, order); !why.empty()) return refused(ErrorKind::conflict, std::move(why));
  } catch (...) {
    const auto error = current_error();
    if (error.kind() == ErrorKind::refused) return refused(ErrorKind::refused, error.message());
    return not_accepted(ErrorKind::unavailable,
                        fmt::format("who may approve for profile {} is not known: {}{}{}", order.profile,
                                    error.message(), error.hint().empty() ? "" : ": ", error.hint()));
  }
  if (!order.wants_approval()) return std::nullopt;
  const auto standing = workflow::approval_standing(order, *prepared, now);
  if (!standing.faults.empty()) {
    return refused(ErrorKind::corrupt, "a vote that is stored does not count: " + joined(standing.faults, "; "));
  }
  for (const auto& vote : prepared->approval.votes) {
    if (auto why = against_requester(wanted, order, vote); !why.empty()) return asked_again(std::move(why));
  }
  if (standing.outcome == approval::Outcome::met) return std::nullopt;
  return asked_again("its approvals have run out, or are not enough");
}

}  // namespace hsmbridge::service
