#pragma once

#include "base/error.h"

#include <string>

namespace hsmbridge::test {

// The message of the invalid_input that `action` throws; "accepted" when it throws nothing, the kind when another one.
template <class Action>
std::string refusal(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind() == ErrorKind::invalid_input ? error.message() : std::string(to_string(error.kind()));
  }
  return "accepted";
}

}  // namespace hsmbridge::test
