#pragma once

#include "base/json.h"
#include "tools/rig/pki/rig_pki.h"
#include "tools/rig/server/faults.h"
#include "tools/rig/server/simulator.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace hsmbridge::rig {

struct SimulatorServerOptions {
  std::string name;                                // "tsb": the first part of its files' names
  std::filesystem::path dir;                       // made when it is not there
  std::optional<int> port;                         // none: the port of the last run when it is free, else any free one
  std::optional<std::filesystem::path> client_ca;  // set: every client must show a certificate of it
};

// A simulator behind TLS, with faults, a journal and a control plane. Files in the folder:
//   NAME.json           {"url", "ca", "pid", "port", "control_token", "journal", …}: written when the server answers, so
//                       that its being there says "ready"; mode 0600
//   NAME-journal.jsonl  one line a request that came in: {"time", "method", "path", "headers", "body", "status",
//                       "fault"}; status 0 when the connection was ended instead. "(left out)" stands for credentials
// Control plane, with the header X-Rig-Token: POST, GET and DELETE /rig/faults; POST /rig/clock {"advance_seconds"};
// GET /rig/journal; GET /rig/requests; POST /rig/reset; and what the simulator itself adds.
class SimulatorServer {
 public:
  // Serves when the constructor returns. Throws invalid_input, denied, unavailable.
  SimulatorServer(const SimulatorServerOptions& options, std::shared_ptr<Simulator> simulator);
  // Stops.
  ~SimulatorServer();
  SimulatorServer(const SimulatorServer&) = delete;
  SimulatorServer& operator=(const SimulatorServer&) = delete;

  const std::string& url() const;
  const TestPki& pki() const;
  // The whole of NAME.json.
  const Json& description() const;
  // Every line of the journal.
  Json::Array journal() const;

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace hsmbridge::rig
