#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "tools/rig/server/call.h"

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

namespace hsmbridge::rig {

// One simulated service, HTTP in, HTTP out. Whatever carries it, faults and the journal are a SimulatorServer's
// business. Thread rule: every function may be called from any thread.
class Simulator {
 public:
  // The clock outlives it.
  explicit Simulator(const Clock& clock) : clock_(clock) {}
  virtual ~Simulator() = default;
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  // Never throws: an error of the caller or of ours is an answer.
  virtual Answer handle(const Call& call) = 0;
  // A control call beside those of every simulator: "POST /rig/certify". Nothing: it has no such control. May throw:
  // not_found becomes 404, internal 500, everything else 400.
  virtual std::optional<Answer> control(const std::string& what, const Json& body) = 0;
  // What it holds, for `hsmbridge-rig requests`: an array, in order of creation.
  virtual Json requests() const = 0;
  // Members of NAME.json beside those of every simulator: credentials and the like.
  virtual Json about() const = 0;
  // What a fault of kind `status` says when it names no body: the service's own words for trouble.
  virtual std::string trouble() const = 0;
  // A certificate like `certificate` (DER) for another key, of the same issuer if it is ours.
  virtual std::optional<Bytes> certificate_for_another_key(ByteView certificate) = 0;
  // Time for everything but the clients' clocks.
  void advance(std::chrono::seconds by) {
    const std::lock_guard lock(mutex_);
    advanced_ += by;
    keep_advanced();
  }
  std::chrono::seconds advanced() const {
    const std::lock_guard lock(mutex_);
    return advanced_;
  }
  // Forgets everything that clients made.
  virtual void reset() = 0;

 protected:
  // With the lock held, as whatever an implementation holds.
  Instant now() const { return clock_.now() + advanced_; }
  // Called with the lock held when the time was moved: for those that remember it over a restart.
  virtual void keep_advanced() {}

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::chrono::seconds advanced_{0};
};

}  // namespace hsmbridge::rig
