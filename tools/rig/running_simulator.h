#pragma once

#include "base/json.h"
#include "tools/rig/call.h"

#include <filesystem>
#include <string>

namespace hsmbridge::rig {

// A simulator that runs in another process, found by the tsb.json of its folder.
class RunningTsb {
 public:
  // Throws not_found with what to do when there is none.
  explicit RunningTsb(std::filesystem::path dir);

  // The control plane. Throws refused when the answer is no success, unavailable when there is none.
  Json control(const std::string& method, const std::string& path, const Json& body);
  // The TSB's own API, with the API key of `role`.
  Answer api(const std::string& role, const std::string& method, const std::string& path, const Json& body);

  const std::filesystem::path& dir() const { return dir_; }

 private:
  Answer call(const std::string& header, const std::string& secret, const std::string& method, const std::string& path,
              const Json& body);

  std::filesystem::path dir_;
  Json description_;
};

}  // namespace hsmbridge::rig
