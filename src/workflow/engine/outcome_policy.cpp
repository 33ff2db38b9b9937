#include "workflow/engine/outcome_policy.h"

#include "workflow/engine/engine.h"
#include "workflow/machine/backoff.h"
#include "workflow/machine/codec.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::workflow {
namespace {

// The event that the outcome means, or nothing. A once-only call always means one: without a word from it, whether it
// happened is not known.
std::optional<EventBody> event_of(const Finished& finished, const Timing& timing) {
  const Effect& effect = finished.work.claim.effect;
  if (finished.outcome.event) return finished.outcome.event;
  const unsigned failures = finished.work.claim.failures + 1;
  if (effect.name == EffectName::look_up && finished.begun && finished.error && !finished.waits_for_lane &&
      failures >= timing.most_failed_look_ups) {
    // A person who can look elsewhere must learn of it, and may have the look-up tried again.
    return LookUpInconclusive{effect.attempt, fmt::format("{} look-ups in a row failed; the last error: {}", failures,
                                                          finished.error->message())};
  }
  if (!is_once_only(effect.name)) return std::nullopt;
  if (!finished.begun) {
    Problem problem{std::string(to_string(ErrorKind::unavailable)), "the call was not started before its deadline", ""};
    if (finished.error) problem = {problem.kind, finished.error->message(), finished.error->hint()};
    return SubmissionNotAccepted{effect.attempt, std::move(problem), std::nullopt};
  }
  return AnswerLost{effect.attempt, finished.error ? finished.error->message() : "the call ended without an answer"};
}

bool brings_something(const EventBody& body) {
  switch (name_of(body)) {
    case EventName::result_received:
    case EventName::key_ready:
    case EventName::submission_not_accepted:  // what became of an attempt is said once
    case EventName::submission_refused:
      return true;
    case EventName::reported:
      return false;
    default: {
      const StatusReport* report = report_of(body);
      return report != nullptr && !report->reference.empty();
    }
  }
}

// What a person reads who asks why a request waits.
std::string with_hint(const Error& error) {
  return error.hint().empty() ? error.message() : fmt::format("{} ({})", error.message(), error.hint());
}

}  // namespace

