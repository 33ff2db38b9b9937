#pragma once

#include "approval/policy.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "workflow/ports/provider.h"
#include "workflow/ports/records.h"
#include "workflow/ports/revocations.h"
#include "workflow/ports/token.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::x509 {
class WeakKeyList;
}

namespace hsmbridge::service {

// What a process's own configuration wants before an order is submitted now, which may be another thing than the order
// pinned.
struct ReleaseTerms {
  std::optional<approval::Policy> approval;  // whose approvals at this bridge; nothing where nobody's
  std::string environment = "real";          // what approvals say of the store: "real" or "rehearsal"
  bool command = false;                      // an operator's
  // Who asked for the order (askers_of), by the accounts that people have now: their word does not count, whatever was
  // known before.
  std::vector<std::string> requesters = {};
};

// What effects need of the outside world, by the names of the configuration. `tools` introduces it.
// Thread rule: every function may be called from many effect threads at once.
class Dependencies {
 public:
  virtual ~Dependencies() = default;
  // Throws not_found when the configuration does not name it, unavailable when it cannot be used now.
  virtual std::shared_ptr<workflow::Provider> provider(const std::string& name) = 0;
  virtual std::shared_ptr<workflow::Token> token(const std::string& name) = 0;
  // The certificates that the certificate of this order must chain to (DER).
  virtual std::vector<Bytes> anchors(const workflow::Order& order) = 0;
  // The store's, lent to the thread that asks.
  virtual workflow::Records& records() = 0;
  virtual workflow::Revocations& revocations() = 0;  // likewise
  // The keys in the files that the configuration names under `weak_keys`, read once. Throws what reading them throws.
  virtual const x509::WeakKeyList& weak_keys() = 0;
  // The program (argv) that this process's own configuration runs for certificates of a profile; empty for none. An
  // order in the store names one too, and whoever can write the store could name any.
  virtual std::vector<std::string> hook_of(const std::string& profile) = 0;
  // Throws what release_terms_of throws (requests/approval_terms.h).
  virtual ReleaseTerms release_terms(const workflow::Order& order) = 0;
  // The clock by which the engine counts the deadlines of calls.
  virtual const Clock& clock() const = 0;
};

}  // namespace hsmbridge::service
