#pragma once

#include "base/json.h"
#include "tools/rig/pki/rig_pki.h"
#include "tools/rig/server/faults.h"
#include "tools/rig/server/https_server.h"
#include "tools/rig/server/line_file.h"
#include "tools/rig/server/simulator.h"

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

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

  const std::string& url() const { return url_; }
  const TestPki& pki() const { return pki_; }
  // The whole of NAME.json.
  const Json& description() const { return description_; }
  // Every line of the journal.
  Json::Array journal() const { return LineFile::read(journal_.path()); }

 private:
  void listen(const SimulatorServerOptions& options);
  void describe();
  // Called by many threads.
  Outcome answer(const Call& call);
  Outcome faulty(const Call& call, const Fault& fault);
  Answer changed(Answer answer, const Fault& fault);
  std::string wrong_certificate(const std::string& text);
  void note(const Call& call, int status, const Json& fault);
  // Ends early when the server stops.
  void wait(std::chrono::milliseconds time);
  Answer control(const Call& call, const std::string& path);
  Answer control_action(const Call& call, const std::string& path);

  const std::string name_;
  const std::filesystem::path dir_;
  const TestPki pki_;
  LineFile journal_;
  const std::shared_ptr<Simulator> simulator_;
  const std::string control_token_;
  const SystemClock clock_;
  Faults faults_;
  std::mutex late_mutex_;
  std::condition_variable late_wake_;
  bool stopping_ = false;
  std::list<std::thread> late_;
  std::unique_ptr<HttpsServer> server_;
  std::string url_;
  Json description_;
};

}  // namespace hsmbridge::rig
