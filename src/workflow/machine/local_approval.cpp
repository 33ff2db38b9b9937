#include "workflow/machine/local_approval.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/json_text.h"
#include "workflow/machine/codec.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace hsmbridge::workflow {
namespace {

bool asked_for_it(const ApprovalTerms& terms, const std::string& person) {
  return std::find(terms.requesters.begin(), terms.requesters.end(), person) != terms.requesters.end();
}

// A vote that is stored, or why it is none.
struct StoredVote {
  std::optional<approval::SignedVote> vote;
  std::string fault;
};
StoredVote stored_vote(const ApprovalTerms& terms, const approval::Question& question, const std::string& text) {
  try {
    approval::SignedVote vote = approval::read_vote(text);
    std::string fault = fault_of(vote, question, terms.policy);
    if (fault.empty() && asked_for_it(terms, vote.vote.person)) {
      fault = fmt::format("{} asked for it", vote.vote.person);
    }
    if (!fault.empty()) return {std::nullopt, std::move(fault)};
    return {std::move(vote), {}};
  } catch (const Error& error) {
    return {std::nullopt, fmt::format("a vote cannot be read: {}", error.message())};
  }
}

// An approval that has run out says nothing any more; a rejection stays.
bool counts(const approval::Vote& vote, Instant now) {
  const Instant end = std::min<Instant>(vote.valid_until, vote.approved_at + kLongestApproval);
  return vote.decision == approval::Decision::rejected || now < end;
}

Duration age_of(const ApprovalRound& round, Instant now) {
  return std::max(now - round.counted_from(now), Duration::zero());
}

std::optional<approval::SignedVote> vote_of(const ApprovalRound& round, const std::string& person) {
  for (const std::string& text : round.votes) {
    try {
      approval::SignedVote vote = approval::read_vote(text);
      if (vote.vote.person == person) return vote;
    } catch (const Error&) {  // approval_standing tells of it
    }
  }
  return std::nullopt;
}

std::string why_not(const Order& order, const PreparedRequest& prepared, const std::string& text,
                    const std::string& person, approval::Decision decision, Instant now) {
  const ApprovalTerms& terms = *order.approval;
  const approval::SignedVote signed_vote = approval::read_vote(text);
  const approval::Vote& vote = signed_vote.vote;
  if (std::string fault = fault_of(signed_vote, question_of(order, prepared), terms.policy); !fault.empty()) {
    return fault;
  }
  if (vote.person != person || vote.decision != decision) return "the vote says something else than what came with it";
  if (asked_for_it(terms, person)) return fmt::format("{} asked for it, and cannot decide about it", person);
  if (const auto earlier = vote_of(prepared.approval, person); earlier && counts(earlier->vote, now)) {
    return fmt::format("{} has {} it already, which is irrevocable", person, to_string(earlier->vote.decision));
  }
  for (const std::string& other : prepared.approval.votes) {
    if (approval::read_vote(other).vote.nonce == vote.nonce) return "a vote with this nonce was given before";
  }
  if (vote.approved_at > now + kClockTolerance) {
    return fmt::format("the vote is of {}, which is yet to come", rfc3339(vote.approved_at));
  }
  if (vote.approved_at < prepared.approval.opened_at - kClockTolerance) {
    return fmt::format("the vote is of {}, when nobody could know what would be asked", rfc3339(vote.approved_at));
  }
  if (!counts(vote, now)) return fmt::format("the vote was good until {}", rfc3339(vote.valid_until));
  return {};
}

}  // namespace

approval::Question question_of(const Order& order, const PreparedRequest& prepared) {
  approval::Question question;
  question.store = order.approval->store;
  question.environment = order.approval->environment;
  question.request = order.id.str();
  question.kind = std::string(to_string(order.kind()));
  question.round = prepared.approval.number;
  try {
    const Bytes& issuer = prepared.draft.issuer;
    if (!issuer.empty()) question.issuer = x509::spki_hash(x509::parse_certificate(issuer).spki()).str();
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt, fmt::format("the issuer in the draft of request {} cannot be read: {}",
                                                order.id.str(), error.message())};
  }
  question.draft = draft_digest(prepared.draft);
  question.policy = approval::policy_digest(order.approval->policy);
  question.order = asked_digest(order, prepared);
  return question;
}

std::string asked_digest(const Order& order, const PreparedRequest& prepared) {
  const Json shown = to_json(State(Prepared{{prepared.key, prepared.draft}}));
  return hex(sha256(as_bytes(sorted(Json::object({{"order", to_json(order)}, {"frozen", shown}})).dump())));
}

