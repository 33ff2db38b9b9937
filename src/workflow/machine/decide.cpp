#include "workflow/machine/decide.h"

#include "workflow/machine/codec.h"
#include "workflow/machine/rules.h"
#include "workflow/machine/transitions.h"

#include <fmt/core.h>

#include <type_traits>
#include <utility>

namespace hsmbridge::workflow {
namespace {

// What a person may say, in the words of a person.
struct PersonsAct {
  EventName event;
  std::string_view not_now;
};
constexpr PersonsAct kPersonsActs[] = {
    {EventName::look_up_asked, "there is no lost answer to look for"},
    {EventName::judgement_asked, "no certificate is stored that could be judged again"},
    {EventName::deviations_accepted, "there is no quarantined certificate that could be accepted"},
    {EventName::resolved_as_there, "a reference cannot be given"},
    {EventName::resolved_as_certificate, "a certificate cannot be given"},
    {EventName::resolved_as_absent, "it cannot be confirmed as absent at the provider"},
    {EventName::resolved_as_abandoned, "it cannot be abandoned: use 'request cancel'"},
    {EventName::resolved_as_done, "it cannot be confirmed as done"},
    {EventName::target_skipped, "there is no installation to skip"},
    {EventName::locally_approved, "there is nothing to approve here"},
    {EventName::locally_rejected, "there is nothing to reject here"},
    {EventName::approvals_voided, "there are no approvals that could be void"},
    {EventName::commanded, "there is nothing to command"},
};

std::string not_for_this_state(StateName state, EventName event) {
  if (is_final(state)) return fmt::format("the request is {}, which is final", to_string(state));
  if (event == EventName::cancel_asked) {
    switch (state) {
      case StateName::withdrawing:
        return "it is already being withdrawn";
      case StateName::unresolved:
        return "whether it exists at the provider is not known: decide with 'request resolve' first";
      case StateName::retrieving:
      case StateName::verifying:
        return "a certificate was issued: it can be revoked once `cert list --all` shows it, not cancelled";
      default:
        return "a certificate exists: it can be revoked, not cancelled";
    }
  }
  for (const PersonsAct& act : kPersonsActs) {
    if (act.event == event) return fmt::format("{} while it is {}", act.not_now, to_string(state));
  }
  return fmt::format("{} does not apply to a request that is {}", to_string(event), to_string(state));
}

// What a person may say depends on what was asked for.
std::optional<std::string_view> not_for_this_kind(const Order& order, const Context& context) {
  if (context.is<ResolvedAsCertificate>() && !order.brings_certificate()) {
    return order.issues_crl() ? "a CRL is no certificate" : "a revocation has no certificate";
  }
  if (context.is<ResolvedAsDone>() && order.issues_crl()) {
    return "only a revocation can be confirmed as done: give its reference at the provider";
  }
  if (context.is<ResolvedAsDone>() && order.brings_certificate()) {
    return "only a revocation can be confirmed as done: supply the certificate, or its reference";
  }
  return std::nullopt;
}

Next next_state(const State& state, const Context& context) {
  // A result that names no attempt is of the submission that the state knows.
  const auto* received = context.is<ResultReceived>();
  if (received != nullptr && received->attempt == 0 && submission_of(state) == nullptr) {
    return refuse("no result was requested");
  }
  return std::visit(
      [&context](const auto& here) -> Next {
        if constexpr (requires { from(here, context); }) return from(here, context);
        return refuse("a final status does not change");
      },
      state);
}

}  // namespace

std::variant<Decision, Refusal> decide(const Order& order, const State& state, const Event& event,
                                       const Timing& timing) {
  const StateName here = name_of(state);
  const Rule* rule = rule_for(here, name_of(event.body));
  if (rule == nullptr) return Refusal{not_for_this_state(here, name_of(event.body))};
  const Context context{order, event, timing};
  if (const auto misfit = not_for_this_kind(order, context)) return Refusal{std::string(*misfit)};
  Next next = next_state(state, context);
  if (auto* refusal = std::get_if<Refusal>(&next)) return std::move(*refusal);
  State& reached = std::get<State>(next);
  if ((rule->to & bit(name_of(reached))) == 0) {
    return Refusal{fmt::format("internal: {} in {} may not lead to {}", to_string(name_of(event.body)), to_string(here),
                               to_string(name_of(reached)))};
  }
  std::vector<Effect> effects = wanted_effects(reached, context);
  std::vector<StatusChange> records = record_changes(order, reached);
  return Decision{std::move(reached), std::move(effects), rule->sentence, std::move(records)};
}

Decision begin(const Order& order, const Timing& timing) {
  const Event created{order.created_at, order.created_by, Created{order}};
  const Context context{order, created, timing};
  State state = first_state(order);
  std::vector<Effect> effects = wanted_effects(state, context);
  return Decision{std::move(state), std::move(effects), "the request is created", record_changes_at_begin(order)};
}

bool changes_something(const State& state, const StatusReport& report) {
  return std::visit(
      [&report](const auto& here) {
        using Here = std::decay_t<decltype(here)>;
        if constexpr (std::is_base_of_v<AwaitingProvider, Here>) {
          const auto expected = std::is_same_v<Here, AwaitingApproval> ? RequestStatus::awaiting_approval
                                                                       : RequestStatus::awaiting_issuance;
          const bool as_before = report.status == expected || report.status == RequestStatus::unrecognised;
          if (!as_before || to_json(here.progress) != to_json(progress_with_note(report))) return true;
        } else if constexpr (std::is_same_v<Here, Withdrawing>) {
          if (!is_waiting(report.status)) return true;
        } else if constexpr (std::is_same_v<Here, Retrieving>) {
          if (!is_waiting(report.status) && report.status != RequestStatus::ready) return true;
        } else {
          return true;
        }
        if constexpr (requires { here.gone_since; }) {
          if (here.gone_since) return true;
        }
        // The state may have been read from the journal, which cuts long words: they are compared as they are written
        // there.
        if constexpr (requires { here.provider_status; }) {
          return as_written(here.provider_status) != as_written(report.provider_status) ||
                 updated(here.submission, report) != here.submission;
        }
        return true;
      },
      state);
}

}  // namespace hsmbridge::workflow
