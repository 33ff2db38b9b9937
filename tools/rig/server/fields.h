#pragma once

#include "base/json.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace hsmbridge::rig {

// Reads one JSON object of a request strictly: each member is asked for by name, and `done` refuses what was not asked
// for. Null and absent are alike. Each service says in its own words what is wrong.
class StrictFields {
 public:
  virtual ~StrictFields() = default;

  // Null pointer when absent or null.
  const Json* member(std::string_view name);
  std::optional<std::string> text_or_null(std::string_view name);
  std::optional<std::int64_t> number_or_null(std::string_view name);
  std::optional<bool> flag_or_null(std::string_view name);
  // Dotted, from the top of the body.
  std::string path_of(std::string_view name) const;
  void done() const;

 protected:
  // The object outlives this.
  StrictFields(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}
  // Both throw.
  [[noreturn]] virtual void wrong_type(const std::string& path) const = 0;
  [[noreturn]] virtual void unknown(const std::string& name) const = 0;

  const Json& json_;
  const std::string path_;

 private:
  std::set<std::string, std::less<>> asked_;
};

}  // namespace hsmbridge::rig
