#include "x509/check.h"

#include "base/error.h"
#include "x509/chain.h"
#include "x509/der.h"
#include "x509/extensions.h"
#include "x509/policies.h"
#include "x509/spki.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <set>

namespace hsmbridge::x509 {
namespace {

constexpr bool kNever = false;
constexpr bool kMayBe = true;

// name, severity when the profile says nothing, whether `accept` may lower it, what it means
// The first six and the serial are DESIGN's fixed list; "-missing": asked and absent; "-changed": asked and different;
// "-added": not asked and there.
constexpr std::array kKinds{
    FindingKind{"key-differs", Severity::fatal, kNever, "The certificate is for another public key."},
    FindingKind{"signature-bad", Severity::fatal, kNever, "The issuer's key did not make this signature."},
    FindingKind{"chain-unanchored", Severity::fatal, kNever, "No valid chain leads to a configured trust anchor."},
    FindingKind{"san-missing", Severity::fatal, kNever, "Some of the requested alternative names are missing."},
    FindingKind{"san-unrequested", Severity::fatal, kNever, "It names something that nobody asked for."},
    FindingKind{"ca-unrequested", Severity::fatal, kNever, "It may issue certificates and nobody asked for that."},
    FindingKind{"serial-not-positive", Severity::fatal, kMayBe, "The serial number is zero or negative."},
    FindingKind{"san-dropped", Severity::fatal, kMayBe,
                "It carries no alternative names at all, though some were asked for."},
    FindingKind{"subject-changed", Severity::fatal, kMayBe, "The subject is another one than asked."},
    FindingKind{"subject-encoding-changed", Severity::reported, kMayBe,
                "The subject reads the same but is encoded in other string types."},
    FindingKind{"key-usage-missing", Severity::fatal, kMayBe, "It has no key usage, though one was asked for."},
    FindingKind{"key-usage-changed", Severity::fatal, kMayBe, "The key usage is another one than asked."},
    FindingKind{"key-usage-added", Severity::reported, kMayBe, "It has a key usage that was not asked for."},
    FindingKind{"extended-key-usage-missing", Severity::fatal, kMayBe,
                "It has no extended key usage, though one was asked for."},
    FindingKind{"extended-key-usage-changed", Severity::fatal, kMayBe,
                "The extended key usage is another one than asked."},
    FindingKind{"extended-key-usage-added", Severity::reported, kMayBe,
                "It has an extended key usage that was not asked for."},
    FindingKind{"basic-constraints-missing", Severity::fatal, kMayBe,
                "It has no basic constraints, though they were asked for."},
    FindingKind{"basic-constraints-changed", Severity::fatal, kMayBe, "The basic constraints are others than asked."},
    FindingKind{"name-constraints-missing", Severity::fatal, kMayBe,
                "It has no name constraints, though they were asked for."},
    FindingKind{"name-constraints-changed", Severity::fatal, kMayBe, "The name constraints are others than asked."},
    FindingKind{"name-constraints-added", Severity::reported, kMayBe,
                "It has name constraints that were not asked for."},
    FindingKind{"policies-missing", Severity::fatal, kMayBe,
                "It has no certificate policies, though they were asked for."},
    FindingKind{"policies-changed", Severity::fatal, kMayBe, "The certificate policies are others than asked."},
    FindingKind{"policies-added", Severity::reported, kMayBe, "It has certificate policies that were not asked for."},
    FindingKind{"tls-features-missing", Severity::fatal, kMayBe, "It has no TLS features, though they were asked for."},
    FindingKind{"tls-features-changed", Severity::fatal, kMayBe, "The TLS features are others than asked."},
    FindingKind{"tls-features-added", Severity::reported, kMayBe, "It has TLS features that were not asked for."},
    FindingKind{"extension-missing", Severity::fatal, kMayBe, "An extension that was asked for is missing."},
    FindingKind{"extension-changed", Severity::fatal, kMayBe, "An extension has another value than asked."},
    FindingKind{"extension-added", Severity::reported, kMayBe, "It has an extension that was not asked for."},
    FindingKind{"critical-extension-added", Severity::fatal, kMayBe,
                "It has a critical extension that was not asked for: programs that do not know it refuse the "
                "certificate."},
    FindingKind{"criticality-changed", Severity::reported, kMayBe,
                "An extension is marked critical otherwise than asked."},
    FindingKind{"validity-changed", Severity::fatal, kMayBe, "The dates are not the ones that were fixed."},
    FindingKind{"validity-longer", Severity::fatal, kMayBe, "It is valid much longer than asked."},
    FindingKind{"validity-shorter", Severity::fatal, kMayBe, "It is valid much shorter than asked."},
    FindingKind{"not-valid-yet", Severity::fatal, kMayBe,
                "It is not valid yet: its first day is to come, or the clock of this machine is slow."},
    FindingKind{"expired", Severity::fatal, kMayBe, "It is not valid any more."},
};

// Names that configurations of earlier versions may still accept, and what they accept now.
struct OldName {
  FindingKind kind;
  std::array<std::string_view, 2> now;
};
constexpr std::array kOldNames{
    OldName{{"not-valid-now", Severity::fatal, kMayBe, "It is not valid yet, or not any more."},
            {"not-valid-yet", "expired"}},
};

using Findings = std::vector<Finding>;

class Judge {
 public:
  explicit Judge(const std::vector<std::string>& accept) {
    for (const std::string& name : accept) {
      if (!finding_kind(name).acceptable) {
        throw Error{ErrorKind::invalid_input, "\"" + name + "\" can never be accepted"}.hint(
            "take it out of the profile's accept list");
      }
      accepted_.insert(name);
      for (const OldName& old : kOldNames) {
        if (old.kind.name == name) accepted_.insert(old.now.begin(), old.now.end());
      }
    }
  }