// A provider that cannot answer now may ask for patience all the same (503 with Retry-After): the detail "retry-after"
// of its error, a duration text. Nonsense there is no reason to fail.
std::optional<Duration> patience_asked(const Finished& finished) {
  if (!finished.error) return finished.outcome.retry_after;
  if (finished.outcome.retry_after) return finished.outcome.retry_after;
  const std::string_view text = finished.error->detail("retry-after");
  if (text.empty()) return std::nullopt;
  try {
    return parse_duration(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string precious_words(const Finished& finished) {
  const auto& body = finished.outcome.event;
  return body && brings_something(*body) ? to_json(*body).dump() : std::string{};
}

GiveBack OutcomePolicy::failed(const Claim& claim, const std::string& why, std::optional<Duration> asked,
                               const Timing& timing) const {
  const Duration wait = next_retry(claim.record.order.id, claim.failures + 1, asked, timing);
  return {claim.effect_id, now_ + wait, why.empty() ? "it failed" : well_formed(why)};
}

// An error may say when what it waits for comes (the detail "until", RFC 3339). It is tried then, and before that as
// often as any other: what is waited for may come sooner.
GiveBack OutcomePolicy::failed(const Claim& claim, const Error& error, std::optional<Duration> asked,
                               const Timing& timing) const {
  GiveBack back = failed(claim, with_hint(error), asked, timing);
  const std::string until(error.detail("until"));
  if (until.empty()) return back;
  try {
    back.due = std::min(back.due, std::max(now_, parse_rfc3339(until)));
  } catch (const Error&) {  // not a time
  }
  return back;
}

GiveBack OutcomePolicy::waiting(const Claim& claim, const std::string& why) const {
  return {claim.effect_id, now_, why.empty() ? "it failed" : well_formed(why), GiveBack::Counts::no};
}

GiveBack OutcomePolicy::quiet(const Claim& claim, std::optional<Duration> asked, const Timing& timing) const {
  const Record& record = claim.record;
  Duration wait{};
  if (std::holds_alternative<Withdrawing>(record.state)) {
    wait = patient(timing.withdraw_poll, asked);
  } else {
    const Submission* submission = submission_of(record.state);
    const Instant since = submission != nullptr ? submission->submitted_at : record.changed_at;
    wait = next_poll(record.order.id, std::max(now_ - since, Duration::zero()), asked, timing);
  }
  return {claim.effect_id, now_ + wait, ""};
}

Judged OutcomePolicy::of(const Finished& finished, const Timing& timing) const {
  const Claim& claim = finished.work.claim;
  const Record& record = claim.record;
  Judged verdict;
  const std::optional<EventBody> body = event_of(finished, timing);
  if (!body) {
    if (!finished.begun && !finished.error) {
      verdict.back = GiveBack{claim.effect_id, {}, std::nullopt};
    } else if (finished.error && finished.waits_for_lane) {
      verdict.back = waiting(claim, with_hint(*finished.error));
    } else if (finished.error) {
      verdict.failed = true;
      verdict.back = failed(claim, *finished.error, patience_asked(finished), timing);
    } else {
      verdict.back = quiet(claim, finished.outcome.retry_after, timing);
    }
    return verdict;
  }
  if (const auto* reported = std::get_if<Reported>(&*body);
      reported != nullptr && !changes_something(record.state, reported->report)) {
    const auto& asked = reported->report.retry_after;
    verdict.back = quiet(claim, asked ? asked : finished.outcome.retry_after, timing);
    return verdict;
  }
  Event event{finished.at, finished.outcome.actor.empty() ? "worker:" + worker_ : finished.outcome.actor, *body};
  auto decided = decide(record.order, record.state, event, timing);
  if (const auto* refusal = std::get_if<Refusal>(&decided)) {
    verdict.not_taken = {name_of(*body), refusal->why};
    if (brings_something(*body)) {
      verdict.late = LateAnswer{record.order.id, std::move(event), refusal->why};
      verdict.key = finished.outcome.key;
    }
    verdict.back = failed(claim, refusal->why, std::nullopt, timing);
    return verdict;
  }
  Step step;
  step.request = record.order.id;
  step.expected_sequence = record.sequence;
  step.event = std::move(event);
  step.decision = std::get<Decision>(std::move(decided));
  if (finished.waits_for_lane) {
    // The next attempt waits for the lane, not for a pause that grows with its number.
    for (Effect& next : step.decision.effects) {
      if (next.name == EffectName::submit) next.due = now_;
    }
  }
  step.finished_effect = claim.effect_id;
  step.certificate = finished.outcome.certificate;
  step.key = finished.outcome.key;
  verdict.step = std::move(step);
  return verdict;
}

Finished OutcomePolicy::ring(Claim claim) const {
  Finished finished;
  finished.at = now_;
  switch (claim.effect.name) {
    case EffectName::answer_overdue:
      finished.outcome.event = AnswerLost{claim.effect.attempt, "no answer arrived before the deadline of the call"};
      break;
    case EffectName::draft_age: {
      const Draft* draft = draft_of(claim.record.state);
      finished.outcome.event = DraftTooOld{draft == nullptr ? Duration::zero() : now_ - draft->built_at};
      break;
    }
    case EffectName::approvals_due:
      finished.outcome.event = ApprovalsDue{};
      break;
    case EffectName::command_over:
      finished.outcome.event = CommandOver{};
      break;
    default:
      finished.outcome.event = DeadlinePassed{};
  }
  finished.work.claim = std::move(claim);
  return finished;
}

}  // namespace hsmbridge::workflow
