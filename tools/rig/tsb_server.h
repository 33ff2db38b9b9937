#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "tools/rig/faults.h"
#include "tools/rig/test_pki.h"
#include "tools/rig/tsb.h"

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

// The simulator behind TLS, with faults, a journal and a control plane. Files in the folder:
//   tsb.json           {"url", "ca", "pid", "port", "generation", "api_keys", "control_token", "task_reader", …}:
//   written
//                      when the server answers, so its being there says "ready"; mode 0600
//   tsb-journal.jsonl  one line a request that came in: {"time", "method", "path", "headers", "body", "status",
//   "fault"};
//                      status 0 when the connection was ended instead. Credentials are left out
// Control plane, with the header X-Rig-Token: POST, GET and DELETE /rig/faults; POST /rig/clock {"advance_seconds"} or
// {"approver_skew_seconds"}; GET /rig/journal; GET /rig/requests; POST /rig/certify {"label", "subject", "days"};
// POST /rig/block {"label", "blocked"}; POST /rig/reset.
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
