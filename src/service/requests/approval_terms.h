#pragma once

#include "approval/policy.h"
#include "base/clock.h"
#include "config/settings.h"
#include "service/dependencies.h"
#include "workflow/machine/order.h"
#include "workflow/ports/audit_log.h"

#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::service {

// What a profile wants before anything is submitted to that provider: the keys of its people as their files have them
// now. Throws what reading the files throws, invalid_input for two people with one key, and refused for a profile that
// is for another provider and does not want what one wants that is for this one: who asks may name the provider, and
// would get around its approvals.
ReleaseTerms release_terms_of(const config::Settings& settings, const config::ProfileSettings& profile,
                              const std::string& provider);

// What names a store in approvals: the hash of the first leaf of its audit log, hex. A copy has the same, no other store
// has it. `at`: for the leaf that a log begins with where it is empty.
std::string store_identity(workflow::AuditLog& log, const std::string& actor, Instant at);

// Who asks for something.
struct Asking {
  std::string actor;  // "uid:alice"
  // The order of what is renewed: where nobody that is known asks for it (a timer), who asked for that asks for this.
  const workflow::Order* before = nullptr;
};
// Their accounts besides the actor's own (workflow::Order::asked_by): the login that became it, or whose it is told to
// be (HSMBRIDGE_ASKED_BY); where neither actor nor login is known as somebody's, those who asked before. Throws
// invalid_input for a HSMBRIDGE_ASKED_BY that is none.
std::vector<std::string> asked_by(const config::Settings& settings, const Asking& asking);
// Who of the people asked for an order, by the accounts that they have now.
std::vector<std::string> requesters_of(const config::Settings& settings, const workflow::Order& order);

// What an order is to pin that is given now. Throws refused where there could not be enough approvals without those of
// who asks.
std::optional<workflow::ApprovalTerms> approval_terms_of(const config::Settings& settings, const ReleaseTerms& wanted,
                                                         workflow::AuditLog& log, const Asking& asking, Instant at);

// Whether that actor is an account of the person.
bool is_account_of(const std::string& actor, const config::PersonSettings& person);
// Why somebody may not decide as that person: the account, or the one that logged in and became it since (sudo), is
// another person's. "" where it is not.
std::string against_account(const std::string& actor, const config::PersonSettings& person,
                            const std::vector<config::PersonSettings>& people);

}  // namespace hsmbridge::service
