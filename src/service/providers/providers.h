#pragma once

#include "service/bridge.h"
#include "service/logbook.h"

#include <string>
#include <vector>

// What people ask a configured provider. `name` "": the only one. Each throws invalid_input or ambiguous when the
// configuration does not name one, invalid_input where a provider of that type has no such thing, and what calling it
// throws.
namespace hsmbridge::service {

// The profiles of the configuration that order there, "web, ca".
std::string profiles_at(const config::Settings& settings, const std::string& provider);

// What can be ordered there, and what not and why.
std::vector<workflow::ProfileCatalogue::Entry> provider_profiles(Bridge& bridge, const std::string& name);
// The rules that a request must keep there: name and value.
workflow::Facts provider_policy(Bridge& bridge, const std::string& name);
// One harmless exchange: what was learnt, a line each. A lane that workers leave alone is tried again by them.
std::vector<std::string> test_provider(Bridge& bridge, Logbook& log, const std::string& name);

}  // namespace hsmbridge::service