  void note(std::string_view name, std::string explanation) {
    const FindingKind& kind = finding_kind(name);
    const bool accepted = accepted_.count(std::string(name)) != 0;
    findings_.push_back({std::string(name), accepted ? Severity::reported : kind.severity, std::move(explanation)});
  }

  Findings take() {
    std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
      return a.severity == Severity::fatal && b.severity != Severity::fatal;
    });
    return std::move(findings_);
  }

 private:
  std::set<std::string> accepted_;
  Findings findings_;
};

std::string asked_found(const std::string& asked, const std::string& found) {
  return "asked " + asked + ", found " + found;
}

void to_lower(Bytes& octets, std::size_t from, std::size_t end) {
  for (std::size_t at = from; at < std::min(end, octets.size()); ++at) {
    if (octets[at] >= 'A' && octets[at] <= 'Z') octets[at] = static_cast<std::uint8_t>(octets[at] - 'A' + 'a');
  }
}

// Scheme and host (RFC 5280 §7.4); user, port, path and query are compared as they are.
void lower_uri(Bytes& uri) {
  const std::string_view text = as_text(uri);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return;
  std::size_t host = colon;
  std::size_t end = colon;
  if (text.substr(colon, 3) == "://") {
    end = std::min(text.find_first_of("/?#", colon + 3), text.size());
    const std::size_t at = text.substr(0, end).rfind('@');
    host = at != std::string_view::npos && at > colon ? at + 1 : colon + 3;
  }
  to_lower(uri, 0, colon);
  to_lower(uri, host, end);
}

// RFC 5280 §7.1: the same whichever string types it is written in.
std::string key_of_directory(const Name& name) {
  std::string key = "directory";
  for (const RelativeName& relative_name : name.relative_names()) {
    std::set<std::string> attributes;
    for (const NameAttribute& attribute : relative_name) {
      attributes.insert(attribute.type.dotted() + (attribute.string_type == StringType::other ? "#" : "=") +
                        hex(as_bytes(attribute.value)));
    }
    key += "/";
    for (const std::string& attribute : attributes) key += attribute + "+";
  }
  return key;
}

