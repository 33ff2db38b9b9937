#pragma once

#include "base/json.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::rig {

// Reads one JSON object of a request to the simulated DigiCert strictly: each member is asked for by name, and `done`
// refuses what was not asked for. Everything wrong is 400 invalid_input_field with the dotted path of the member. Null
// and absent are alike.
class DigicertFields {
 public:
  DigicertFields(const Json& json, std::string path);

  std::string text(std::string_view name);  // must be there and not be empty
  std::optional<std::string> text_or_null(std::string_view name);
  std::int64_t number(std::string_view name);
  bool flag(std::string_view name);                             // absent is false; one working script sends "true"
  std::vector<std::string> texts(std::string_view name);        // a list; absent is empty
  std::vector<std::string> one_or_more(std::string_view name);  // a text or a list of texts
  const Json* member(std::string_view name);                    // null when absent
  std::string path_of(std::string_view name) const;
  void done() const;

 private:
  const Json& json_;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace hsmbridge::rig
