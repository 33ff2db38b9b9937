#pragma once

#include "base/bytes.h"
#include "service/dependencies.h"
#include "workflow/engine/engine.h"
#include "workflow/ports/provider.h"
#include "workflow/ports/token.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::service {

// What an error means to the request whose effect met it.
enum class Retry {
  again,    // nothing is decided: the engine tries again, later and later
  give_up,  // it becomes an event: the preparation failed, which ends the request; or a target did, which is tried
            // again
};
// It rules the effects that may end a request (ensure_key, sign_csr, build_draft, check_draft) and installing; every
// call about a submission that may exist is tried again whatever happened, and so is everything whose token, provider
// or trust anchors cannot be used by this process now. Verifying gives up only for what the content itself makes
// impossible.
Retry consequence_of(workflow::EffectName effect, const Error& error);

// Whose certificate is put somewhere. References live as long as the call.
struct Installation {
  const workflow::Order& order;
  const workflow::Key& key;
  const workflow::Draft& draft;
  const workflow::Submission* submission = nullptr;
  unsigned attempt = 1;  // of this target; a hook tells its runs apart by it
};
// Puts the certificate at one target. Running it again changes nothing (a hook runs again). Throws what the target's
// owner throws.
void install_certificate(Dependencies& world, const Installation& of, const workflow::InstallTarget& target,
                         const workflow::CertificateRecord& record, Instant now, Duration time_limit);

// The runner of the real world. See workflow::EffectRunner for the contract.
class Effects final : public workflow::EffectRunner {
 public:
  explicit Effects(Dependencies& world) : world_(world) {}
  workflow::EffectOutcome run(const workflow::Claim& claim, Instant now, Duration time_limit) override;

 private:
  workflow::EffectOutcome dispatch(const workflow::Claim& claim, Instant now, Duration time_limit);
  Dependencies& world_;
};

}  // namespace hsmbridge::service