ApprovalStanding approval_standing(const Order& order, const PreparedRequest& prepared, Instant now) {
  ApprovalStanding standing;
  if (!order.approval) return standing;
  const ApprovalTerms& terms = *order.approval;
  for (const approval::Member& member : approval::members(terms.policy)) {
    if (asked_for_it(terms, member.person.name)) standing.decisions.rejected.insert(member.person.key);
  }
  try {
    const approval::Question question = question_of(order, prepared);
    std::set<std::string> people;
    for (const std::string& text : prepared.approval.votes) {
      StoredVote one = stored_vote(terms, question, text);
      if (one.vote && !people.insert(one.vote->vote.person).second) one.fault = "a person has two votes";
      if (!one.fault.empty()) {
        standing.faults.push_back(std::move(one.fault));
      } else if (counts(one.vote->vote, now)) {
        const bool approved = one.vote->vote.decision == approval::Decision::approved;
        (approved ? standing.decisions.approved : standing.decisions.rejected).insert(x509::spki_hash(one.vote->key));
      }
    }
  } catch (const Error& error) {
    standing.faults.push_back(error.message());
  }
  // Where one cannot be believed, none is.
  if (!standing.faults.empty()) standing.decisions.approved.clear();
  standing.outcome = judge(terms.policy, standing.decisions, age_of(prepared.approval, now));
  return standing;
}

std::string against_vote(const Order& order, const PreparedRequest& prepared, const std::string& vote,
                         const std::string& person, approval::Decision decision, Instant now) {
  if (!order.approval) {
    return order.wants_approval()
               ? "the request was written by an older hsmbridge, which did not say who may approve it"
               : "the request wants no approval at this bridge";
  }
  try {
    return why_not(order, prepared, vote, person, decision, now);
  } catch (const Error& error) {
    return error.message();
  }
}

ApprovalRound with_vote(ApprovalRound round, const std::string& vote, const std::string& person) {
  std::erase_if(round.votes, [&person](const std::string& text) {
    try {
      return approval::read_vote(text).vote.person == person;
    } catch (const Error&) {
      return false;
    }
  });
  round.votes.push_back(vote);
  return round;
}

std::string against_clock(const Order& order, const PreparedRequest& prepared, Instant now) {
  if (!order.approval) return {};
  Instant latest = prepared.approval.opened_at;
  for (const std::string& text : prepared.approval.votes) {
    try {
      latest = std::max(latest, approval::read_vote(text).vote.approved_at);
    } catch (const Error&) {  // approval_standing tells of it
    }
  }
  if (latest - now <= kMostSetBack) return {};
  return fmt::format("the clock of this machine is {} behind what was approved at {}: nothing is signed or sent of it",
                     spoken(latest - now), rfc3339(latest));
}

Progress approval_progress(const Order& order, const PreparedRequest& prepared, Instant now,
                           const std::vector<std::string>& requesters) {
  Progress progress;
  if (!order.approval) return progress;
  const ApprovalTerms& terms = *order.approval;
  const ApprovalStanding standing = approval_standing(order, prepared, now);
  for (const approval::Member& member : approval::members(terms.policy)) {
    const std::string& name = member.person.name;
    const bool asked =
        asked_for_it(terms, name) || std::find(requesters.begin(), requesters.end(), name) != requesters.end();
    Approver one{asked ? name + " (asked for it)" : name, member.person.key.str(), {}, {}};
    for (const std::string& group : member.groups) one.group += (one.group.empty() ? "" : ", ") + group;
    if (standing.decisions.approved.count(member.person.key) != 0) one.decision = Approver::Decision::approved;
    if (standing.decisions.rejected.count(member.person.key) != 0 && !asked_for_it(terms, name)) {
      one.decision = Approver::Decision::rejected;
    }
    progress.approvers.push_back(std::move(one));
  }
  progress.quorum = quorum_text(terms.policy);
  const Instant opened = prepared.approval.counted_from(now);
  progress.about_until = ends_at(terms.policy, standing.decisions, opened);
  if (!standing.faults.empty()) {
    progress.note = "no vote counts: " + standing.faults.front();
  } else if (standing.outcome == approval::Outcome::timelocked) {
    const auto from = usable_from(terms.policy, standing.decisions, opened, now);
    progress.note = fmt::format("approved by enough people, timelock runs until {}", rfc3339(from.value_or(opened)));
  }
  return progress;
}

std::optional<Instant> approvals_due(const Order& order, const PreparedRequest& prepared, Instant now) {
  if (!order.approval) return std::nullopt;
  const ApprovalStanding standing = approval_standing(order, prepared, now);
  const approval::Policy& policy = order.approval->policy;
  const Instant opened = prepared.approval.counted_from(now);
  const auto due = standing.outcome == approval::Outcome::timelocked
                       ? usable_from(policy, standing.decisions, opened, now)
                       : ends_at(policy, standing.decisions, opened);
  // What is over already is not waited for: judging again at once would say the same.
  constexpr Duration kLater = std::chrono::minutes{10};
  return due && *due <= now ? std::optional<Instant>(now + kLater) : due;
}

}  // namespace hsmbridge::workflow
