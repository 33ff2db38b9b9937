#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "tools/rig/tsb/fields.h"

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

// Who must approve the use of a simulated key. Tokens are ORed, the groups of a token are ANDed, a group needs `quorum`
// distinct approvers.
namespace hsmbridge::rig {

enum class ApproverForm { public_key, certificate };
inline constexpr std::array<std::string_view, 2> kApproverForms{"public_key", "certificate"};
inline const auto& words_of(ApproverForm) {
  return kApproverForms;
}

struct Approver {
  ApproverForm form = ApproverForm::public_key;
  std::string name;
  Bytes value;       // DER as in the policy: SubjectPublicKeyInfo or certificate
  Bytes public_key;  // DER SubjectPublicKeyInfo in either case

  bool operator==(const Approver&) const = default;
};

struct ApprovalGroup {
  std::string name;
  std::int64_t quorum = 0;
  std::vector<Approver> approvers;
};

struct PolicyToken {
  std::string name;
  std::chrono::seconds timelock{0};  // from the creation of the request
  std::chrono::seconds timeout{0};   // from the creation of the request; 0: never
  std::vector<ApprovalGroup> groups;
};

struct Rule {
  bool always = true;               // null in the policy: nobody needs to approve
  std::vector<PolicyToken> tokens;  // of a rule that is not null; none: can never be met
};

enum class TimeGranularity { minutes, seconds };

// Reads the `policy` of a key ("policy.ruleUse.tokens[0].timeout" and so on), all four rules and keyStatus, and returns
// ruleUse. `blocked` gets keyStatus.blocked. Times that are no whole minutes are refused unless `granularity` allows
// them.
Rule read_policy(const Json& policy, TimeGranularity granularity, Validation& validation, bool& blocked);
// The ruleUse of a policy that was read before.
Rule stored_rule(const Json& policy);

// Every approver of every token, each once, in the order of the policy.
std::vector<Approver> approvers_of(const Rule& rule);

enum class RuleState {
  met,         // the key may be used now
  timelocked,  // approved, but a timelock still runs
  waiting,     // approvals are missing and can still come
  expired,     // every token's time is over
  refused,     // so many refused that no quorum can be reached any more
};

struct RuleVerdict {
  RuleState state = RuleState::waiting;
  std::vector<Bytes> could_still_approve;  // public keys, in the order of the policy
};

// `approved` and `rejected` are DER public keys.
RuleVerdict judge(const Rule& rule, Instant created, Instant now, const std::vector<Bytes>& approved,
                  const std::vector<Bytes>& rejected);

}  // namespace hsmbridge::rig
