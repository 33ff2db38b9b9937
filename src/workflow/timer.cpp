#include "workflow/store.h"

namespace hsmbridge::workflow {

bool is_timer(EffectName name) {
  return name == EffectName::answer_overdue || name == EffectName::deadline || name == EffectName::draft_age;
}

std::string timer_lane(const std::string& provider) {
  return "timer:" + provider;
}

}  // namespace hsmbridge::workflow
