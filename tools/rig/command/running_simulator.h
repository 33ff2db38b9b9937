#pragma once

#include "base/json.h"
#include "tools/rig/server/call.h"

#include <filesystem>
#include <string>

namespace hsmbridge::rig {

// A simulator that runs in another process, found by the NAME.json of its folder.
class RunningSimulator {
 public:
  // The one of the folder. Throws not_found with what to do when there is none, ambiguous when there are several.
  explicit RunningSimulator(std::filesystem::path dir);
  // "tsb": which service of the folder has run last. Throws as the constructor does.
  static std::string name_in(const std::filesystem::path& dir);

  // The control plane. Throws refused when the answer is not a success, unavailable when there is none.
  Json control(const std::string& method, const std::string& path, const Json& body);
  // The own API of a TSB, with the API key of `role`.
  Answer api(const std::string& role, const std::string& method, const std::string& path, const Json& body);

  const std::filesystem::path& dir() const { return dir_; }

 private:
  Answer call(const std::string& header, const std::string& secret, const std::string& method, const std::string& path,
              const Json& body);

  std::filesystem::path dir_;
  Json description_;
};

}  // namespace hsmbridge::rig
