#pragma once

#include "base/clock.h"
#include "x509/content/content.h"
#include "x509/objects/certificate.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// What a CA lets into the certificates of one of its profiles, and what it adds to them. Pure.
//
//   objections   what a request asks for that the profile does not permit: another request is needed
//   completed    the content of the certificate: what was requested, and what the profile adds
//   validity_of  its dates, never past the issuer's end
//
// Not checked here: the issuer and those above it (examine.h), and the certificate as a whole (lint.h).
namespace hsmbridge::ca {

// The longest life that the CA/Browser Forum allows on the day of signing (TLS Baseline Requirements 6.3.2).
struct TlsMaximum {
  bool operator==(const TlsMaximum&) const = default;
};
// A time from notBefore on, an end, or that maximum.
using Lifetime = std::variant<Duration, Instant, TlsMaximum>;

// Of a certificate that is signed then, in days of 86,400 s; both ends of a validity belong to it.
std::chrono::hours longest_tls_life(Instant signed_at);

// Which certificates a rule of lint.h is about; RFC 5280 is about all of them.
enum class Rules {
  cabf_tls,     // TLS Baseline Requirements 7.1.2.7: servers
  cabf_sub_ca,  // 7.1.2.6: CAs that issue to servers, below another CA
};

// What the values of one attribute of the subject may be.
struct SubjectRule {
  x509::Oid type;
  std::string value;                           // exactly this one, which must be there; or
  std::optional<std::string> expression = {};  // an RE2 expression that each value matches as a whole
};

struct Profile {
  std::string name;
  Lifetime lifetime = std::chrono::hours{24 * 90};
  Duration backdate{};  // notBefore lies this long before the draft
  // Nothing: any subject. Else an attribute without a rule is refused.
  std::vector<SubjectRule> subject;
  // The names that it certifies, in the words of name constraints; empty: any. With permitted names, kinds of
  // alternative names that have none of them are refused.
  x509::NameConstraints names;
  // What may be asked for; of an extension that nobody asks for, what the certificate gets. Empty: none may be asked for.
  std::optional<x509::KeyUsages> key_usage;
  std::vector<x509::Oid> extended_key_usage;
  std::optional<x509::BasicConstraints> basic_constraints;
  std::optional<x509::NameConstraints> name_constraints;  // critical
  std::vector<x509::Policy> policies;
  std::vector<x509::Oid> extensions;  // that a request may bring, TLS features among them
  std::vector<std::string> ocsp, issuer_urls, crl_urls;
  x509::KeyIdentifierMethod key_identifier = x509::KeyIdentifierMethod::sha256;
  std::string policy_url;  // the paragraph of the practice statement that it follows; "" for none
  std::vector<Rules> rules;
  bool outlives_cross_signed = false;  // what cross-signs a CA may end after the certificate that this has

  bool makes_cas() const { return basic_constraints && basic_constraints->ca; }
};

// Every objection, a sentence each.
std::vector<std::string> objections(const Profile& profile, const x509::Content& requested);
x509::Content completed(const Profile& profile, x509::Content requested);

// From `now`. `requested`: how long was asked for; zero for as long as the profile gives, which ends with the issuer.
// Throws refused for a time that the profile or the issuer does not give, invalid_input for one that is over.
x509::Validity validity_of(const Profile& profile, const x509::Validity& issuer, Duration requested, Instant now);

// Whether `value` matches the RE2 expression as a whole. Throws invalid_input for an expression that cannot be read.
bool matches(std::string_view value, const std::string& expression);

}  // namespace hsmbridge::ca
