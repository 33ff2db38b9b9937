#pragma once

#include "base/error.h"
#include "service/effects/effects.h"
#include "workflow/engine/lane_pauses.h"

#include <fmt/core.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

// What the effects of several files share.
namespace hsmbridge::service {

inline workflow::EffectOutcome outcome(workflow::EventBody event, std::string actor = {}) {
  workflow::EffectOutcome result;
  result.event = std::move(event);
  result.actor = std::move(actor);
  return result;
}

// The parts of a request that a call to its provider names; a state without them is a fault of ours.
struct CallParts {
  const workflow::Key& key;
  const workflow::Draft& draft;
  const workflow::Submission* submission;
};
CallParts parts_of(const workflow::Claim& claim);
// A draft as the provider completes it for this CSR (DER); without a summary.
workflow::Draft draft_of(Bytes csr, workflow::ProviderDraft added, Instant now);
workflow::ProviderCall call_of(Dependencies& world, const workflow::Claim& claim, const CallParts& parts, Instant now,
                               Duration time_limit);

// That this process cannot use a provider or a token now (it is not in its configuration, its module or its secrets
// cannot be read) says nothing about the request: another process may, or this one later.
template <class Get>
auto usable(std::string_view what, const std::string& name, Get&& get) {
  try {
    return get();
  } catch (...) {
    const auto error = current_error();
    throw Error{ErrorKind::unavailable, fmt::format("{} {} cannot be used here: {}", what, name, error.message())}.hint(
        error.hint());
  }
}
// A token or a provider that cannot be used is down for every request of its lane.
template <class Get>
auto lane_usable(std::string_view what, const std::string& name, Get&& get) {
  try {
    return usable(what, name, std::forward<Get>(get));
  } catch (Error& error) {
    throw error.with(std::string(workflow::kLaneDetail), std::string(workflow::kLaneDown));
  }
}
std::shared_ptr<workflow::Provider> provider_of(Dependencies& world, const workflow::Order& order);

}  // namespace hsmbridge::service
