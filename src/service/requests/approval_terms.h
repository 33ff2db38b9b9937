#pragma once

#include "approval/policy.h"
#include "base/clock.h"
#include "config/settings.h"
#include "workflow/machine/order.h"
#include "workflow/ports/audit_log.h"

#include <optional>
#include <string>

namespace hsmbridge::service {

// The policy of a profile, with the keys of its people as their files have them now. Nothing where it wants no approval
// at this bridge. Throws what reading the files throws, invalid_input for two people with one key.
std::optional<approval::Policy> approval_policy_of(const config::Settings& settings,
                                                   const config::ProfileSettings& profile);

// What names a store in approvals: the hash of the first leaf of its audit log, hex. A copy has the same, no other store
// has it. `at`: for the leaf that a log begins with where it is empty.
std::string store_identity(workflow::AuditLog& log, const std::string& actor, Instant at);

// What an order that `actor` ("uid:alice") gives now is to pin. Throws what approval_policy_of throws, and refused where
// there could not be enough approvals without those of who asks.
std::optional<workflow::ApprovalTerms> approval_terms_of(const config::Settings& settings,
                                                         const config::ProfileSettings& profile,
                                                         workflow::AuditLog& log, const std::string& actor, Instant at);

// Whether that actor is an account of the person.
bool is_account_of(const std::string& actor, const config::PersonSettings& person);

}  // namespace hsmbridge::service
