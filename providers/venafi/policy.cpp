#include "providers/venafi/policy.h"

#include "base/text.h"
#include "base/unicode.h"
#include "providers/objections.h"
#include "x509/names/name.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hsmbridge::venafi {
namespace {

constexpr Duration kDay = std::chrono::hours{24};

// What a profile may accept by name, among the findings of the check of the certificate that comes back.
constexpr std::string_view kShorter = "validity-shorter";
constexpr std::string_view kUsageChanged = "extended-key-usage-changed";

struct SubjectRow {
  std::string_view oid;
  std::string_view component;  // as the service calls it
  Template::Expressions Template::*list;
};
constexpr auto kSubject = std::to_array<SubjectRow>({
    {"2.5.4.3", "CN", &Template::common_name},
    {"2.5.4.10", "O", &Template::organization},
    {"2.5.4.11", "OU", &Template::unit},
    {"2.5.4.7", "L", &Template::locality},
    {"2.5.4.8", "ST", &Template::state},
    {"2.5.4.6", "C", &Template::country},
});

struct NameRow {
  x509::GeneralNameKind kind;
  std::string_view prefix;
  std::string_view component;
  Template::Expressions Template::*list;
};
constexpr auto kNames = std::to_array<NameRow>({
    {x509::GeneralNameKind::dns, "dns:", "DNS name", &Template::dns},
    {x509::GeneralNameKind::email, "email:", "e-mail address", &Template::email},
    {x509::GeneralNameKind::ip, "ip:", "IP address", &Template::ip},
    {x509::GeneralNameKind::uri, "uri:", "URI", &Template::uri},
});

struct CurveRow {
  x509::KeyType type;
  unsigned bits;
  std::string_view word;
};
// Ed25519 is a curve of the type EC here.
constexpr auto kCurves = std::to_array<CurveRow>({
    {x509::KeyType::ec, 256, "P256"},
    {x509::KeyType::ec, 384, "P384"},
    {x509::KeyType::ec, 521, "P521"},
    {x509::KeyType::ed25519, 255, "ED25519"},
});

struct UsageRow {
  std::string_view word;
  std::string_view oid;
};
constexpr auto kUsages = std::to_array<UsageRow>({
    {"SERVER", "1.3.6.1.5.5.7.3.1"},
    {"CLIENT", "1.3.6.1.5.5.7.3.2"},
});

// As many as a person reads in a message; `provider show --policy` shows all.
std::string allowed(const Template::Expressions& list) {
  constexpr std::size_t kMost = 20;
  constexpr std::size_t kLongest = 200;
  if (!list || list->empty()) return "none is allowed";
  std::string text = "allowed: ";
  for (std::size_t i = 0; i < std::min(list->size(), kMost); ++i) {
    const std::string& word = (*list)[i];
    text += (i == 0 ? "" : ", ") + printable(word.substr(0, kLongest)) + (word.size() > kLongest ? "…" : "");
  }
  if (list->size() > kMost) text += fmt::format(" and {} more", list->size() - kMost);
  return text;
}

class Violations : public providers::Objections {
 public:
  using Objections::Objections;
  // One value of one component. A value that nobody here can judge is left to the service.
  void value(std::string_view component, std::string_view value, const Template::Expressions& list) {
    if (list && passes(*list, value) != Passes::no) return;
    add(value.empty() ? fmt::format("{} is missing; {}", component, allowed(list))
                      : fmt::format("{} \"{}\": {}", component, printable(value), allowed(list)));
  }
};

void check_subject(const Template& rules, const x509::Name& subject, Violations& found) {
  for (const SubjectRow& row : kSubject) {
    const Template::Expressions& list = rules.*row.list;
    bool present = false;
    for (const x509::NameAttribute& attribute : providers::attributes_of(subject)) {
      if (attribute.type.dotted() != row.oid) continue;
      present = true;
      // Country codes are literals by the field's name, and expressions in the vendor's own client.
      const bool literal = list && std::find(list->begin(), list->end(), attribute.value) != list->end();
      if (!literal) found.value(fmt::format("subject {}", row.component), attribute.value, list);
    }
    // An absent attribute is judged as the empty text. Where the template states no rule at all, there is none to
    // break.
    if (!present && list && !list->empty()) found.value(fmt::format("subject {}", row.component), "", list);
  }
}

void check_names(const Template& rules, const x509::Content& content, Violations& found) {
  for (const x509::GeneralName& name : content.subject_alternative_names) {
    const auto* row =
        std::find_if(kNames.begin(), kNames.end(), [&](const NameRow& entry) { return entry.kind == name.kind; });
    if (row == kNames.end()) {
      found.add(
          fmt::format("the name \"{}\" is of a kind for which a template has no rule; only DNS names, e-mail "
                      "addresses, IP addresses and URIs can be allowed",
                      name.text));
    } else {
      found.value(row->component, std::string_view(name.text).substr(row->prefix.size()), rules.*row->list);
    }
  }
}

std::string key_types_text(const Template& rules) {
  std::vector<std::string> words;
  for (const KeyTypeRule& rule : rules.key_types) {
    if (rule.lengths.empty() && rule.curves.empty()) words.push_back(rule.type);
    for (const std::int64_t length : rule.lengths) words.push_back(fmt::format("{} {}", rule.type, length));
    for (const std::string& curve : rule.curves) words.push_back(fmt::format("{} {}", rule.type, curve));
  }
  return joined(words, ", ", printable);
}

bool allows(const KeyTypeRule& rule, const x509::KeySpec& spec) {
  if (spec.type == x509::KeyType::rsa) {
    return rule.type == "RSA" && (rule.lengths.empty() ||
                                  std::find(rule.lengths.begin(), rule.lengths.end(), spec.bits) != rule.lengths.end());
  }
  if (rule.type != "EC") return false;
  const auto* row = std::find_if(kCurves.begin(), kCurves.end(), [&](const CurveRow& entry) {
    return entry.type == spec.type && entry.bits == spec.bits;
  });
  return row != kCurves.end() &&
         (rule.curves.empty() || std::find(rule.curves.begin(), rule.curves.end(), row->word) != rule.curves.end());
}

void check_key(const Template& rules, const PolicyQuestion& question, Violations& found) {
  const x509::KeySpec spec = x509::key_spec_of(question.csr.spki);
  const bool good = rules.key_types.empty() || std::any_of(rules.key_types.begin(), rules.key_types.end(),
                                                           [&](const KeyTypeRule& rule) { return allows(rule, spec); });
  if (!good) found.add(fmt::format("key {}: allowed: {}", x509::to_string(spec), key_types_text(rules)));
  if (question.predecessor_spki && *question.predecessor_spki == question.csr.spki && rules.key_reuse == false) {
    found.add("the key is that of the certificate it replaces: the template requires a new key at each renewal");
  }
}

void check_validity(const Template& rules, const PolicyQuestion& question, Violations& found) {
  if (question.validity <= Duration::zero()) return;
  // One authority takes hours for nothing said, without a word.
  if (rules.authority == "ZTPKI" && question.validity % kDay != Duration::zero()) {
    found.add(fmt::format("validity {}: {} counts whole days only", duration_text(question.validity), rules.authority));
  }
  const auto longest = longest_of_iso(rules.validity);
  // Whether the service would shorten it or refuse it is documented nowhere.
  if (longest && question.validity > *longest) {
    found.unless_accepted(
        kShorter, fmt::format("validity {}: at most {}", duration_text(question.validity), duration_text(*longest)));
  }
}

// What the template writes, as far as its words are known; nothing where it does not tell.
std::vector<x509::Oid> usages_of(const Template& rules) {
  std::vector<x509::Oid> given;
  for (const UsageRow& row : kUsages) {
    if (std::find(rules.extended_usages.begin(), rules.extended_usages.end(), row.word) !=
        rules.extended_usages.end()) {
      given.emplace_back(std::string(row.oid));
    }
  }
  return given;
}

// Of the one, what the other has not: "serverAuth, clientAuth".
std::string without(const std::vector<x509::Oid>& these, const std::vector<x509::Oid>& those) {
  std::string names;
  for (const x509::Oid& usage : these) {
    if (std::find(those.begin(), those.end(), usage) == those.end()) {
      names += (names.empty() ? "" : ", ") + usage.name();
    }
  }
  return names;
}

// The service reads them from the CSR alone. One that somebody else made may ask for fewer than the profile.
void check_usages(const Template& rules, const x509::Content& asked, const x509::Content& csr, Violations& found) {
  if (asked.key_usage && !csr.key_usage) {
    found.unless_accepted(
        "key-usage-missing",
        fmt::format("the CSR does not ask for the key usage {}, and the service is not known to add it",
                    x509::to_string(*asked.key_usage)));
  }
  if (rules.extended_usages.empty()) {
    const std::string missing = without(asked.extended_key_usage, csr.extended_key_usage);
    if (!missing.empty()) {
      found.unless_accepted(
          csr.extended_key_usage.empty() ? "extended-key-usage-missing" : kUsageChanged,
          fmt::format("the CSR does not ask for the extended key usage {}, and the template adds none", missing));
    }
    return;
  }
  const std::string lost = without(asked.extended_key_usage, usages_of(rules));
  if (!lost.empty()) {
    found.unless_accepted(kUsageChanged, fmt::format("extended key usage {} would be lost: the template writes {} "
                                                     "into every certificate",
                                                     lost, joined(rules.extended_usages, ", ", printable)));
  }
}

}  // namespace

