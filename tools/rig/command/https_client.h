#pragma once

#include "tools/rig/server/call.h"

#include <filesystem>
#include <map>
#include <string>

namespace hsmbridge::rig {

struct ClientSettings {
  std::string url;  // https://127.0.0.1:PORT
  std::filesystem::path ca;
  std::filesystem::path certificate = {};  // for a server that demands one
  std::filesystem::path key = {};
  std::map<std::string, std::string> headers = {};
};

// One request to a server of this rig, on a connection of its own. Only https on a loopback address is spoken to:
// another URL is invalid_input. Throws unavailable when there is no answer.
Answer call_server(const ClientSettings& settings, const std::string& method, const std::string& path,
                   const std::string& body);

}  // namespace hsmbridge::rig
