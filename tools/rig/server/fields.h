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

enum class Flaw {
  wrong_type,
  unknown,     // `what` is its name
  wrong_word,  // `what` is none of the words it may be
  bad_value,   // `what` says why: "must not be empty"
};
// What a service says of a member of a body; `path` is dotted, from the top. Throws, except that a bad value may be
// noted: then it counts as empty.
class Complaints {
 public:
  virtual ~Complaints() = default;
  virtual void say(Flaw flaw, const std::string& path, std::string_view what) = 0;
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

  void complain(std::string_view name, std::string_view what) { complaints_.say(Flaw::bad_value, path_of(name), what); }
  std::string path_of(std::string_view name) const;
  void done() const;

 private:
  const Json& json_;
  const std::string path_;
  Complaints& complaints_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace hsmbridge::rig
