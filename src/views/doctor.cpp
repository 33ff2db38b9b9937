#include "views/doctor.h"

namespace hsmbridge::views {

namespace {

std::string word(service::Health health) {
  switch (health) {
    case service::Health::ok:
      return "ok";
    case service::Health::note:
      return "note";
    case service::Health::fault:
      return "fault";
  }
  return "";
}

}  // namespace

Json checks(const std::vector<service::Check>& checks) {
  Json rows = Json::array();
  bool ok = true;
  for (const auto& check : checks) {
    if (check.health == service::Health::fault) ok = false;
    rows.push(Json::object(
        {{"subject", check.subject}, {"health", word(check.health)}, {"what", check.what}, {"hint", check.hint}}));
  }
  return Json::object({{"ok", ok}, {"checks", rows}});
}

}  // namespace hsmbridge::views
