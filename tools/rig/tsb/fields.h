#pragma once

#include "base/error.h"
#include "tools/rig/server/fields.h"

#include <string>
#include <string_view>

namespace hsmbridge::rig {

// What the TSB says of a body: it reports one that it cannot parse (an unknown field, a wrong type) before a field that
// is merely empty, and of those only the first. So values are complained of once the whole body was read.
class Validation final : public Complaints {
 public:
  void say(Flaw flaw, const std::string& path, std::string_view what) override;
  // Throws business error 600 with the first complaint.
  void raise() const;

 private:
  std::string first_;
};

// A password: a string, or an array of strings of one character; null and absent are "".
std::string password_in(Fields& fields, std::string_view name);

// What the TSB says to a body with an unknown field, a wrong type or broken JSON.
Error cannot_parse();

}  // namespace hsmbridge::rig
