#pragma once

#include "workflow/machine/decide.h"
#include "workflow/machine/schedule.h"
#include "workflow/machine/state.h"

#include <optional>
#include <string>
#include <variant>

// Inside of the machine: one function a state says where an event leads from it, by the phase that the state belongs to
// (preparing.cpp, submitting.cpp, looking_up.cpp, waiting.cpp, result.cpp). decide() asks them, after it has looked the
// pair up in the table of rules.
namespace hsmbridge::workflow {

// What a transition function answers: the next state, or why the event is not for this state after all.
using Next = std::variant<State, Refusal>;
Next refuse(std::string why);

// preparing.cpp: before anything is sent.
Next from(const Preparing& state, const Context& context);
Next from(const Prepared& state, const Context& context);
Next from(const AwaitingLocalApproval& state, const Context& context);
Next from(const AwaitingCommand& state, const Context& context);
// What a request begins in: with nothing, or with the key and the CSR that were brought.
Preparing first_state(const Order& order);
State built_anew(const Order& order, const PreparedRequest& prepared, const DraftTooOld& old);

// submitting.cpp
Next from(const Submitting& state, const Context& context);
// The attempt before is known to have left nothing at the provider.
State planned_again(const Order& order, PreparedRequest prepared, unsigned attempt, std::string last_refusal);
State not_accepted(const Context& context, const PreparedRequest& prepared, const SubmissionNotAccepted& answer,
                   const std::optional<WithdrawWish>& wish);
State failed(const Problem& problem);

// looking_up.cpp: what became of an attempt is not known.
Next from(const LookingUp& state, const Context& context);
Next from(const Unresolved& state, const Context& context);

// waiting.cpp: the provider has it.
Next from(const AwaitingApproval& state, const Context& context);
Next from(const AwaitingIssuance& state, const Context& context);
Next from(const Withdrawing& state, const Context& context);
Next from(const Retrieving& state, const Context& context);

// result.cpp: from a result that is here to a certificate in its places.
Next from(const Verifying& state, const Context& context);
Next from(const Quarantined& state, const Context& context);
Next from(const Installing& state, const Context& context);

// ---- what several of them share: transitions.cpp ----------------------------------------------------------------------

State given_up(const WithdrawWish& wish);
WithdrawWish wish_of(const Context& context);
// That a request had been given up, where the wish itself is not at hand any more: what comes now stays late.
std::optional<WithdrawWish> given_up_before(bool late);
State revoked(const Order& order, const PreparedRequest& prepared);

// A provider may answer nothing but errors indefinitely, or be gone from the configuration. A person who knows better
// can end the waiting: with the certificate, or by giving up by name.
bool is_word_of_a_person(const Context& context);
Next at_any_time(const PreparedRequest& prepared, const Submission& submission, bool late, const Context& context);

// What an event says about one attempt that may have been given up since: by its own answer, a look-up, or its result.
struct Answer {
  unsigned attempt = 0;
  const StatusReport& report;
  const IssuedResult* result = nullptr;
};
std::optional<Answer> answer_of(const Context& context);
// The result that the event brings, or null.
const IssuedResult* result_in(const Context& context);

// "attempt 2 (ref-7)"
std::string named(const Submission& submission);
std::string spoken_status(const StatusReport& report);
Progress progress_with_note(const StatusReport& report);
// What the provider said, joined with what was known: it need not repeat its reference or state.
Submission updated(Submission submission, const StatusReport& report);
// With the draft that this attempt sent: by it the certificate is judged.
PreparedRequest as_sent(PreparedRequest prepared, unsigned attempt);

// The submission is known to exist (or to have ended): where it stands now. `wish` turns waiting into withdrawing, and
// a certificate into a late one.
State landed(const Context& context, PreparedRequest prepared, Submission submission, const StatusReport& report,
             const std::optional<WithdrawWish>& wish);

// Two orders may exist at the provider. Neither is dropped and neither is trusted: a person decides, and which draft
// counts depends on the attempt that the decision is about, so both stay.
State two_orders(PreparedRequest prepared, const Answer& answer, const std::string& other, Instant at,
                 const std::optional<WithdrawWish>& wish = std::nullopt, Instant not_before = {});
// The answer to some attempt that names another reference than the one we wait for, or nothing.
std::optional<Answer> answer_to_another(const Context& context, const Submission& current);

}  // namespace hsmbridge::workflow
