#include "tools/rig/digicert/error.h"

#include "base/json.h"
#include "tools/rig/server/call.h"

namespace hsmbridge::rig {

Error digicert_error(int status, std::string_view code, std::string_view message, std::string_view field) {
  Json entry = Json::object({{"code", code}, {"message", message}});
  if (!field.empty()) entry.set("field", field);
  return refusal(std::string(message), {status, Json::object({{"errors", Json::array({entry})}})});
}

Error wrong_input(std::string_view field) {
  return digicert_error(400, "invalid_input_field", "Wrong input or input format", field);
}

Complaints& input_errors() {
  class InputErrors final : public Complaints {
    void say(Flaw flaw, const std::string& path, std::string_view what) override {
      if (flaw != Flaw::unknown) throw wrong_input(path);
      throw digicert_error(400, "invalid_input_field", "Unrecognized field \"" + std::string(what) + "\"", path);
    }
  };
  static InputErrors errors;
  return errors;
}

}  // namespace hsmbridge::rig
