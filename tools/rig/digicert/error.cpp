#include "tools/rig/digicert/error.h"

#include "base/json.h"

namespace hsmbridge::rig {

Error digicert_error(int status, std::string_view code, std::string_view message, std::string_view field) {
  return Error{ErrorKind::refused, std::string(message)}
      .with("status", std::to_string(status))
      .with("code", std::string(code))
      .with("field", std::string(field));
}

Error wrong_input(std::string_view field) {
  return digicert_error(400, "invalid_input_field", "Wrong input or input format", field);
}

std::string digicert_error_body(std::string_view code, std::string_view message, std::string_view field,
                                DigicertEnvelope envelope) {
  Json entry = Json::object({{"code", code}, {"message", message}});
  if (envelope == DigicertEnvelope::object) return Json::object({{"error", entry}}).dump();
  if (!field.empty()) entry.set("field", field);
  return Json::object({{"errors", Json::array({entry})}}).dump();
}

Answer digicert_error_answer(const Error& error, DigicertEnvelope envelope) {
  const std::string status(error.detail("status"));
  if (status.empty()) return {500, digicert_error_body("InternalServerError", error.message(), "", envelope)};
  return {std::stoi(status),
          digicert_error_body(error.detail("code"), error.message(), error.detail("field"), envelope)};
}

}  // namespace hsmbridge::rig
