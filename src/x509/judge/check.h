#pragma once

#include "base/clock.h"
#include "x509/judge/findings.h"
#include "x509/objects/certificate.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The certificate must answer the request.
//
// What was asked (Expectation) and what came (Certificate) are compared field by field; each difference is a finding
// of one of three classes (findings.h). Names are compared as RFC 5280 §7 compares them (same_name.h), keys whatever
// their encoding (canonical_spki), content in check_content.cpp, and the chain by OpenSSL (chain.h).
//
// Not checked here: revocation of the certificate and of its issuers, Certificate Transparency, host names, and
// whether the request was right.
namespace hsmbridge::x509 {

struct Expectation {
  Bytes spki;                              // the key the request was made for
  Content content;                         // what was asked
  std::optional<Validity> validity;        // exactly these dates were frozen
  std::optional<Duration> lifetime;        // or: about this long was asked; else kLongestUnasked (bounds.h)
  std::vector<Certificate> intermediates;  // what came with the certificate, and what the configuration names
  std::vector<Certificate> anchors;        // what the configuration trusts
  std::vector<std::string> accept;         // names of findings the profile accepts
};

struct Answer {
  std::vector<Finding> findings;   // fatal ones first, one a kind; empty when everything is as asked
  std::vector<Certificate> chain;  // leaf first to the anchor; empty when not anchored

  bool fatal() const;
  const Finding* find(std::string_view name) const;
};

// The same judgement of a certificate that nobody signed yet: everything but the signature and the chain, by the same
// rules. Fatal findings first. Throws as check_answer does.
std::vector<Finding> check_to_be_signed(const TbsCertificate& certificate, const Expectation& expected, Instant at);

// Compares. `at` is the time at which the chain must be valid. Throws invalid_input only for an `accept` name that does
// not exist or cannot be accepted.
Answer check_answer(const Certificate& certificate, const Expectation& expected, Instant at);

}  // namespace hsmbridge::x509
