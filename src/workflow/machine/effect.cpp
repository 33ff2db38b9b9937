#include "workflow/machine/effect.h"

#include "workflow/machine/words.h"

namespace hsmbridge::workflow {

using namespace std::string_view_literals;

template <>
inline constexpr std::array kWords<EffectName>{"ensure_key"sv, "sign_csr"sv,  "build_draft"sv,   "check_draft"sv,
                                               "submit"sv,     "look_up"sv,   "poll"sv,          "retrieve"sv,
                                               "verify"sv,     "install"sv,   "withdraw"sv,      "answer_overdue"sv,
                                               "deadline"sv,   "draft_age"sv, "approvals_due"sv, "command_over"sv};

std::string_view to_string(EffectName name) {
  return word_of(name);
}
std::optional<EffectName> effect_name_from(std::string_view word) {
  return from_word<EffectName>(word);
}

bool is_once_only(EffectName name) {
  return name == EffectName::submit;
}

std::string Effect::identity() const {
  std::string text(to_string(name));
  if (name == EffectName::install) return text + ":" + target;
  if (attempt != 0) return text + ":" + std::to_string(attempt);
  return text;
}

std::string lane_of(const Effect& effect, const Order& order) {
  switch (effect.name) {
    case EffectName::ensure_key:
    case EffectName::sign_csr:
      return "token:" + order.token();
    case EffectName::install:
      if (effect.target == "token") return "token:" + order.token();
      if (effect.target.starts_with("provider")) return "provider:" + order.provider;
      return "local";
    case EffectName::answer_overdue:
    case EffectName::deadline:
    case EffectName::draft_age:
    case EffectName::approvals_due:
    case EffectName::command_over:
      return timer_lane(order.provider);
    default:
      return "provider:" + order.provider;
  }
}

bool is_timer(EffectName name) {
  return name == EffectName::answer_overdue || name == EffectName::deadline || name == EffectName::draft_age ||
         name == EffectName::approvals_due || name == EffectName::command_over;
}

std::string timer_lane(const std::string& provider) {
  return "timer:" + provider;
}

}  // namespace hsmbridge::workflow
