#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace hsmbridge {

using Duration = std::chrono::milliseconds;
// UTC, to the millisecond.
using Instant = std::chrono::sys_time<Duration>;

// Where time comes from. `tools` gives the real one; tests give one that they move by hand.
// Thread rule: every function may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // The wall clock: what is written in a journal or a certificate.
  virtual Instant now() const = 0;
  // CLOCK_BOOTTIME: never set back, counts through suspend. For leases and deadlines within one boot.
  virtual Duration since_boot() const = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  Duration since_boot() const override;
};

// RFC 3339 in UTC: "2026-11-23T15:42:07Z", with ".123" when there are milliseconds.
std::string rfc3339(Instant instant);
// Reads RFC 3339 with any offset, and offsets without a colon ("+0000") as some providers write them; digits beyond the
// millisecond are cut. Throws invalid_input.
Instant parse_rfc3339(std::string_view text);

// "90d", "12h", "30m", "45s" or "250ms"; a sum such as "1d12h" too. Throws invalid_input.
Duration parse_duration(std::string_view text);
// The shortest such text, for example "1d12h"; "0s" for zero.
std::string duration_text(Duration duration);
// For people: the largest one or two units, for example "3 days 4 hours", "12 minutes", "8 seconds".
std::string spoken(Duration duration);

}  // namespace hsmbridge
