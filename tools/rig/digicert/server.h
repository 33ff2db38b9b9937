#pragma once

#include "base/json.h"
#include "tools/rig/digicert/digicert.h"
#include "tools/rig/server/simulator_server.h"

#include <filesystem>
#include <memory>
#include <optional>

namespace hsmbridge::rig {

struct DigicertServerOptions {
  // What the simulated service is like; `digicert.dir` is made when it is not there. Without API keys two are made,
  // kept in DIR/digicert-api-keys.json: "service" for clients, and "other", to which a profile is bound.
  DigicertOptions digicert;
  std::optional<int> port;  // none: the port of the last run when it is free, else any free one
  std::optional<std::filesystem::path> client_ca;
};

// The simulated DigiCert in a SimulatorServer named "digicert". digicert.json also has "api_keys" and "root", the file
// with the root of what it issues; the control plane also has POST /rig/approve and /rig/reject.
class DigicertServer {
 public:
  // Serves when the constructor returns. Throws invalid_input, denied, unavailable.
  explicit DigicertServer(DigicertServerOptions options);
  // Stops.
  ~DigicertServer();
  DigicertServer(const DigicertServer&) = delete;
  DigicertServer& operator=(const DigicertServer&) = delete;

  SimulatorServer& server();
  Digicert& digicert();

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace hsmbridge::rig