// Names are equal as RFC 5280 §7 has it: DNS names and the hosts of mail addresses and URIs whatever their letter case,
// directory names whatever their string types; everything else as bytes. Never as text for people, in which two names
// may look alike.
std::string key_of(const GeneralName& name) {
  try {
    const der::Element element = der::only(name.der, "GeneralName");
    Bytes content(element.content.begin(), element.content.end());
    switch (name.kind) {
      case GeneralNameKind::dns:
        to_lower(content, 0, content.size());
        break;
      case GeneralNameKind::email:
        // §7.5. A name constraint may be a host alone.
        to_lower(content, as_text(content).rfind('@') + 1, content.size());
        break;
      case GeneralNameKind::uri:
        lower_uri(content);
        break;
      case GeneralNameKind::directory:
        return key_of_directory(Name::from_der(content));
      default:
        return hex(name.der);
    }
    return hex(Bytes{element.tag}) + ":" + hex(content);
  } catch (const Error&) {
    return hex(name.der);
  }
}

// A subtree of directory names stays as asked byte by byte: programs that compare it with a subject as bytes would let
// others through.
std::string key_of_base(const GeneralName& base) {
  return base.kind == GeneralNameKind::directory ? hex(base.der) : key_of(base);
}

void check_names(Judge& judge, const Content& asked, const Content& found) {
  const auto lacks = [](const std::vector<GeneralName>& list, const GeneralName& name) {
    return std::none_of(list.begin(), list.end(), [&](const GeneralName& one) { return key_of(one) == key_of(name); });
  };
  std::string missing;
  for (const GeneralName& name : asked.subject_alternative_names) {
    if (lacks(found.subject_alternative_names, name)) missing += (missing.empty() ? "" : ", ") + name.text;
  }
  if (!missing.empty()) {
    judge.note(found.subject_alternative_names.empty() ? "san-dropped" : "san-missing",
               "asked " + missing + ", which the certificate does not name");
  }
  for (const GeneralName& name : found.subject_alternative_names) {
    if (lacks(asked.subject_alternative_names, name)) judge.note("san-unrequested", "not asked, found " + name.text);
  }
}

// One field that is there or not, on both sides.
template <class Value, class Text>
void check_field(Judge& judge, const std::string& field, const std::optional<Value>& asked,
                 const std::optional<Value>& found, Text text) {
  if (asked && !found) {
    judge.note(field + "-missing", asked_found(text(*asked), "nothing"));
  } else if (asked && !(*asked == *found)) {
    const bool alike = text(*asked) == text(*found);
    judge.note(field + "-changed", asked_found(text(*asked), text(*found)) + (alike ? ", which differs as bytes" : ""));
  } else if (!asked && found) {
    judge.note(field + "-added", "not asked, found " + text(*found));
  }
}

// Lists whose order has no meaning; an absent list is nothing.
template <class Item, class Text>
std::optional<std::set<std::string>> as_set(const std::vector<Item>& list, Text text) {
  if (list.empty()) return std::nullopt;
  std::set<std::string> set;
  for (const Item& item : list) set.insert(text(item));
  return set;
}

std::string joined(const std::set<std::string>& texts) {
  std::string text;
  for (const std::string& one : texts) text += (text.empty() ? "" : ", ") + one;
  return text;
}

// What is compared, with what a person reads of it, which is not.
struct Shown {
  std::map<std::string, std::string> items;

  std::string& operator[](const std::string& key) { return items[key]; }
  bool operator==(const Shown& other) const {
    return std::equal(items.begin(), items.end(), other.items.begin(), other.items.end(),
                      [](const auto& a, const auto& b) { return a.first == b.first; });
  }
};

std::string shown_text(const Shown& shown) {
  std::string text;
  for (const auto& [key, one] : shown.items) text += (text.empty() ? "" : ", ") + one;
  return text;
}

std::optional<Shown> shown(const std::optional<NameConstraints>& constraints) {
  if (!constraints) return std::nullopt;
  Shown items;
  for (const GeneralName& base : constraints->permitted)
    items["permitted " + key_of_base(base)] = "permitted " + base.text;
  for (const GeneralName& base : constraints->excluded)
    items["excluded " + key_of_base(base)] = "excluded " + base.text;
  return items;
}

