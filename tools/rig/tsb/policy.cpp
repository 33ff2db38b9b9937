#include "tools/rig/tsb/policy.h"

#include "base/error.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/server/call.h"
#include "tools/rig/tsb/business_error.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::rig {
namespace {

// What `read` makes of each element of the member, with its path; none when there is no member.
template <class Read>
auto read_list(Fields& fields, const Json* list, std::string_view name, Read read) {
  std::vector<decltype(read(*list, std::string()))> values;
  if (list == nullptr) return values;
  if (!list->is_array()) throw cannot_parse();
  for (const Json& element : list->as_array()) {
    values.push_back(read(element, fmt::format("{}[{}]", fields.path_of(name), values.size())));
  }
  return values;
}

Approver read_approver(const Json& json, const std::string& path, Validation& validation) {
  Fields fields(json, path, validation);
  Approver approver;
  const std::string type = fields.word("type", {"public_key", "certificate", "onboarded_approver_certificate"});
  approver.name = fields.text_or_null("name").value_or("");
  approver.value = fields.base64_or_null("value").value_or(Bytes{});
  fields.done();
  if (type == "onboarded_approver_certificate") {
    throw business_error(413, fmt::format("An approver with the name '{}' does not exist.", approver.name));
  }
  if (approver.value.empty()) {
    fields.complain("value", "must not be empty");
    return approver;
  }
  approver.form = type == "certificate" ? ApproverForm::certificate : ApproverForm::public_key;
  try {
    approver.public_key =
        approver.form == ApproverForm::certificate ? read_certificate(approver.value).public_key : approver.value;
    if (public_key_type(approver.public_key) == PublicKeyType::other) {
      throw business_error(601, "Unsupported approver key type.");
    }
  } catch (const Error& error) {
    if (answer_in(error)) throw;
    throw approver.form == ApproverForm::certificate ? business_error(409, "Could not parse the certificate.")
                                                     : business_error(407, "Could not parse the public key.");
  }
  return approver;
}

ApprovalGroup read_group(const Json& json, const std::string& path, Validation& validation) {
  Fields fields(json, path, validation);
  ApprovalGroup group;
  group.name = fields.text_or_null("name").value_or("");
  group.quorum = fields.number("quorum");
  const Json* approvals = fields.required_member("approvals");
  fields.done();
  if (approvals == nullptr) return group;
  group.approvers = read_list(fields, approvals, "approvals", [&](const Json& one, const std::string& at) {
    return read_approver(one, at, validation);
  });
  if (group.approvers.empty()) throw business_error(401, "Group does not contain any approval");
  if (group.quorum < 1 || group.quorum > static_cast<std::int64_t>(group.approvers.size())) {
    fields.complain("quorum", "must be between 1 and the number of approvals");
  }
  return group;
}

std::chrono::seconds read_time(Fields& fields, std::string_view name, TimeGranularity granularity) {
  const std::int64_t seconds = fields.number(name);
  if (seconds < 0) fields.complain(name, "must be greater than or equal to 0");
  if (granularity == TimeGranularity::minutes && seconds % 60 != 0) {
    fields.complain(name, "seconds must represent full minutes");
  }
  return std::chrono::seconds{seconds};
}

PolicyToken read_token(const Json& json, const std::string& path, TimeGranularity granularity, Validation& validation) {
  Fields fields(json, path, validation);
  PolicyToken token;
  token.name = fields.text_or_null("name").value_or("");
  token.timelock = read_time(fields, "timelock", granularity);
  token.timeout = read_time(fields, "timeout", granularity);
  const Json* groups = fields.member("groups");
  fields.done();
  token.groups = read_list(fields, groups, "groups",
                           [&](const Json& one, const std::string& at) { return read_group(one, at, validation); });
  return token;
}

Rule read_rule(const Json* json, const std::string& path, TimeGranularity granularity, Validation& validation) {
  Rule rule;
  if (json == nullptr) return rule;
  Fields fields(*json, path, validation);
  const Json* tokens = fields.member("tokens");
  fields.done();
  rule.always = false;
  rule.tokens = read_list(fields, tokens, "tokens", [&](const Json& one, const std::string& at) {
    return read_token(one, at, granularity, validation);
  });
  return rule;
}

bool holds(const std::vector<Bytes>& keys, const Bytes& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// How many distinct keys of the group are in `keys`.
std::int64_t count(const ApprovalGroup& group, const std::vector<Bytes>& keys) {
  std::vector<Bytes> seen;
  for (const Approver& approver : group.approvers) {
    if (holds(keys, approver.public_key) && !holds(seen, approver.public_key)) seen.push_back(approver.public_key);
  }
  return static_cast<std::int64_t>(seen.size());
}

bool can_be_met(const PolicyToken& token, const std::vector<Bytes>& rejected) {
  return std::all_of(token.groups.begin(), token.groups.end(), [&](const ApprovalGroup& group) {
    std::vector<Bytes> everybody;
    for (const Approver& approver : group.approvers) everybody.push_back(approver.public_key);
    return count(group, everybody) - count(group, rejected) >= group.quorum;
  });
}

bool is_approved(const PolicyToken& token, const std::vector<Bytes>& approved) {
  return std::all_of(token.groups.begin(), token.groups.end(),
                     [&](const ApprovalGroup& group) { return count(group, approved) >= group.quorum; });
}

}  // namespace

Rule read_policy(const Json& policy, TimeGranularity granularity, Validation& validation, bool& blocked) {
  Fields fields(policy, "policy", validation);
  const Rule use = read_rule(fields.member("ruleUse"), "policy.ruleUse", granularity, validation);
  for (const char* other : {"ruleBlock", "ruleUnblock", "ruleModify"}) {
    read_rule(fields.member(other), fmt::format("policy.{}", other), granularity, validation);
  }
  const Json* status = fields.required_member("keyStatus");
  fields.done();
  if (status != nullptr) {
    Fields status_fields(*status, "policy.keyStatus", validation);
    blocked = status_fields.flag("blocked");
    status_fields.done();
  }
  return use;
}

Rule stored_rule(const Json& policy) {
  Validation validation;
  bool blocked = false;
  return read_policy(policy, TimeGranularity::seconds, validation, blocked);
}

std::vector<Approver> approvers_of(const Rule& rule) {
  std::vector<Approver> all;
  for (const PolicyToken& token : rule.tokens) {
    for (const ApprovalGroup& group : token.groups) {
      for (const Approver& approver : group.approvers) {
        const bool known = std::any_of(all.begin(), all.end(), [&](const Approver& other) {
          return other.form == approver.form && other.value == approver.value;
        });
        if (!known) all.push_back(approver);
      }
    }
  }
  return all;
}

RuleVerdict judge(const Rule& rule, Instant created, Instant now, const std::vector<Bytes>& approved,
                  const std::vector<Bytes>& rejected) {
  RuleVerdict verdict;
  if (rule.always) {
    verdict.state = RuleState::met;
    return verdict;
  }
  bool met = false;
  bool locked = false;
  bool possible = rule.tokens.empty();  // a rule without tokens waits indefinitely
  bool refused = false;
  for (const PolicyToken& token : rule.tokens) {
    if (token.timeout.count() != 0 && now > created + token.timeout) continue;
    if (is_approved(token, approved)) {
      (now >= created + token.timelock ? met : locked) = true;
    } else if (!can_be_met(token, rejected)) {
      refused = true;
      continue;
    }
    possible = true;
    for (const ApprovalGroup& group : token.groups) {
      for (const Approver& approver : group.approvers) {
        if (holds(approved, approver.public_key) || holds(rejected, approver.public_key) ||
            holds(verdict.could_still_approve, approver.public_key)) {
          continue;
        }
        verdict.could_still_approve.push_back(approver.public_key);
      }
    }
  }
  verdict.state = met        ? RuleState::met
                  : locked   ? RuleState::timelocked
                  : possible ? RuleState::waiting
                  : refused  ? RuleState::refused
                             : RuleState::expired;
  return verdict;
}

}  // namespace hsmbridge::rig
