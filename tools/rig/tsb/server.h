#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "tools/rig/server/simulator_server.h"
#include "tools/rig/tsb/tsb.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace hsmbridge::rig {

enum class ApiKeyUse { generated, none, given };

struct TsbServerOptions {
  // What the simulated TSB is like; `tsb.dir` is made when it is not there. Its timestamp_signers get the rig's own
  // task reader added.
  TsbOptions tsb;
  ApiKeyUse api_key_use = ApiKeyUse::generated;  // generated: one per role, kept in DIR/tsb-api-keys.json
  std::optional<int> port;                       // none: the port of the last run when it is free, else any free one
  std::optional<std::filesystem::path> client_ca;
};

// The simulated TSB in a SimulatorServer named "tsb". tsb.json also has "generation", "api_keys" and "task_reader"; the
// control plane also has POST /rig/clock {"approver_skew_seconds"}, POST /rig/certify {"label", "subject", "days"} and
// POST /rig/block {"label", "blocked"}.
class TsbServer {
 public:
  // Serves when the constructor returns. Throws invalid_input, denied, unavailable.
  explicit TsbServer(TsbServerOptions options);
  // Stops.
  ~TsbServer();
  TsbServer(const TsbServer&) = delete;
  TsbServer& operator=(const TsbServer&) = delete;

  const std::string& url() const;
  const TestPki& pki() const;
  const ApiKeys& api_keys() const;  // empty when none are asked for
  // The whole of tsb.json.
  const Json& description() const;
  // For tests in the same process.
  Tsb& tsb();
  Faults& faults();
  // Every line of the journal.
  Json::Array journal() const;

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace hsmbridge::rig