// RE2: linear in the value whatever the expression, no recursion, and a bound on memory. std::regex is neither, and a
// template's author is not somebody who may stop this process.
Passes passes(const std::vector<std::string>& expressions, std::string_view value) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(std::int64_t{1} << 20U);
  bool unreadable = false;
  for (const std::string& expression : expressions) {
    const RE2 compiled(expression, options);
    if (!compiled.ok()) {
      unreadable = true;
      continue;
    }
    // FullMatch anchors the whole expression, `^(?:…)$`: adding the signs to `a|b` would anchor half of each side.
    if (RE2::FullMatch(re2::StringPiece(value.data(), value.size()), compiled)) return Passes::yes;
  }
  return unreadable ? Passes::cannot_tell : Passes::no;
}

std::vector<std::string> obstacles(const Template& rules) {
  std::vector<std::string> found;
  if (!rules.status.empty() && rules.status != "AVAILABLE") {
    found.push_back(fmt::format("the issuing template {} is {}{}", printable(rules.name), printable(rules.status),
                                rules.reason.empty() ? "" : ": " + printable(rules.reason)));
  }
  if (rules.csr_upload_allowed == false) {
    found.push_back(fmt::format(
        "the issuing template {} does not accept CSRs made elsewhere (csrUploadAllowed is false), and a key "
        "in a token has no other: its owner must allow them",
        printable(rules.name)));
  }
  return found;
}

