#include "workflow/machine/transitions.h"

#include "base/error.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::workflow {
namespace {

// A kind that brings nothing is over when it is done: a provider that speaks of something to fetch has not said
// what became of it.
RequestStatus status_for(const Order& order, RequestStatus status) {
  const bool speaks_of_a_result = status == RequestStatus::ready || status == RequestStatus::handed_out;
  return speaks_of_a_result && !order.brings_result() ? RequestStatus::unrecognised : status;
}

}  // namespace

Next refuse(std::string why) {
  return Refusal{std::move(why)};
}

// ---- ends that several states share ---------------------------------------------------------------------------------

State given_up(const WithdrawWish& wish) {
  switch (wish.cause) {
    case WithdrawWish::Cause::deadline:
      return Expired{"the request's own deadline"};
    case WithdrawWish::Cause::draft_age:
      return Expired{wish.reason};
    case WithdrawWish::Cause::cancel:
      break;
  }
  return Cancelled{wish.actor, wish.reason};
}

WithdrawWish wish_of(const Context& context) {
  if (const auto* cancel = context.is<CancelAsked>()) {
    return WithdrawWish{WithdrawWish::Cause::cancel, context.event.actor, cancel->reason};
  }
  if (const auto* old = context.is<DraftTooOld>()) {
    return WithdrawWish{WithdrawWish::Cause::draft_age, context.event.actor,
                        fmt::format("the draft was {} old and not signed; its profile allows {}", spoken(old->age),
                                    spoken(context.order.max_age.value_or(old->age)))};
  }
  return WithdrawWish{WithdrawWish::Cause::deadline, context.event.actor, "the request's own deadline passed"};
}

std::optional<WithdrawWish> given_up_before(bool late) {
  if (!late) return std::nullopt;
  return WithdrawWish{WithdrawWish::Cause::cancel, "an earlier request to cancel", "it had been given up before"};
}

State revoked(const Order& order, const PreparedRequest& prepared) {
  const Predecessor* predecessor = order.predecessor();
  return Completed{prepared.key, predecessor == nullptr ? std::string{} : predecessor->certificate, false, {}};
}

bool is_word_of_a_person(const Context& context) {
  return context.is<ResolvedAsCertificate>() || context.is<ResolvedAsAbandoned>() || context.is<ResolvedAsDone>();
}

Next at_any_time(const PreparedRequest& prepared, const Submission& submission, bool late, const Context& context) {
  if (context.is<ResolvedAsDone>()) return revoked(context.order, prepared);
  if (const auto* brought = context.is<ResolvedAsCertificate>()) {
    return State{Verifying{prepared, submission, brought->result, late}};
  }
  return State{Abandoned{context.event.actor, context.is<ResolvedAsAbandoned>()->reason}};
}

// ---- what an answer says --------------------------------------------------------------------------------------------

std::optional<Answer> answer_of(const Context& context) {
  if (const auto* answered = context.is<SubmissionAnswered>()) return Answer{answered->attempt, answered->report};
  if (const auto* found = context.is<FoundAtProvider>()) return Answer{found->attempt, found->report};
  const auto* received = context.is<ResultReceived>();
  if (received == nullptr || received->attempt == 0) return std::nullopt;
  return Answer{received->attempt, received->report, &received->result};
}

const IssuedResult* result_in(const Context& context) {
  const auto* received = context.is<ResultReceived>();
  return received == nullptr ? nullptr : &received->result;
}

std::string named(const Submission& submission) {
  if (submission.reference.empty()) return fmt::format("attempt {} (no reference)", submission.attempt);
  return fmt::format("attempt {} ({})", submission.attempt, submission.reference.str());
}

std::string spoken_status(const StatusReport& report) {
  if (report.message.empty()) return report.provider_status;
  return report.provider_status.empty() ? report.message : report.provider_status + ": " + report.message;
}

Progress progress_with_note(const StatusReport& report) {
  Progress progress = report.progress;
  if (report.status == RequestStatus::unrecognised && progress.note.empty()) {
    progress.note =
        fmt::format("the provider says '{}', a status that this version does not know", report.provider_status);
  }
  return progress;
}

