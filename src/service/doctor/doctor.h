#pragma once

#include "service/bridge.h"
#include "workflow/ports/store.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// What `doctor` looks at. Nothing here logs in or asks for a secret unless it is told to, and nothing is changed but
// that the token's lock files may be made.
namespace hsmbridge::service {

enum class Health { ok, note, fault };

struct Check {
  std::string subject;  // "token web: PIN"
  Health health = Health::ok;
  std::string what;  // one line, or several
  std::string hint;  // what to do; "" for nothing
};

// How the store is looked at. Both throw what opening it throws.
struct ExaminedStore {
  std::function<std::unique_ptr<workflow::Store>()> open;        // nothing is made or changed
  std::function<std::optional<std::uint64_t>()> entries_before;  // of the audit log that was at this place, if any
};

enum class DoctorLogin { never, once };  // in to each token

// Everything that the configuration names: store, tokens, providers, people, profiles. What fails is a check's fault.
std::vector<Check> examine(Bridge& bridge, const ExaminedStore& store, DoctorLogin login);
Check examine_clock(const Clock& clock);

std::vector<Check> examine_store(const Bridge& bridge, const ExaminedStore& store);
// Of the CAs of this bridge, and what the URLs of their CRLs give; nothing where there is no store yet.
std::vector<Check> examine_authorities(Bridge& bridge, const ExaminedStore& store);

// One check; what it throws is the fault.
void examine(std::vector<Check>& checks, std::string subject, const std::function<void(Check&)>& look);

}  // namespace hsmbridge::service
