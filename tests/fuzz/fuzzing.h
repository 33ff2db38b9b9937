#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>

// What every target shares: an Error is an answer, a broken promise ends the process so that libFuzzer keeps the input.
namespace hsmbridge::fuzz {

inline void promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

// What `action` returns, or nothing when it refuses with invalid_input. Any other kind of Error is a fault of ours.
template <class Action>
auto accepted(Action action) -> std::optional<decltype(action())> {
  try {
    return action();
  } catch (const Error& error) {
    promise(error.kind() == ErrorKind::invalid_input, error.what());
    return std::nullopt;
  }
}

}  // namespace hsmbridge::fuzz
