#pragma once

#include "base/error.h"
#include "base/json.h"

namespace hsmbridge::views {

// Why one row of many failed: its kind and its message.
inline Json error(const Error& error) {
  return Json::object({{"kind", to_string(error.kind())}, {"message", error.message()}});
}

}  // namespace hsmbridge::views
