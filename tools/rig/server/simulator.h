#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "tools/rig/server/call.h"
#include "tools/rig/server/line_file.h"
#include "tools/rig/server/record.h"

#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

namespace hsmbridge::rig {

// One simulated service, HTTP in, HTTP out. A call finds its row in the service's table of Endpoints (call.h); the handler
// reads the body with Fields that complain in the service's words (fields.h), changes Records (record.h) and keeps each
// change, or throws a refusal, which is the answer. Faults, the journal and what carries it all are a SimulatorServer's
// business. Nothing of the product but src/base is used: what shares a reader with it proves nothing about it.
// Thread rule: every function may be called from any thread.
class Simulator {
 public:
  virtual ~Simulator() = default;
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  // Never throws: an error of the caller or of ours is an answer.
  Answer handle(const Call& call);
  // A control call besides those of every simulator: "POST /rig/certify". Nothing: it has no such control. May throw: a
  // refusal keeps its status, not_found becomes 404, internal 500, everything else 400.
  virtual std::optional<Json> control(const std::string& what, const Json& body) = 0;
  // What it holds, for `hsmbridge-rig requests`: an array, in order of creation.
  virtual Json requests() const = 0;
  // Members of NAME.json besides those of every simulator: credentials and the like.
  virtual Json about() const = 0;
  // What a fault of kind `status` says when it names no body, and what an error of ours becomes.
  virtual std::string trouble() const = 0;
  // A certificate like `certificate` (DER) for another key, of the same issuer if it is ours.
  virtual std::optional<Bytes> certificate_for_another_key(ByteView certificate) = 0;
  // Time for everything but the clients' clocks.
  void advance(std::chrono::seconds by);
  std::chrono::seconds advanced() const {
    const std::lock_guard lock(mutex_);
    return advanced_;
  }
  // Forgets everything that clients made.
  virtual void reset() = 0;

 protected:
  // The clock outlives it. `state`: the file of what is kept over a restart; each of its lines is one change.
  explicit Simulator(const Clock& clock, const std::filesystem::path& state = {});

  // What a call gets: throws a refusal to say no. Locks for itself.
  virtual Answer answer(const Call& call) = 0;
  // A refusal as it is sent.
  virtual Answer worded(Answer refused) const { return refused; }
  // With the lock held, as whatever an implementation holds.
  Instant now() const { return clock_.now() + advanced_; }
  // Writes one change, when there is a file.
  void keep(const std::string& what, Json value);
  // What was kept, oldest first, for the constructors of those who keep: {"request": {…}}. Takes the time from it.
  Json::Array kept_lines();
  // Empties the file, and time was never moved.
  void forget_all();

  const Clock& clock_;
  mutable std::mutex mutex_;

 private:
  std::optional<LineFile> state_;
  std::chrono::seconds advanced_{0};
};

}  // namespace hsmbridge::rig
