#pragma once

#include "tools/rig/tsb/tsb.h"

#include <string_view>

namespace hsmbridge::rig {

// A row of the table of endpoints.
struct Tsb::Route {
  enum class Bearer { needed, ignored };

  std::string_view method;
  std::string_view path;  // "{}" stands for one segment
  std::string_view role;  // whose API key opens it
  Bearer bearer;
  Answer (Tsb::*handler)(const Call&, const Parameters&);
};

}  // namespace hsmbridge::rig
