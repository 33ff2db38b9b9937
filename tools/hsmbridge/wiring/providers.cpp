#include "tools/hsmbridge/wiring/providers.h"

#include "base/error.h"
#include "providers/digicert/provider.h"
#include "providers/digicert/settings.h"
#include "providers/local/provider.h"
#include "providers/local/settings.h"
#include "providers/securosys/provider.h"
#include "providers/securosys/settings.h"
#include "providers/venafi/provider.h"
#include "providers/venafi/settings.h"
#include "tools/hsmbridge/wiring/digicert.h"
#include "tools/hsmbridge/wiring/local.h"
#include "tools/hsmbridge/wiring/securosys.h"
#include "tools/hsmbridge/wiring/venafi.h"

#include <fmt/core.h>

#include <type_traits>
#include <utility>

namespace hsmbridge::cli {

namespace {

template <class Provider>
service::ProviderWay way(std::string name, const workflow::Capabilities& can) {
  service::ProviderWay way{std::move(name), can};
  way.lists_profiles = std::is_base_of_v<workflow::ProfileCatalogue, Provider>;
  way.tells_policy = std::is_base_of_v<workflow::PolicySource, Provider>;
  way.dry_run = std::is_base_of_v<workflow::DryRun, Provider>;
  way.decides_here = std::is_base_of_v<workflow::ApprovalAuthority, Provider>;
  return way;
}

// Its approvers sign with keys of their own (providers/securosys/approver.h), not with the account of the provider.
service::ProviderWay securosys_way(std::string name, securosys::Mode mode) {
  auto made = way<securosys::SecurosysProvider>(std::move(name), securosys::capabilities_of(mode));
  made.decides_here = true;
  return made;
}

service::ProviderWay authority_at_securosys_way() {
  auto can = local::with_key_at(securosys::capabilities_of(securosys::Mode::given_bytes));
  auto made = way<local::LocalProvider>(fmt::format("{}, key at a Securosys TSB", workflow::kLocalAuthority), can);
  made.decides_here = true;
  return made;
}

// Under each of its two names; the ways are told once.
ProviderType venafi_type(std::string name, std::vector<service::ProviderWay> ways) {
  return {std::move(name),
          [](const std::string& provider, config::Section section) {
            return config::ProviderFacts{venafi::read_settings(provider, std::move(section)).search_lag};
          },
          make_venafi, std::move(ways), Approvers::with_our_account};
}

}  // namespace

const std::vector<ProviderType>& provider_types() {
  static const std::vector<ProviderType> types{
      {"digicert-tlm",
       [](const std::string& name, config::Section section) {
         return config::ProviderFacts{digicert::read_settings(name, std::move(section)).search_lag};
       },
       make_digicert,
       {way<digicert::DigicertProvider>("digicert-tlm, profile that issues at once",
                                        digicert::capabilities_of(digicert::Issues::at_once)),
        way<digicert::DigicertProvider>("digicert-tlm, profile with approvals or a connector",
                                        digicert::capabilities_of(digicert::Issues::later))}},
      {std::string(workflow::kLocalAuthority),
       [](const std::string& name, config::Section section) {
         const auto settings = local::read_settings(name, std::move(section));
         config::ProviderFacts facts;
         if (settings.key_service) facts.key_at = {settings.key_service->provider, settings.key.key};
         return facts;
       },
       make_local,
       {way<local::LocalProvider>(fmt::format("{}, key in a token", workflow::kLocalAuthority),
                                  local::declared_capabilities()),
        authority_at_securosys_way()}},
      {"securosys-tsb",
       [](const std::string& name, config::Section section) {
         config::ProviderFacts facts;
         facts.keeps_keys = securosys::read_settings(name, std::move(section)).sign_key;
         return facts;
       },
       make_securosys,
       {securosys_way("securosys-tsb, mode raw-signature", securosys::Mode::raw_signature),
        securosys_way("securosys-tsb, mode certificate", securosys::Mode::certificate)},
       Approvers::with_a_key},
      venafi_type(std::string(venafi::kType),
                  {way<venafi::VenafiProvider>(fmt::format("{} or {}", venafi::kType, venafi::kTypeToday),
                                               venafi::declared_capabilities())}),
      venafi_type(std::string(venafi::kTypeToday), {}),
  };
  return types;
}

const ProviderType& provider_type(const config::ProviderSettings& settings) {
  for (const auto& row : provider_types()) {
    if (row.type == settings.type) return row;
  }
  throw Error{ErrorKind::invalid_input,
              fmt::format("provider {}: there is no type '{}'", settings.name, settings.type)};
}

std::map<std::string, config::ProviderReader> provider_readers() {
  std::map<std::string, config::ProviderReader> readers;
  for (const auto& row : provider_types()) readers.emplace(row.type, row.check);
  return readers;
}

}  // namespace hsmbridge::cli
