#pragma once

#include "workflow/machine/decide.h"
#include "workflow/machine/schedule.h"
#include "workflow/machine/state.h"

#include <optional>
#include <string>
#include <variant>

// Inside of the machine: what the transitions of several states share, and those that have a file of their own.
namespace hsmbridge::workflow {

// What a transition function answers: the next state, or why the event is not for this state after all.
using Next = std::variant<State, Refusal>;
Next refuse(std::string why);

State revoked(const Order& order, const Dossier& dossier);
// That a request had been given up, where the wish itself is not at hand any more: what comes now stays late.
std::optional<WithdrawWish> given_up_before(bool late);

// A provider may answer nothing but errors indefinitely, or be gone from the configuration. A person who knows better
// can end the waiting: with the certificate, or by giving up by name.
bool is_word_of_a_person(const Context& context);
Next at_any_time(const Dossier& dossier, const Submission& submission, bool late, const Context& context);

// result.cpp
Next from(const Verifying& state, const Context& context);
Next from(const Quarantined& state, const Context& context);
Next from(const Installing& state, const Context& context);

}  // namespace hsmbridge::workflow
