#pragma once

#include "base/error.h"
#include "workflow/engine/lane_pauses.h"

#include <string>
#include <utility>

// What is wrong with a provider's own credentials is wrong for every request: its lane waits (lane_pauses.h) until they
// are corrected. Only for what the service's reference says of the credential; what these credentials may not see or do
// is about one request. Thread rule: plain functions.
namespace hsmbridge::providers {

inline Error about_credentials(Error error) {
  if (workflow::says_lane_is_down(error)) return error;
  return error.with(std::string(workflow::kLaneDetail), std::string(workflow::kLaneDown));
}

// Reads a secret with `get`. Whatever it fails with, the request that needed it is not at fault.
template <class Get>
auto read_credential(Get&& get) {
  try {
    return get();
  } catch (const Error& error) {
    const bool waits = error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::denied;
    Error trouble(waits ? error.kind() : ErrorKind::unavailable, error.message());
    for (const auto& [name, value] : error.details()) trouble.with(name, value);
    throw Error(about_credentials(std::move(trouble.hint(error.hint()))));
  }
}

}  // namespace hsmbridge::providers