std::optional<Shown> shown(const std::vector<Policy>& policies) {
  if (policies.empty()) return std::nullopt;
  Shown items;
  for (const Policy& policy : policies) items[hex(encode_policy(policy))] = to_string(policy);
  return items;
}

const Extension* find_extension(const Content& content, const Oid& oid) {
  for (const Extension& one : content.other_extensions) {
    if (one.oid == oid) return &one;
  }
  return nullptr;
}

// The CA bits of Netscape's certificate type, which predates basic constraints and is still obeyed by some programs:
// 5 SSL CA, 6 S/MIME CA, 7 object signing CA.
unsigned netscape_ca_bits(const Content& content) {
  const Extension* type = find_extension(content, Oid("2.16.840.1.113730.1.1"));
  if (type == nullptr) return 0;
  try {
    const der::Element element = der::only(type->value, "Netscape certificate type");
    return element.content.size() < 2 ? 0 : element.content[1] & 7U;
  } catch (const Error&) {
    return 7;  // another program may read what this one cannot
  }
}

void check_usages(Judge& judge, const Content& asked, const Content& found) {
  check_field(judge, "key-usage", asked.key_usage, found.key_usage, [](KeyUsages usages) { return to_string(usages); });
  const auto purpose = [](const Oid& oid) { return oid.name(); };
  check_field(judge, "extended-key-usage", as_set(asked.extended_key_usage, purpose),
              as_set(found.extended_key_usage, purpose), joined);
}

void check_constraints(Judge& judge, const Content& asked, const Content& found) {
  const bool asked_ca = asked.basic_constraints && asked.basic_constraints->ca;
  const bool found_ca = found.basic_constraints && found.basic_constraints->ca;
  const bool asked_sign = asked_ca || (asked.key_usage && asked.key_usage->has(KeyUsage::key_cert_sign));
  if (found_ca && !asked_ca) judge.note("ca-unrequested", "not asked, found " + to_string(*found.basic_constraints));
  if (found.key_usage && found.key_usage->has(KeyUsage::key_cert_sign) && !asked_sign) {
    judge.note("ca-unrequested", "not asked, found the key usage keyCertSign");
  }
  if ((netscape_ca_bits(found) & ~netscape_ca_bits(asked)) != 0 && !asked_sign) {
    judge.note("ca-unrequested", "not asked, found a Netscape certificate type of a CA");
  }
  if (asked.basic_constraints && !found.basic_constraints) {
    // CA:FALSE is what no basic constraints mean.
    if (asked_ca) judge.note("basic-constraints-missing", asked_found(to_string(*asked.basic_constraints), "nothing"));
  } else if (asked.basic_constraints && (asked_ca || !found_ca) &&
             !(*asked.basic_constraints == *found.basic_constraints)) {
    judge.note("basic-constraints-changed",
               asked_found(to_string(*asked.basic_constraints), to_string(*found.basic_constraints)));
  }
  check_field(judge, "name-constraints", shown(asked.name_constraints), shown(found.name_constraints), shown_text);
}

void check_others(Judge& judge, const Content& asked, const Content& found) {
  check_field(judge, "policies", shown(asked.policies), shown(found.policies), shown_text);
  const auto feature = [](std::uint64_t one) { return std::to_string(one); };
  check_field(judge, "tls-features", as_set(asked.tls_features, feature), as_set(found.tls_features, feature), joined);
  for (const Extension& one : asked.other_extensions) {
    const Extension* other = find_extension(found, one.oid);
    if (other == nullptr) {
      judge.note("extension-missing", "asked " + one.oid.name() + ", found nothing");
    } else if (one.value != other->value) {
      judge.note("extension-changed", one.oid.name() + ": " + asked_found(hex(one.value), hex(other->value)));
    } else if (one.critical != other->critical) {
      judge.note("criticality-changed",
                 one.oid.name() + (other->critical ? " became critical" : " is not critical any more"));
    }
  }
  for (const Extension& one : found.other_extensions) {
    if (find_extension(asked, one.oid) != nullptr) continue;
    if (one.critical) {
      judge.note("critical-extension-added", "not asked, found " + one.oid.name());
    } else if (!only_issuer_gives(one.oid)) {
      judge.note("extension-added", "not asked, found " + one.oid.name());
    }
  }
}

