#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "tools/rig/server/call.h"

#include <initializer_list>
#include <optional>
#include <set>
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

// Reads one JSON object of a request strictly: each member is asked for by name, and `done` refuses what was not asked
// for. Wrong types and unknown members throw business error 600 at once; empty or malformed values go to the
// Validation, named by their dotted path. Throws business error 600 in the constructor when `json` is no object.
class Fields {
 public:
  Fields(const Json& json, std::string path, Validation& validation);

  // The value, or "" after a complaint.
  std::string text(std::string_view name);
  // Null and absent are nullopt.
  std::optional<std::string> text_or_null(std::string_view name);
  bool flag(std::string_view name);
  std::optional<bool> flag_or_null(std::string_view name);
  std::int64_t number(std::string_view name);
  std::optional<std::int64_t> number_or_null(std::string_view name);
  // Base64 with padding.
  Bytes base64_bytes(std::string_view name);
  std::optional<Bytes> base64_or_null(std::string_view name);
  // One of `values`; another word is "Value 'X' is not valid for field …".
  std::string word(std::string_view name, std::initializer_list<std::string_view> values);
  std::optional<std::string> word_or_null(std::string_view name, std::initializer_list<std::string_view> values);
  std::vector<std::string> words_or_null(std::string_view name, std::initializer_list<std::string_view> values);
  // A password: a string, or an array of strings of one character; null and absent are "".
  std::string password_or_null(std::string_view name);
  // A member of any kind, which the caller reads; null pointer when absent or null.
  const Json* member(std::string_view name);
  // The same, with a complaint when it is missing.
  const Json* required_member(std::string_view name);

  std::string path_of(std::string_view name) const;
  void complain(std::string_view name, std::string_view what);
  Validation& validation() { return validation_; }

  // Every member was asked for, or business error 600.
  void done() const;

 private:
  void check_word(const std::string& value, std::initializer_list<std::string_view> values,
                  std::string_view name) const;

  const Json& json_;
  std::string path_;
  Validation& validation_;
  std::set<std::string, std::less<>> asked_;
};

// What the TSB says to a body with an unknown field, a wrong type or broken JSON.
Error cannot_parse();
// The body as JSON, or that error.
Json parse_body(const Call& call);

}  // namespace hsmbridge::rig
