#pragma once

#include <string>
#include <string_view>

namespace hsmbridge::venafi {

// Where a request belongs: 'Application\Template alias', as vcert writes it. The alias is the application's own name
// for an issuing template. On an NGTS service the alias stands alone: `application` is empty then.
struct Zone {
  std::string application;
  std::string alias;

  std::string text() const;
  bool operator==(const Zone&) const = default;
};

enum class Application { required, optional };
// Throws invalid_input that says what is wrong and how it is written.
Zone parse_zone(std::string_view text, Application application);

}  // namespace hsmbridge::venafi