void check_criticality(Judge& judge, const Content& asked, const Content& found) {
  const auto compare = [&judge](const char* field, bool both, bool a, bool b) {
    if (both && a != b)
      judge.note("criticality-changed", std::string(field) + (b ? " became critical" : " is not critical any more"));
  };
  // Usages and basic constraints are critical as a rule, and every program knows them.
  const auto added = [&judge](const char* field, bool there, bool critical) {
    if (there && critical) {
      judge.note("critical-extension-added", std::string("not asked, found critical ") + field);
    }
  };
  added("name constraints", !asked.name_constraints && found.name_constraints, found.critical.name_constraints);
  added("certificate policies", asked.policies.empty() && !found.policies.empty(), found.critical.policies);
  added("TLS features", asked.tls_features.empty() && !found.tls_features.empty(), found.critical.tls_features);
  // RFC 5280 §4.2.1.6: beside an empty subject they are critical, whatever was asked.
  compare("subject alternative names",
          !asked.subject_alternative_names.empty() && !found.subject_alternative_names.empty(),
          asked.critical.subject_alternative_names || found.subject.empty(), found.critical.subject_alternative_names);
  compare("key usage", asked.key_usage && found.key_usage, asked.critical.key_usage, found.critical.key_usage);
  compare("extended key usage", !asked.extended_key_usage.empty() && !found.extended_key_usage.empty(),
          asked.critical.extended_key_usage, found.critical.extended_key_usage);
  compare("basic constraints", asked.basic_constraints && found.basic_constraints, asked.critical.basic_constraints,
          found.critical.basic_constraints);
  compare("name constraints", asked.name_constraints && found.name_constraints, asked.critical.name_constraints,
          found.critical.name_constraints);
  compare("certificate policies", !asked.policies.empty() && !found.policies.empty(), asked.critical.policies,
          found.critical.policies);
  compare("TLS features", !asked.tls_features.empty() && !found.tls_features.empty(), asked.critical.tls_features,
          found.critical.tls_features);
}

void check_dates(Judge& judge, const Validity& found, const Expectation& expected, Instant at) {
  const auto text = [](const Validity& validity) {
    return rfc3339(validity.not_before) + " to " + rfc3339(validity.not_after);
  };
  if (expected.validity) {
    const auto seconds = [](Instant instant) { return std::chrono::floor<std::chrono::seconds>(instant); };
    if (seconds(expected.validity->not_before) != seconds(found.not_before) ||
        seconds(expected.validity->not_after) != seconds(found.not_after)) {
      judge.note("validity-changed", asked_found(text(*expected.validity), text(found)));
    }
  }
  if (expected.lifetime) {
    // CAs round to days and date back for clock skew: a tenth, and never less than a day, is no difference; but a short
    // life asked in hours keeps at least a tenth.
    const Duration asked = *expected.lifetime;
    const Duration lifetime = found.not_after - found.not_before;
    const Duration slack = std::max<Duration>(asked / 10, std::min<Duration>(std::chrono::hours(24), asked / 2));
    if (lifetime > asked + slack) judge.note("validity-longer", asked_found(spoken(asked), spoken(lifetime)));
    if (lifetime < asked - slack) judge.note("validity-shorter", asked_found(spoken(asked), spoken(lifetime)));
  }
  constexpr auto kSkew = std::chrono::minutes(5);
  const std::string dates = "it is valid from " + text(found) + ", and now it is " + rfc3339(at);
  if (at + kSkew < found.not_before) judge.note("not-valid-yet", dates);
  if (at > found.not_after) judge.note("expired", dates);
}

