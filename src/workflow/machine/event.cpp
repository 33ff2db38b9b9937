#include "workflow/machine/event.h"

namespace hsmbridge::workflow {

template <>
inline constexpr std::array kWords<EventName>{HSMBRIDGE_EVENTS(HSMBRIDGE_WORD)};

std::string_view to_string(EventName name) {
  return word_of(name);
}
std::optional<EventName> event_name_from(std::string_view word) {
  return from_word<EventName>(word);
}

const StatusReport* report_of(const EventBody& body) {
  return std::visit(
      [](const auto& one) -> const StatusReport* {
        if constexpr (requires { one.report; }) return &one.report;
        return nullptr;
      },
      body);
}

}  // namespace hsmbridge::workflow
