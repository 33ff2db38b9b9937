#pragma once

#include "base/bytes.h"
#include "base/json.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::rig {

// What a service says of a body. Those of a value may return; then the value counts as empty.
class Complaints {
 public:
  virtual ~Complaints() = default;
  // `path` is dotted, from the top of the body.
  [[noreturn]] virtual void wrong_type(const std::string& path) = 0;
  [[noreturn]] virtual void unknown(const std::string& path, const std::string& name) = 0;
  // A word that is none of those it may be.
  [[noreturn]] virtual void wrong_word(const std::string& path, const std::string& word) = 0;
  virtual void bad_value(const std::string& path, std::string_view what) = 0;  // "must not be empty"
};

// Reads one JSON object of a request strictly: each member is asked for by name, and `done` refuses what was not asked
// for. Null and absent are alike: X_or_null, and an empty list.
class Fields {
 public:
  // The object outlives this.
  Fields(const Json& json, std::string path, Complaints& complaints);

  const Json* member(std::string_view name);  // null pointer when absent or null
  const Json* required_member(std::string_view name);
  std::string text(std::string_view name);
  std::optional<std::string> text_or_null(std::string_view name);
  std::int64_t number(std::string_view name);
  std::optional<std::int64_t> number_or_null(std::string_view name);
  bool flag(std::string_view name);
  std::optional<bool> flag_or_null(std::string_view name);
  // Base64 with padding.
  Bytes base64_bytes(std::string_view name);
  std::optional<Bytes> base64_or_null(std::string_view name);
  // One of `values`, and a list of them.
  std::string word(std::string_view name, const std::vector<std::string_view>& values);
  std::optional<std::string> word_or_null(std::string_view name, const std::vector<std::string_view>& values);
  std::vector<std::string> words(std::string_view name, const std::vector<std::string_view>& values);
  std::vector<std::string> texts(std::string_view name);

  void complain(std::string_view name, std::string_view what) { complaints_.bad_value(path_of(name), what); }
  std::string path_of(std::string_view name) const;
  void done() const;

 private:
  const Json& json_;
  const std::string path_;
  Complaints& complaints_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace hsmbridge::rig
