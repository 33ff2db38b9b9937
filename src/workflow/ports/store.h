#pragma once

#include "workflow/ports/audit_log.h"
#include "workflow/ports/outbox.h"
#include "workflow/ports/pin_memory.h"
#include "workflow/ports/rate_limits.h"
#include "workflow/ports/records.h"
#include "workflow/ports/requests.h"
#include "workflow/ports/revocations.h"
#include "workflow/ports/serial_numbers.h"
#include "workflow/ports/takeovers.h"

#include <optional>
#include <string>

namespace hsmbridge::workflow {

// The durable memory, as it is opened: whoever needs one of the parts takes that one.
//
//   Requests       orders, states and journals; a Step is what one commit writes of one request, in all of them
//   Outbox         effects that are due, leases of workers, lanes; answers that could not be stored
//   Records        certificates and keys
//   AuditLog       the leaf that each of these brings along
//   RateLimits     how many calls a minute a provider allows, for all processes
//   PinMemory      refused and unfinished logins
//   SerialNumbers  what CAs of this bridge have numbered
//   Revocations    what they have revoked, and the numbers of their CRLs
//   Takeovers      what they did before they came here, or in a store that was lost
//
// Every function is one transaction, durable when it returns. Throws unavailable (disk full, locked too long), corrupt.
// Thread rule: one Store object a thread; several processes may share what is behind it.
class Store : public Requests,
              public Outbox,
              public Records,
              public AuditLog,
              public RateLimits,
              public PinMemory,
              public SerialNumbers,
              public Revocations,
              public Takeovers {
 public:
  using Records::count;
  using Records::page;
  using Requests::count;
  using Requests::page;

  // Whether the store was found to be an older copy of itself, and why that was thought. Until a person accepts it
  // nothing is submitted or installed: what is planned here may have been done by the store that was lost.
  virtual std::optional<std::string> restored() = 0;
  // True when it was.
  virtual bool accept_restored(const std::string& actor, Instant at) = 0;
};

}  // namespace hsmbridge::workflow
