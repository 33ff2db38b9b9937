#pragma once

#include "tools/rig/server/fields.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::rig {

// A strict reader whose complaints are DigiCert's: everything wrong is 400 invalid_input_field with the dotted path of
// the member.
class DigicertFields final : public StrictFields {
 public:
  DigicertFields(const Json& json, std::string path);

  std::string text(std::string_view name);  // must be there and not be empty
  std::int64_t number(std::string_view name);
  bool flag(std::string_view name);                             // absent is false; one working script sends "true"
  std::vector<std::string> texts(std::string_view name);        // a list; absent is empty
  std::vector<std::string> one_or_more(std::string_view name);  // a text or a list of texts

 private:
  [[noreturn]] void wrong_type(const std::string& path) const override;
  [[noreturn]] void unknown(const std::string& name) const override;
};

}  // namespace hsmbridge::rig
