#pragma once

#include "base/json.h"
#include "service/requests/enrolment.h"

// Requests as a program reads them.
namespace hsmbridge::views {

// hsmbridge.enroll-check/1
Json enrolment_check(const service::EnrolmentCheck& check);

}  // namespace hsmbridge::views