Submission updated(Submission submission, const StatusReport& report) {
  if (!report.reference.empty()) submission.reference = report.reference;
  if (!report.provider_state.empty()) submission.provider_state = report.provider_state;
  return submission;
}

PreparedRequest as_sent(PreparedRequest prepared, unsigned attempt) {
  if (!prepared.sent || attempt > prepared.sent->last_attempt) return prepared;
  // What was approved since is another draft.
  if (prepared.draft != prepared.sent->draft) prepared.approval.votes.clear();
  prepared.draft = prepared.sent->draft;
  return prepared;
}

// ---- where a clear word of the provider leads -----------------------------------------------------------------------

State landed(const Context& context, PreparedRequest prepared, Submission submission, const StatusReport& report,
             const std::optional<WithdrawWish>& wish) {
  const Order& order = context.order;
  const auto unresolved = [&](std::string why) {
    return Unresolved{std::move(prepared), std::move(submission), std::move(why), {}, wish};
  };
  if (const IssuedResult* result = result_in(context); result != nullptr && order.brings_result()) {
    return Verifying{std::move(prepared), std::move(submission), *result, wish.has_value()};
  }
  switch (status_for(order, report.status)) {
    case RequestStatus::done:
      if (!order.brings_result()) return revoked(order, prepared);
      [[fallthrough]];
    case RequestStatus::handed_out:
      return unresolved(
          "the provider reports it as done but gave out no result (a result that is given out once is gone after the "
          "first look): " +
          spoken_status(report));
    case RequestStatus::ready:
      return Retrieving{std::move(prepared), std::move(submission), report.provider_status, wish.has_value()};
    case RequestStatus::rejected:
      return Rejected{report.by, spoken_status(report)};
    case RequestStatus::expired:
      return Expired{"the approval window at the provider: " + spoken_status(report)};
    case RequestStatus::cancelled:
      if (wish) return given_up(*wish);
      return Cancelled{report.by.empty() ? "the provider" : report.by, spoken_status(report)};
    case RequestStatus::failed:
      return Failed{
          std::string(to_string(ErrorKind::refused)), "it failed at the provider: " + spoken_status(report), {}};
    case RequestStatus::gone:
      return unresolved("the provider accepted it and does not know it");
    case RequestStatus::awaiting_approval:
    case RequestStatus::awaiting_issuance:
    case RequestStatus::unrecognised:
      break;
  }
  if (!submission.is_known()) {
    return unresolved("the provider accepted it without a reference to ask about: " + spoken_status(report));
  }
  if (wish) {
    return Withdrawing{
        std::move(prepared), std::move(submission), *wish, Withdrawing::Cancel::wanted, {}, report.provider_status, {}};
  }
  AwaitingProvider waiting{
      std::move(prepared), std::move(submission), progress_with_note(report), report.provider_status, {}};
  if (report.status == RequestStatus::awaiting_issuance) return AwaitingIssuance{std::move(waiting)};
  return AwaitingApproval{std::move(waiting)};
}

State two_orders(PreparedRequest prepared, const Answer& answer, const std::string& other, Instant at,
                 const std::optional<WithdrawWish>& wish, Instant not_before) {
  Submission late{answer.attempt, answer.report.reference, answer.report.provider_state, at};
  std::string why = fmt::format("{} was answered after it had been given up; {}", named(late), other);
  Unresolved next{std::move(prepared), std::move(late), std::move(why), {}, wish, not_before};
  if (answer.result != nullptr) next.result = *answer.result;
  return next;
}

std::optional<Answer> answer_to_another(const Context& context, const Submission& current) {
  std::optional<Answer> answer = answer_of(context);
  if (!answer) return std::nullopt;
  const ProviderReference& reference = answer->report.reference;
  const bool both = !reference.empty() && !current.reference.empty();
  const bool another = both ? reference != current.reference : answer->attempt != current.attempt;
  if (!another) return std::nullopt;
  return answer;
}

}  // namespace hsmbridge::workflow
