#include "workflow/ports/token_device.h"

namespace hsmbridge::workflow {

std::string_view to_string(PinState state) {
  switch (state) {
    case PinState::fine:
      return "fine";
    case PinState::not_set:
      return "not set";
    case PinState::count_low:
      return "a wrong PIN was entered";
    case PinState::final_try:
      return "one attempt left";
    case PinState::locked:
      return "locked";
  }
  return "";
}

}  // namespace hsmbridge::workflow
