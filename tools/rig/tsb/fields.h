#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "tools/rig/server/call.h"
#include "tools/rig/server/fields.h"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::rig {

// The first complaint about a body, kept until the whole body was read: the TSB reports a body it cannot parse (an
// unknown field, a wrong type) before a field that is merely empty, and of those only the first.
class Validation {
 public:
  void complain(std::string message) {
    if (first_.empty()) first_ = std::move(message);
  }
  // Throws business error 600 with the first complaint.
  void raise() const;

 private:
  std::string first_;
};

// A strict reader whose complaints are the TSB's. Wrong types and unknown members throw business error 600 at once; empty
// or malformed values go to the Validation, named by their dotted path.
class Fields final : public StrictFields {
 public:
  // Throws business error 600 when `json` is no object.
  Fields(const Json& json, std::string path, Validation& validation);

  // The value, or "" after a complaint.
  std::string text(std::string_view name);
  bool flag(std::string_view name);
  std::int64_t number(std::string_view name);
  // Base64 with padding.
  Bytes base64_bytes(std::string_view name);
  std::optional<Bytes> base64_or_null(std::string_view name);
  // One of `values`; another word is "Value 'X' is not valid for field …".
  std::string word(std::string_view name, std::initializer_list<std::string_view> values);
  std::optional<std::string> word_or_null(std::string_view name, std::initializer_list<std::string_view> values);
  std::vector<std::string> words_or_null(std::string_view name, std::initializer_list<std::string_view> values);
  // A password: a string, or an array of strings of one character; null and absent are "".
  std::string password_or_null(std::string_view name);
  // `member` with a complaint when it is missing.
  const Json* required_member(std::string_view name);

  void complain(std::string_view name, std::string_view what);
  Validation& validation() { return validation_; }

 private:
  [[noreturn]] void wrong_type(const std::string& path) const override;
  [[noreturn]] void unknown(const std::string& name) const override;
  void check_word(const std::string& value, std::initializer_list<std::string_view> values,
                  std::string_view name) const;

  Validation& validation_;
};

// What the TSB says to a body with an unknown field, a wrong type or broken JSON.
Error cannot_parse();
// The body as JSON, or that error.
Json parse_body(const Call& call);

}  // namespace hsmbridge::rig
