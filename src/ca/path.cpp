#include "ca/path.h"

#include "x509/judge/same_name.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::ca {
namespace {

using x509::Certificate;
using x509::same_name;
using Certificates = std::vector<Certificate>;

// More than any hierarchy has; cross certificates must not be followed in circles.
constexpr std::size_t kLongest = 10;

class Search {
 public:
  Search(const Certificates& others, const Certificates& anchors) : others_(others), anchors_(anchors) {}

  // Whether an anchor is reached; `path` is the way there, else the longest that was tried.
  bool climb(Certificates& path) {
    if (is_anchor(path.back())) return true;
    if (path.size() == kLongest) return false;
    Certificates longest = path;
    for (const Certificates* from : {&anchors_, &others_}) {
      for (const Certificate& candidate : *from) {
        if (!issued(candidate, path.back()) || contains(path, candidate)) continue;
        Certificates longer = path;
        longer.push_back(candidate);
        if (climb(longer)) {
          path = std::move(longer);
          return true;
        }
        if (longer.size() > longest.size()) longest = std::move(longer);
      }
    }
    path = std::move(longest);
    return false;
  }

 private:
  // An anchor is a name and a key (RFC 5280 §6.1.1): another certificate of both is as good.
  bool is_anchor(const Certificate& certificate) const {
    return std::any_of(anchors_.begin(), anchors_.end(), [&](const Certificate& anchor) {
      return anchor.spki() == certificate.spki() && same_name(anchor.subject(), certificate.subject());
    });
  }
  static bool issued(const Certificate& candidate, const Certificate& certificate) {
    return same_name(candidate.subject(), certificate.issuer()) &&
           x509::signature_verifies(certificate, candidate.spki());
  }
  static bool contains(const Certificates& path, const Certificate& candidate) {
    return std::any_of(path.begin(), path.end(), [&](const Certificate& one) {
      return one.spki() == candidate.spki() && same_name(one.subject(), candidate.subject());
    });
  }

  const Certificates& others_;
  const Certificates& anchors_;
};

}  // namespace

Path path_above(const Certificate& issuer, const Certificates& others, const Certificates& anchors) {
  Path path{{issuer}, ""};
  if (Search(others, anchors).climb(path.authorities) || anchors.empty()) return path;
  const Certificate& last = path.authorities.back();
  path.gap = same_name(last.subject(), last.issuer())
                 ? fmt::format("the path from the issuer ends at \"{}\", which is not among the trust anchors",
                               last.subject().to_string())
                 : fmt::format(
                       "there is no path from the issuer to a trust anchor: the certificate of \"{}\", which "
                       "issued \"{}\", is neither in `chain` nor among the anchors",
                       last.issuer().to_string(), last.subject().to_string());
  return path;
}

}  // namespace hsmbridge::ca