// An issuer by name that is at hand, but whose key did not make the signature. That is another thing than no issuer.
bool signed_by_somebody_else(const Certificate& certificate, const Expectation& expected) {
  bool candidate = false;
  for (const std::vector<Certificate>* list : {&expected.anchors, &expected.intermediates}) {
    for (const Certificate& issuer : *list) {
      if (!(issuer.subject() == certificate.issuer())) continue;
      if (signature_verifies(certificate, issuer.spki())) return false;
      candidate = true;
    }
  }
  return candidate;
}

// Everything that stands in the bytes that are signed.
void check_tbs(Judge& judge, const TbsCertificate& certificate, const Expectation& expected, Instant at) {
  const Content& asked = expected.content;
  const Content& found = certificate.content;
  if (certificate.spki != expected.spki) {
    judge.note("key-differs",
               asked_found("the key " + spki_hash(expected.spki).str(), spki_hash(certificate.spki).str()));
  }
  check_names(judge, asked, found);
  check_constraints(judge, asked, found);
  if (serial_sign(certificate.serial) != SerialSign::positive) {
    judge.note("serial-not-positive", "the serial number is " + serial_text(certificate.serial));
  }
  if (!(asked.subject == found.subject)) {
    const std::string text = "\"" + found.subject.to_string() + "\"";
    if (asked.subject.same_text(found.subject)) {
      judge.note("subject-encoding-changed", text + " is written in other ASN.1 string types than asked");
    } else {
      judge.note("subject-changed", asked_found("\"" + asked.subject.to_string() + "\"", text));
    }
  }
  check_usages(judge, asked, found);
  check_others(judge, asked, found);
  check_criticality(judge, asked, found);
  check_dates(judge, certificate.validity, expected, at);
}

}  // namespace

std::span<const FindingKind> finding_kinds() {
  return kKinds;
}

const FindingKind& finding_kind(std::string_view name) {
  std::string names;
  for (const FindingKind& kind : kKinds) {
    if (kind.name == name) return kind;
    if (kind.acceptable) names += (names.empty() ? "" : ", ") + std::string(kind.name);
  }
  for (const OldName& old : kOldNames) {
    if (old.kind.name == name) return old.kind;
  }
  throw Error{ErrorKind::invalid_input, "\"" + printable(name) + "\" is no finding of the certificate check"}.hint(
      "these can be accepted: " + names);
}

bool Answer::fatal() const {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& f) { return f.severity == Severity::fatal; });
}

const Finding* Answer::find(std::string_view name) const {
  for (const Finding& finding : findings) {
    if (finding.name == name) return &finding;
  }
  return nullptr;
}

std::vector<Finding> check_to_be_signed(const TbsCertificate& certificate, const Expectation& expected, Instant at) {
  Judge judge(expected.accept);
  check_tbs(judge, certificate, expected, at);
  return judge.take();
}

Answer check_answer(const Certificate& certificate, const Expectation& expected, Instant at) {
  Judge judge(expected.accept);
  Answer answer;
  // The chain is judged at a time within the certificate's own dates: those are a finding of their own.
  const Validity& dates = certificate.tbs.validity;
  // OpenSSL takes the last second (which RFC 5280 §4.1.2.5 includes) for expired.
  const Instant chain_time =
      std::max(dates.not_before, std::min<Instant>(dates.not_after - std::chrono::seconds(1), at));
  ChainResult chain = build_chain(certificate, expected.intermediates, expected.anchors, chain_time);
  if (chain.anchored) {
    answer.chain = std::move(chain.chain);
  } else {
    if (signed_by_somebody_else(certificate, expected)) {
      judge.note("signature-bad", "the key of \"" + certificate.issuer().to_string() + "\" did not make the signature");
    }
    judge.note("chain-unanchored", chain.why);
  }
  check_tbs(judge, certificate.tbs, expected, at);
  answer.findings = judge.take();
  return answer;
}

}  // namespace hsmbridge::x509
