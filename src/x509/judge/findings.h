#pragma once

#include <span>
#include <string>
#include <string_view>

// The kinds of findings of the certificate check, in three classes.
namespace hsmbridge::x509 {

enum class FindingClass {
  // Names, key, signature, chain and the right to issue: nobody can accept another one than was asked for.
  never_acceptable,
  // Something asked for is missing or different, or the certificate has a power that nobody asked for: fatal, unless
  // the profile or a person accepts it by name.
  acceptable,
  // What CAs set from their own templates. It gives the holder of the key nothing beyond the names that were compared.
  reported,
};

enum class Severity { fatal, reported };

// One row a kind. What a profile writes under `accept:` are these names. A certificate that lacks some of the names
// asked for is "san-missing", never acceptable; one that carries no alternative names at all is "san-dropped", which a
// profile may accept that lives with a provider known to carry none.
struct FindingKind {
  std::string_view name;  // "serial-not-positive"
  FindingClass finding_class;
  std::string_view explanation;  // one sentence
  Severity severity;             // when nobody accepts it
  bool acceptable;               // whether `accept` may name it

  constexpr FindingKind(std::string_view kind, FindingClass its_class, std::string_view sentence)
      : name(kind),
        finding_class(its_class),
        explanation(sentence),
        severity(its_class == FindingClass::reported ? Severity::reported : Severity::fatal),
        acceptable(its_class != FindingClass::never_acceptable) {}
};
std::span<const FindingKind> finding_kinds();
// By name, also by one that an earlier version gave ("not-valid-now"). Throws invalid_input that lists the names; with
// `acceptable` false the caller refuses it in a profile.
const FindingKind& finding_kind(std::string_view name);
// The names of today's rows that an `accept` of `name` means: itself, or what became of an earlier version's name.
std::span<const std::string_view> accepted_by(std::string_view name);

struct Finding {
  std::string name;  // a row of finding_kinds()
  Severity severity = Severity::fatal;
  std::string explanation;  // what was asked and what was found, in one line
};

}  // namespace hsmbridge::x509
