// The forms in which the service refuses.
#include "base/error.h"
#include "providers/json_fields.h"
#include "providers/venafi/wire/wire.h"
#include "providers/verdict.h"

namespace hsmbridge::venafi {
namespace {

using providers::member;
using providers::number_of;
using providers::shown;

std::vector<ServiceError> read_errors(const Json& json) {
  std::vector<ServiceError> errors;
  const Json* entries = member(json, "errors");
  if (entries == nullptr || !entries->is_array()) return errors;
  for (const Json& entry : entries->as_array()) {
    if (errors.size() == 50) break;
    if (!entry.is_object()) continue;
    ServiceError error;
    if (const Json* code = member(entry, "code"); code != nullptr) {
      try {
        error.code = number_of(*code, "code");
      } catch (const Error&) {
        error.code = 0;
      }
    }
    if (const Json* message = member(entry, "message"); message != nullptr) {
      error.message = shown(message->is_string() ? message->as_string() : message->dump());
    }
    if (const Json* args = member(entry, "args"); args != nullptr) error.args = *args;
    if (error.code != 0 || !error.message.empty()) errors.push_back(std::move(error));
  }
  return errors;
}

std::optional<Refusal> gateway_refusal(const Json& json) {
  const Json* inside = member(json, "_error");
  if (inside == nullptr || !inside->is_object()) return std::nullopt;
  const Json* message = member(*inside, "message");
  const Json* code = member(*inside, "code");
  std::string words = message != nullptr && message->is_string() ? message->as_string() : "";
  if (code != nullptr && code->is_string()) words += (words.empty() ? "" : " ") + ("(" + code->as_string() + ")");
  if (words.empty()) return std::nullopt;
  return Refusal{{{0, shown(words), {}}}};
}

std::optional<Json> json_of(std::string_view body) {
  try {
    Json json = Json::parse(body);
    if (json.is_object()) return json;
  } catch (const Error&) {
    // No JSON: the caller looks at the other forms.
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> refusal_from(long status, std::string_view content_type, std::string_view body) {
  if (const std::optional<Json> json = json_of(body)) {
    if (std::vector<ServiceError> errors = read_errors(*json); !errors.empty()) return Refusal{std::move(errors)};
    if (auto gateway = gateway_refusal(*json)) return gateway;
  }
  // Whoever says 401 looked at the credentials and did nothing else; what it says of an expired token is nowhere
  // documented, so any form will do that is no page of a proxy.
  if (status == 401 && !providers::is_html(content_type, body)) {
    std::string words = shown(body.substr(0, 200));
    while (!words.empty() && (words.back() == ' ' || words.back() == '\n')) words.pop_back();
    return Refusal{{{0, words.empty() ? "not authenticated" : words, {}}}};
  }
  return std::nullopt;
}

std::optional<Refusal> token_refusal_from(long status, std::string_view content_type, std::string_view body) {
  if (const std::optional<Json> json = json_of(body)) {
    const Json* error = member(*json, "error");
    const Json* description = member(*json, "error_description");
    if (error != nullptr && error->is_string()) {
      std::string words = error->as_string();
      if (description != nullptr && description->is_string()) words += ": " + description->as_string();
      return Refusal{{{0, shown(words), {}}}};
    }
  }
  return refusal_from(status, content_type, body);
}

}  // namespace hsmbridge::venafi
