#include "workflow/machine/transitions.h"

#include <utility>

namespace hsmbridge::workflow {

Next refuse(std::string why) {
  return Refusal{std::move(why)};
}

State revoked(const Order& order, const Dossier& dossier) {
  return Completed{dossier.key, order.predecessor ? order.predecessor->certificate : std::string{}, false, {}};
}

std::optional<WithdrawWish> given_up_before(bool late) {
  if (!late) return std::nullopt;
  return WithdrawWish{WithdrawWish::Cause::cancel, "an earlier wish", "it had been given up before"};
}

bool is_word_of_a_person(const Context& context) {
  return context.is<ResolvedAsCertificate>() || context.is<ResolvedAsAbandoned>() || context.is<ResolvedAsDone>();
}

Next at_any_time(const Dossier& dossier, const Submission& submission, bool late, const Context& context) {
  if (context.is<ResolvedAsDone>()) return revoked(context.order, dossier);
  if (const auto* brought = context.is<ResolvedAsCertificate>()) {
    return State{Verifying{dossier, submission, brought->handout, late}};
  }
  return State{Abandoned{context.event.actor, context.is<ResolvedAsAbandoned>()->reason}};
}

}  // namespace hsmbridge::workflow
