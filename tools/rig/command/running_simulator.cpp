#include "tools/rig/command/running_simulator.h"

#include "base/error.h"
#include "base/file.h"
#include "tools/rig/command/https_client.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::rig {

std::string RunningSimulator::name_in(const std::filesystem::path& dir) {
  std::string found;
  for (const char* name : {"tsb", "digicert", "venafi"}) {
    if (!std::filesystem::exists(dir / (std::string(name) + ".json"))) continue;
    if (!found.empty()) {
      throw Error{ErrorKind::ambiguous, fmt::format("{} is the folder of more than one simulator", dir.string())}.hint(
          "give each simulator its own folder");
    }
    found = name;
  }
  if (found.empty()) {
    throw Error{ErrorKind::not_found, fmt::format("no simulator has been started in {}", dir.string())}.hint(
        fmt::format("start one, for example with 'hsmbridge-rig serve tsb --dir {}'", dir.string()));
  }
  return found;
}

RunningSimulator::RunningSimulator(std::filesystem::path dir) : dir_(std::move(dir)) {
  description_ = Json::parse(as_text(read_file(dir_ / (name_in(dir_) + ".json"))));
}

Answer RunningSimulator::call(const std::string& header, const std::string& secret, const std::string& method,
                              const std::string& path, const Json& body) {
  ClientSettings settings;
  settings.url = description_.at("url").as_string();
  settings.ca = description_.at("ca").as_string();
  settings.certificate = description_.at("control_certificate").as_string();
  settings.key = description_.at("control_key").as_string();
  if (!secret.empty()) settings.headers[header] = secret;
  return call_server(settings, method, path, body.is_null() ? "" : body.dump());
}

Json RunningSimulator::control(const std::string& method, const std::string& path, const Json& body) {
  const Answer answer = call("X-Rig-Token", description_.at("control_token").as_string(), method, path, body);
  Json json = Json::parse(answer.body);
  if (answer.status >= 300) {
    throw Error{ErrorKind::refused, json.string_or("message", answer.body)}.hint(json.string_or("hint", ""));
  }
  return json;
}

Answer RunningSimulator::api(const std::string& role, const std::string& method, const std::string& path,
                             const Json& body) {
  const Json* keys = description_.at("api_keys").find(role);
  const std::string key = keys == nullptr || keys->as_array().empty() ? "" : keys->as_array()[0].as_string();
  return call("X-API-KEY", key, method, path, body);
}

}  // namespace hsmbridge::rig
