#pragma once

#include "base/clock.h"
#include "x509/certificate.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The certificate must answer the request.
namespace hsmbridge::x509 {

enum class Severity { fatal, reported };

// One row a kind of finding. What a profile writes under `accept:` are these names. A certificate that lacks some of
// the names asked for is "san-missing", never acceptable; one that carries no alternative names at all is
// "san-dropped", which a profile may accept that lives with a provider known to carry none.
struct FindingKind {
  std::string_view name;         // "serial-not-positive"
  Severity severity;             // when the profile says nothing
  bool acceptable;               // whether `accept` may turn it into `reported`
  std::string_view explanation;  // one sentence
};
std::span<const FindingKind> finding_kinds();
// By name, also by one that an earlier version gave ("not-valid-now"). Throws invalid_input that lists the names; with
// `acceptable` false the caller refuses it in a profile.
const FindingKind& finding_kind(std::string_view name);

struct Finding {
  std::string name;  // a row of finding_kinds()
  Severity severity = Severity::fatal;
  std::string explanation;  // what was asked and what was found, in one line
};

struct Expectation {
  Bytes spki;                              // the key the request was made for
  Content content;                         // what was asked
  std::optional<Validity> validity;        // exactly these dates were frozen
  std::optional<Duration> lifetime;        // or: about this long was asked
  std::vector<Certificate> intermediates;  // what came with the certificate
  std::vector<Certificate> anchors;        // what the configuration trusts
  std::vector<std::string> accept;         // names of findings the profile accepts
};

struct Answer {
  std::vector<Finding> findings;   // fatal ones first; empty when everything is as asked
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