std::vector<std::string> violations(const Template& rules, const PolicyQuestion& question) {
  Violations found(question.ask);
  for (std::string& obstacle : obstacles(rules)) found.add(std::move(obstacle));
  check_subject(rules, question.csr.content.subject, found);
  check_names(rules, question.csr.content, found);
  check_key(rules, question, found);
  check_validity(rules, question, found);
  check_usages(rules, question.ask.content, question.csr.content, found);
  return found.take();
}

std::vector<std::string> notes(const Template& rules, const x509::Content& asked) {
  const std::string added = without(usages_of(rules), asked.extended_key_usage);
  if (added.empty()) return {};
  return {fmt::format("the issuing template {} issues {} too", printable(rules.name), added)};
}

workflow::Facts policy_facts(const Template& rules) {
  const auto list = [](const Template::Expressions& words) {
    return !words           ? std::string("not stated")
           : words->empty() ? std::string("none allowed")
                            : joined(*words, ", ", printable);
  };
  const auto yes = [](const std::optional<bool>& stated, const char* when, const char* when_not) {
    return std::string(!stated ? "not stated" : *stated ? when : when_not);
  };
  workflow::Facts facts;
  facts.emplace_back("Issuing template", rules.name);
  facts.emplace_back(
      "Status", rules.status.empty() ? "not stated" : rules.status + (rules.reason.empty() ? "" : ": " + rules.reason));
  facts.emplace_back("Authority", rules.authority + (rules.product.empty() ? "" : ", " + rules.product));
  facts.emplace_back("Longest validity", rules.validity.empty() ? "not stated" : rules.validity);
  facts.emplace_back("CSRs from outside",
                     yes(rules.csr_upload_allowed, "allowed", "NOT allowed: no key in a token can be used here"));
  facts.emplace_back("Key at renewal", yes(rules.key_reuse, "may stay", "must be new"));
  facts.emplace_back("Keys", rules.key_types.empty() ? "not stated" : key_types_text(rules));
  for (const SubjectRow& row : kSubject) {
    facts.emplace_back(fmt::format("Subject {}", row.component), list(rules.*row.list));
  }
  for (const NameRow& row : kNames) facts.emplace_back(std::string(row.component), list(rules.*row.list));
  if (!rules.extended_usages.empty())
    facts.emplace_back("Extended key usage", joined(rules.extended_usages, ", ", printable));
  return facts;
}

}  // namespace hsmbridge::venafi
