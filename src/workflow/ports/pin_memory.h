#pragma once

#include "base/clock.h"

#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::workflow {

// Whose PIN was refused, and from which source; the token layer's PinSubject in plain values.
struct PinRefusal {
  std::string token_serial;
  unsigned long user_type = 1;  // CK_USER_TYPE
  std::string source_hash;
  Instant at{};
  std::string reason;
};

// The memory of refused logins; each is a leaf of the audit log. Rules of all ports: store.h.
class PinMemory {
 public:
  virtual ~PinMemory() = default;

  virtual void record_pin_refusal(const PinRefusal& refusal) = 0;
  virtual std::optional<PinRefusal> pin_refusal(const std::string& token_serial, unsigned long user_type,
                                                const std::string& source_hash) = 0;
  // True when there was one. `actor`: who allows another attempt.
  virtual bool clear_pin_refusal(const std::string& token_serial, unsigned long user_type,
                                 const std::string& source_hash, const std::string& actor, Instant at) = 0;
  virtual std::vector<PinRefusal> pin_refusals() = 0;
};

}  // namespace hsmbridge::workflow
