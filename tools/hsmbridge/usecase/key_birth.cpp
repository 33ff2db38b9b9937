#include "tools/hsmbridge/usecase/key_birth.h"

#include "pkcs11/keys/keys.h"
#include "workflow/machine/lifecycle.h"

#include <fmt/core.h>

#include <map>
#include <span>
#include <string>
#include <utility>

namespace hsmbridge::cli {

namespace {

void refuse_taken_id(pkcs11::Token& token, const Bytes& id) {
  const auto taken = pkcs11::match_keys(token, pkcs11::KeySelector::by_id(id));
  if (taken.empty()) return;
  throw Error{ErrorKind::conflict, fmt::format("id {} is taken in token {}", hex(id), token.name())}.with(
      "key", taken.front().uri);
}

void record_plan(CommandContext& context, const pkcs11::Token& token, const pkcs11::KeyPlan& plan) {
  workflow::KeyRecord record;
  record.token = token.name();
  record.label = plan.label;
  record.cka_id = hex(plan.id);
  record.spec = x509::to_string(plan.spec);
  record.status = plan.id_from == pkcs11::KeyPlan::IdFrom::chosen ? workflow::status::kPlannedById
                                                                  : workflow::status::kPlannedAtRandom;
  record.changed_at = context.clock().now();
  context.record_key("key-planned",
                     Json::object({{"token", Json(token.name())},
                                   {"label", Json(plan.label)},
                                   {"id", Json(record.cka_id)},
                                   {"type", Json(record.spec)},
                                   {"for", Json(pkcs11::to_string(plan.use))}}),
                     record);
}

// A token that keeps few octets of an id, or gives one of its own, has the key under another id than the planned one:
// under that nothing will be found.
void end_other_plan(CommandContext& context, const pkcs11::Token& token, std::span<const pkcs11::KeyPlan> plans,
                    const pkcs11::KeyInfo& key) {
  for (const pkcs11::KeyPlan& plan : plans) {
    if (plan.label != key.label || plan.id == key.id) continue;
    auto record = key_record(token, key, workflow::status::kRetired, context.clock().now());
    record.cka_id = hex(plan.id);
    Json facts = pkcs11::facts_of(token, key);
    facts.set("planned_id", Json(record.cka_id));
    context.record_key("key-plan-ended", facts, record);
  }
}

}  // namespace

std::vector<pkcs11::MadeKey> make_keys(CommandContext& context, pkcs11::Token& token, const NewKeys& wanted) {
  if (wanted.id && wanted.labels.size() != 1) {
    throw Error{ErrorKind::invalid_input, "--id is for one key, not for --count"};
  }
  const auto open = context.open_plans(token.name(), wanted.labels, wanted.spec, wanted.id);
  std::map<std::string, Bytes> ids;
  for (const auto& [label, plan] : open) ids[label] = plan.id;
  auto plans = pkcs11::plan_keys(token, wanted.labels, wanted.spec, ids);
  for (pkcs11::KeyPlan& plan : plans) {
    plan.use = wanted.use;
    const auto known = open.find(plan.label);
    // Nothing is destroyed under an id that may be a person's choice.
    const bool random = !wanted.id && (known == open.end() || known->second.random);
    if (!random) plan.id_from = pkcs11::KeyPlan::IdFrom::chosen;
    if (known != open.end()) continue;  // recorded by the run that planned it
    if (wanted.id) {
      refuse_taken_id(token, *wanted.id);
      plan.id = *wanted.id;
    }
    record_plan(context, token, plan);
  }
  std::size_t made = 0;
  const auto on_made = [&](const pkcs11::MadeKey& key) {
    context.record_key("key-generated", pkcs11::facts_of(token, key.key),
                       key_record(token, key.key, "active", context.clock().now()));
    end_other_plan(context, token, plans, key.key);
    ++made;
  };
  // Two runs of one command take the same plan up, and only the first to hold the lock makes a key of it.
  const auto on_due = [&](std::span<const pkcs11::KeyPlan> due) { context.expect_planned(token.name(), due); };
  try {
    return pkcs11::make_keys(token, plans, on_made, on_due);
  } catch (...) {
    Error error = current_error();
    if (made != 0) error.with("made", fmt::format("{} of {} keys, which stay", made, plans.size()));
    throw error;
  }
}

}  // namespace hsmbridge::cli
