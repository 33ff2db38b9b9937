#pragma once

#include "service/actor.h"
#include "service/bridge.h"
#include "workflow/ports/store.h"

#include <optional>
#include <string>

// The CRLs of a CA whose key a service keeps. Its signature wants a quorum there and may take days, so each CRL is a
// request (Kind::issue_crl): the number is taken and the bytes are frozen with its draft, it is submitted once, and
// published when it is verified. One is open at a time for a CA, so that no two numbers are ever waited for.
namespace hsmbridge::service {

// Whether the CRLs of this CA are requests. Throws what authority() throws.
bool crl_is_a_request(Bridge& bridge, const std::string& name);

struct CrlRequest {
  RequestId id;
  enum class How { made, open } how = How::made;
  std::size_t lacks = 0;  // revocations since its bytes were frozen, which only the CRL after it will have
};
// The open one, or a new one. `after_future` as workflow::IssueCrl has it. Throws invalid_input where it publishes none,
// refused for a store that is an older copy, conflict where one is open that is not `after_future`.
CrlRequest request_crl(const Actor& actor, Bridge& bridge, workflow::Store& store, const std::string& name,
                       const std::optional<Instant>& after_future = std::nullopt);

// The same for a schedule: nothing where no CRL is due, one is open already, or the last one was given up or refused less
// than `every` ago: people who said no are not asked again at once.
std::optional<RequestId> request_due_crl(const Actor& actor, const config::Settings& settings,
                                         workflow::Provider& authority, workflow::Store& store, const std::string& name,
                                         Instant now);

}  // namespace hsmbridge::service
