#include "views/requests.h"

namespace hsmbridge::views {

Json enrolment_check(const service::EnrolmentCheck& check) {
  return Json::object({{"provider", check.provider},
                       {"profile", check.profile},
                       {"reasons", Json(check.reasons)},
                       {"objections", Json(check.objections)},
                       {"notes", Json(check.notes)},
                       {"dry_run", check.dry_run}});
}

}  // namespace hsmbridge::views
