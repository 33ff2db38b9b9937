#pragma once

#include "base/error.h"
#include "tools/hsmbridge/wiring/wiring.h"

#include <string>
#include <utility>
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

// One check; what it throws is the fault.
template <class Check>
void examine(std::vector<Finding>& findings, std::string subject, Check check) {
  Finding finding{std::move(subject), Health::ok, "", ""};
  try {
    check(finding);
  } catch (...) {
    const Error error = current_error();
    finding.health = Health::fault;
    finding.what = error.message();
    finding.hint = error.hint();
  }
  findings.push_back(std::move(finding));
}

// Each of them judges one thing; an Error inside becomes a fault. Thread rule: as Wiring.
std::vector<Finding> examine_store(Wiring& wiring);
std::vector<Finding> examine_token(Wiring& wiring, const config::TokenSettings& token, DoctorLogin login);
std::vector<Finding> examine_provider(const config::ProviderSettings& provider);
std::vector<Finding> examine_person(const config::PersonSettings& person);
std::vector<Finding> examine_profile(const config::Settings& settings, const config::ProfileSettings& profile);
Finding examine_clock(const Clock& clock);

}  // namespace hsmbridge::cli
