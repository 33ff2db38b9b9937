#include "service/providers/providers.h"

#include "base/error.h"

#include <fmt/core.h>

#include <chrono>

namespace hsmbridge::service {

namespace {

// How long a person waits for a list.
constexpr Duration kCatalogueLimit = std::chrono::minutes{2};
constexpr Duration kPolicyLimit = std::chrono::minutes{1};
// Clocks differ by less where both are kept right.
constexpr Duration kOrdinary = std::chrono::minutes{3};

}  // namespace

std::string profiles_at(const config::Settings& settings, const std::string& provider) {
  std::string names;
  for (const auto& profile : settings.profiles) {
    if (profile.provider == provider) names += (names.empty() ? "" : ", ") + profile.name;
  }
  return names;
}

std::vector<workflow::ProfileCatalogue::Entry> provider_profiles(Bridge& bridge, const std::string& name) {
  const auto& settings = bridge.settings().provider(name);
  const auto provider = bridge.provider(settings.name);
  auto* catalogue = dynamic_cast<workflow::ProfileCatalogue*>(provider.get());
  if (catalogue == nullptr) {
    throw Error{ErrorKind::invalid_input, fmt::format("a provider of type {} has no list of profiles", settings.type)};
  }
  return catalogue->profiles(settings.time_limit.value_or(kCatalogueLimit));
}

workflow::Facts provider_policy(Bridge& bridge, const std::string& name) {
  const auto& settings = bridge.settings().provider(name);
  const auto provider = bridge.provider(settings.name);
  auto* source = dynamic_cast<workflow::PolicySource*>(provider.get());
  if (source == nullptr) {
    throw Error{ErrorKind::invalid_input, fmt::format("a provider of type {} tells no policy", settings.type)};
  }
  return source->policy(settings.time_limit.value_or(kPolicyLimit));
}

std::vector<std::string> test_provider(Bridge& bridge, Logbook& log, const std::string& name) {
  const auto& settings = bridge.settings().provider(name);
  const auto provider = bridge.provider(settings.name);
  auto lines = provider->test();
  if (const auto ahead = provider->server_ahead(); ahead && (*ahead > kOrdinary || *ahead < -kOrdinary)) {
    lines.push_back(fmt::format(
        "its clock is {} {} ours: set this machine's clock right, or a certificate that was "
        "just issued is taken for not valid yet",
        spoken(*ahead < Duration::zero() ? -*ahead : *ahead), *ahead < Duration::zero() ? "behind" : "ahead of"));
  }
  log.lane_works("provider:" + settings.name);
  return lines;
}

}  // namespace hsmbridge::service
