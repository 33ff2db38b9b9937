#pragma once

#include "base/clock.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// How much of what strangers send is read, kept and shown. What exceeds a bound is refused with a number in the
// message, and harms nothing but the request that it answers.
namespace hsmbridge::x509 {

// A certificate or a certificate request, in octets of DER. SLH-DSA signatures have at most 49,856.
inline constexpr std::size_t kMostCertificate = std::size_t{64} * 1024;
// Alternative names, and names in one list of name constraints.
inline constexpr std::size_t kMostNames = 1000;
// Certificates beside the leaf that are looked at for a chain.
inline constexpr std::size_t kMostChain = 100;
// Authorities between a certificate and its trust anchor. Public hierarchies have one to three.
inline constexpr int kMostAuthorities = 16;
// Signatures that are checked to find out which certificate issued which. An honest chain takes one a link, and one
// more for each older certificate of a CA that kept its name.
inline constexpr std::size_t kMostSignatures = 100;
// Findings about one certificate.
inline constexpr std::size_t kMostFindings = 50;
// One finding's explanation, in octets of UTF-8.
inline constexpr std::size_t kMostExplanation = 1000;
// Names that are listed one by one in a sentence.
inline constexpr std::size_t kMostListed = 10;

// How long a certificate may be valid when nobody asked for a validity. An end entity: a little more than 39 months,
// the longest life that any of the CA/Browser Forum's requirements ever gave one since 2015 (code signing, S/MIME). An
// authority: 15 years, after which browsers drop even roots.
inline constexpr Duration kLongestUnasked = std::chrono::hours{24 * 1200};
inline constexpr Duration kLongestUnaskedAuthority = std::chrono::hours{24 * 366 * 15};

// `text` itself, or its beginning and "…" when it is longer than `most` octets; whole UTF-8 characters.
std::string bounded(std::string_view text, std::size_t most = kMostExplanation);
// "a, b, c", or the first kMostListed of them "and 17 more".
std::string listed(const std::vector<std::string>& texts);

}  // namespace hsmbridge::x509
