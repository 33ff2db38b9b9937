#pragma once

#include "base/error.h"

#include <stdexcept>

namespace hsmbridge::test {

// What `work` throws; fails the test when it throws nothing.
template <class Work>
Error error_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  throw std::logic_error("an Error was expected and nothing was thrown");
}

}  // namespace hsmbridge::test
