#include "tools/hsmbridge/wiring_providers.h"

#include "base/error.h"
#include "providers/digicert/settings.h"
#include "providers/securosys/settings.h"
#include "providers/venafi/settings.h"
#include "tools/hsmbridge/wiring_digicert.h"
#include "tools/hsmbridge/wiring_securosys.h"
#include "tools/hsmbridge/wiring_venafi.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

const std::vector<ProviderType>& provider_types() {
  static const std::vector<ProviderType> types{
      {"digicert-tlm",
       [](const std::string& name, config::Section section) { digicert::read_settings(name, std::move(section)); },
       make_digicert},
      {"securosys-tsb",
       [](const std::string& name, config::Section section) { securosys::read_settings(name, std::move(section)); },
       make_securosys},
      {"venafi-tls-protect-cloud",
       [](const std::string& name, config::Section section) { venafi::read_settings(name, std::move(section)); },
       make_venafi},
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
