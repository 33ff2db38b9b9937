#pragma once

#include "tools/hsmbridge/wiring.h"

#include <string>
#include <vector>

// What `doctor` looks at. Nothing here logs in or asks for a secret unless it is told to.
namespace hsmbridge::cli {

enum class Health { ok, note, fault };

struct Finding {
  std::string subject;  // "token web: PIN"
  Health health = Health::ok;
  std::string what;  // one line
  std::string hint;  // what to do; "" for nothing
};

enum class DoctorLogin { never, once };

// Each of them judges one thing; an Error inside becomes a fault. Thread rule: as Wiring.
std::vector<Finding> examine_store(Wiring& wiring);
std::vector<Finding> examine_token(Wiring& wiring, const config::TokenSettings& token, DoctorLogin login);
std::vector<Finding> examine_provider(const config::ProviderSettings& provider);
std::vector<Finding> examine_profile(const config::Settings& settings, const config::ProfileSettings& profile);
Finding examine_clock(const Clock& clock);

}  // namespace hsmbridge::cli
