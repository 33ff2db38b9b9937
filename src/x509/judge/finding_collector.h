#pragma once

#include "x509/asn1/bounds.h"
#include "x509/judge/findings.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::x509 {

// Collects the findings about one certificate: one of each kind, however often it is noted, so that a hostile
// certificate cannot fill a store and no kind is hidden behind the many of another.
class FindingCollector {
 public:
  // Throws invalid_input for an `accept` name that does not exist or cannot be accepted.
  explicit FindingCollector(const std::vector<std::string>& accept);

  void note(std::string_view name, std::string explanation);
  // Fatal ones first, in the order in which they were noted.
  std::vector<Finding> take();

 private:
  std::set<std::string, std::less<>> accepted_;
  std::vector<Finding> findings_;
  std::map<std::string, std::size_t, std::less<>> more_;  // by name: noted and not listed
};

// The explanation of a difference: "asked A, found B".
std::string asked_found(const std::string& asked, const std::string& found);

}  // namespace hsmbridge::x509
