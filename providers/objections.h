#pragma once

#include "x509/content/requested_content.h"
#include "x509/names/name.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What a service cannot carry or would change of what is requested. Thread rule: values and plain functions.
namespace hsmbridge::providers {

inline bool accepts(const x509::RequestedContent& ask, std::string_view finding) {
  return std::find(ask.accept.begin(), ask.accept.end(), finding) != ask.accept.end();
}

// Collects reasons not to submit; `finding` is the name under which a profile accepts it.
class Objections {
 public:
  explicit Objections(const x509::RequestedContent& ask) : ask_(ask) {}
  void add(std::string reason) { reasons_.push_back(std::move(reason)); }
  void unless_accepted(std::string_view finding, const std::string& reason) {
    if (!accepts(ask_, finding)) add(fmt::format("{} (a profile may accept it: {})", reason, finding));
  }
  std::vector<std::string> take() { return std::move(reasons_); }

 private:
  const x509::RequestedContent& ask_;
  std::vector<std::string> reasons_;
};

// Of all its relative names, in order.
inline std::vector<x509::NameAttribute> attributes_of(const x509::Name& name) {
  std::vector<x509::NameAttribute> all;
  for (const x509::RelativeName& relative : name.relative_names()) {
    all.insert(all.end(), relative.begin(), relative.end());
  }
  return all;
}

}  // namespace hsmbridge::providers
