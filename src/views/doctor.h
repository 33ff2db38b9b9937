#pragma once

#include "base/json.h"
#include "service/doctor/doctor.h"

#include <vector>

namespace hsmbridge::views {

// hsmbridge.doctor/1
Json checks(const std::vector<service::Check>& checks);

}  // namespace hsmbridge::views
