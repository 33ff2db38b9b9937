#include "base/error.h"
#include "base/text.h"
#include "ca/lint_rules.h"
#include "x509/asn1/der.h"
#include "x509/asn1/unicode.h"
#include "x509/content/extensions.h"
#include "x509/names/attribute_types.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <array>
#include <set>
#include <utility>

// What RFC 5280 and its companions say of every certificate.
namespace hsmbridge::ca {
namespace {

using x509::GeneralName;
using x509::KeyUsage;
using x509::Oid;
namespace der = x509::der;

void version(const LintSubject& on, LintTexts& found) {
  if (on.tbs.version != 3) found.push_back(fmt::format("it is of version {}, and has extensions", on.tbs.version));
}

void serial(const LintSubject& on, LintTexts& found) {
  if (x509::serial_sign(on.tbs.serial) != x509::SerialSign::positive || on.tbs.serial.size() > 20) {
    found.push_back(
        fmt::format("the serial number {} is not positive and at most 20 octets", x509::serial_text(on.tbs.serial)));
  }
}

void algorithm(const LintSubject& on, LintTexts& found) {
  try {
    const auto& row = x509::algorithm_of(on.tbs.signature_algorithm);
    if (x509::algorithm_identifier(row) != on.tbs.signature_algorithm) {
      found.push_back(fmt::format("the AlgorithmIdentifier of {} is not the one that the standard states", row.name));
    }
  } catch (const Error& error) {
    found.push_back(error.message());
  }
}

void issuer(const LintSubject& on, LintTexts& found) {
  if (on.tbs.issuer.empty()) found.emplace_back("the issuer's name is empty");
}

// The bytes themselves: what they mean is the same in either type.
void times(const LintSubject& on, LintTexts& found) {
  der::Reader outer(on.tbs.der);
  der::Reader fields = outer.enter(der::kSequence, "TBSCertificate");
  fields.optional(der::context_constructed(0), "version");
  for (const char* const what : {"serialNumber", "signature", "issuer"}) fields.any(what);
  der::Reader validity = fields.enter(der::kSequence, "validity");
  const Instant first_generalized = parse_rfc3339("2050-01-01T00:00:00Z");
  for (const auto& [what, when] :
       {std::pair("notBefore", on.tbs.validity.not_before), std::pair("notAfter", on.tbs.validity.not_after)}) {
    const std::uint8_t tag = when < first_generalized ? der::kUtcTime : der::kGeneralizedTime;
    if (validity.any(what).tag != tag) {
      found.push_back(fmt::format("{} ({}) is not written as {}", what, rfc3339(when),
                                  tag == der::kUtcTime ? "UTCTime" : "GeneralizedTime"));
    }
  }
}

void validity(const LintSubject& on, LintTexts& found) {
  if (on.tbs.validity.not_after < on.tbs.validity.not_before) found.emplace_back("it ends before it begins");
}

void unique_identifiers(const LintSubject& on, LintTexts& found) {
  if (on.tbs.has_unique_identifiers) found.emplace_back("it has unique identifiers");
}

void authority_key_identifier(const LintSubject& on, LintTexts& found) {
  if (!on.tbs.authority_key_identifier) found.emplace_back("it has no authority key identifier");
  if (on.critical(x509::oids::kAuthorityKeyIdentifier)) found.emplace_back("the authority key identifier is critical");
}

void subject_key_identifier(const LintSubject& on, LintTexts& found) {
  if (on.is_ca() && !on.content.subject_key_identifier) found.emplace_back("a CA without a subject key identifier");
  if (on.critical(x509::oids::kSubjectKeyIdentifier)) found.emplace_back("the subject key identifier is critical");
}

void key_usage(const LintSubject& on, LintTexts& found) {
  if (on.is_ca() && !on.has_usage(KeyUsage::key_cert_sign))
    found.emplace_back("a CA without the key usage keyCertSign");
  if (!on.is_ca() && on.has_usage(KeyUsage::key_cert_sign)) found.emplace_back("keyCertSign, and it is not a CA");
  if (on.content.key_usage && on.content.key_usage->bits == 0) found.emplace_back("a key usage without any usage");
}

// RFC 8813 §3 of EC keys, RFC 9295 §3 of Ed25519: they encipher nothing, and an Ed25519 key agrees on nothing. A warning,
// since a profile may name the usages of RSA keys too.
void key_usage_of_kind(const LintSubject& on, LintTexts& found) {
  if (!on.content.key_usage || x509::rsa_numbers(on.tbs.spki)) return;
  x509::KeyType type{};
  try {
    type = x509::key_spec_of(on.tbs.spki).type;
  } catch (const Error&) {
    return;  // the rule about keys says it
  }
  for (const KeyUsage usage : {KeyUsage::key_encipherment, KeyUsage::data_encipherment, KeyUsage::key_agreement}) {
    const bool is_fine = usage == KeyUsage::key_agreement && type != x509::KeyType::ed25519;
    if (on.has_usage(usage) && !is_fine)
      found.push_back(fmt::format("the key usage {}, which a key of that kind has not", to_string(usage)));
  }
}

void key_usage_critical(const LintSubject& on, LintTexts& found) {
  if (on.content.key_usage && !on.critical(x509::oids::kKeyUsage)) found.emplace_back("the key usage is not critical");
}

void basic_constraints(const LintSubject& on, LintTexts& found) {
  const auto& constraints = on.content.basic_constraints;
  if (on.is_ca() && !on.critical(x509::oids::kBasicConstraints)) {
    found.emplace_back("the basic constraints of a CA are not critical");
  }
  if (constraints && constraints->path_length && !constraints->ca)
    found.emplace_back("a path length, and it is not a CA");
}

void name_constraints(const LintSubject& on, LintTexts& found) {
  const auto& constraints = on.content.name_constraints;
  if (!constraints) return;
  if (!on.is_ca()) found.emplace_back("name constraints, and it is not a CA");
  if (constraints->permitted.empty() && constraints->excluded.empty())
    found.emplace_back("name constraints without any");
  if (!on.critical(x509::oids::kNameConstraints)) found.emplace_back("the name constraints are not critical");
}

void subject_name(const LintSubject& on, LintTexts& found) {
  if (on.is_ca() && on.content.subject.empty()) found.emplace_back("the subject of a CA is empty");
  if (on.content.subject.empty() && on.content.subject_alternative_names.empty()) {
    found.emplace_back("it names nobody: neither a subject nor an alternative name");
  }
  try {
    on.content.subject.check();
  } catch (const Error& error) {
    found.push_back(error.message());
  }
  for (const x509::RelativeName& relative : on.content.subject.relative_names()) {
    for (const x509::NameAttribute& attribute : relative) {
      const auto at = attribute.value.find('@');
      const bool is_mailbox = at != std::string::npos && at > 0 && at + 1 < attribute.value.size();
      if (attribute.type == x509::oids::kEmailAddress && !is_mailbox)
        found.push_back(fmt::format("emailAddress in the subject is no mail address: \"{}\"", attribute.value));
    }
  }
}

void alternative_names(const LintSubject& on, LintTexts& found) {
  if (on.extension(x509::oids::kSubjectAltName) == nullptr) return;
  if (on.content.subject_alternative_names.empty()) found.emplace_back("alternative names without any");
  if (on.content.subject.empty() && !on.critical(x509::oids::kSubjectAltName)) {
    found.emplace_back("the subject is empty and the alternative names are not critical");
  }
  for (const GeneralName& name : on.content.subject_alternative_names) {
    try {
      name.check();
    } catch (const Error& error) {
      found.push_back(error.message());
    }
  }
}

std::string_view string_type_text(x509::StringType type) {
  return type == x509::StringType::ia5 ? "IA5String" : "PrintableString";
}

// RFC 5280 §4.1.2.4 and appendix A.1: what is not defined as one of the two is PrintableString or UTF8String.
void string_types(const LintSubject& on, LintTexts& found) {
  using x509::StringType;
  for (const x509::RelativeName& relative : on.content.subject.relative_names()) {
    for (const x509::NameAttribute& attribute : relative) {
      const auto wanted = x509::attribute_type_rule(attribute.type).string_type;
      const std::string name = x509::attribute_type_text(attribute.type);
      if (wanted && attribute.string_type != *wanted) {
        found.push_back(fmt::format("{} in the subject is no {}", name, string_type_text(*wanted)));
      } else if (!wanted && attribute.string_type != StringType::utf8 &&
                 attribute.string_type != StringType::printable) {
        found.push_back(fmt::format("{} in the subject is neither PrintableString nor UTF8String", name));
      } else if (attribute.string_type == StringType::printable && !x509::is_printable_string(attribute.value)) {
        found.push_back(fmt::format("{} in the subject is a PrintableString with characters that none has", name));
      }
    }
  }
}

// X.690 §11.6: what is in a relative name is sorted by its octets; X.501 §9.3: each attribute is there once.
void subject_encoding(const LintSubject& on, LintTexts& found) {
  der::Reader names = der::inside(on.content.subject.der(), der::kSequence, "subject");
  while (!names.at_end()) {
    der::Reader members = names.enter(der::kSet, "relative name");
    Bytes last;
    while (!members.at_end()) {
      Bytes member = to_bytes(members.any("attribute").whole);
      if (!last.empty() && !(last < member))
        found.emplace_back("a relative name of the subject is not written as DER is");
      last = std::move(member);
    }
  }
}

void policies(const LintSubject& on, LintTexts& found) {
  std::set<Oid> seen;
  for (const x509::Policy& policy : on.content.policies) {
    if (!seen.insert(policy.oid).second)
      found.push_back(fmt::format("the policy {} is there twice", policy.oid.dotted()));
  }
}

void not_critical(const LintSubject& on, LintTexts& found) {
  for (const Oid* const oid : {&x509::oids::kAuthorityInfoAccess, &x509::oids::kCrlDistributionPoints}) {
    if (on.critical(*oid)) found.push_back(fmt::format("the extension {} is critical", oid->name()));
  }
}

// ---- keys -----------------------------------------------------------------------------------------------------------

void key(const LintSubject& on, LintTexts& found) {
  try {
    const x509::KeySpec spec = x509::key_spec_of(on.tbs.spki);
    if (x509::canonical_spki(on.tbs.spki) != on.tbs.spki) {
      found.emplace_back("its key is not encoded as the standard states (RFC 3279 §2.3.1, RFC 5480 §2, RFC 8410 §4)");
    }
    if (spec.type != x509::KeyType::rsa) return;
    if (spec.bits < x509::kLeastRsaBits || spec.bits % 8 != 0) {
      found.push_back(fmt::format("an RSA key of {} bits", spec.bits));
    }
    // An even one has no private half; below 65537 it is weak, and above 2^256 nobody's.
    const auto numbers = x509::rsa_numbers(on.tbs.spki);
    const Bytes exponent = numbers ? numbers->exponent : Bytes{};
    const bool small = exponent.size() < 3 || (exponent.size() == 3 && exponent < Bytes{1, 0, 1});
    if (small || exponent.size() > 32 || (exponent.back() & 1U) == 0) {
      found.push_back(fmt::format("the RSA exponent {} is not odd, above 2^16 and below 2^256", hex(exponent)));
    }
  } catch (const Error& error) {
    found.push_back(error.message());
  }
}

using About = LintRow::About;
constexpr auto kRfc5280Rows = std::to_array<LintRow>({
    {{"rfc5280-version", "RFC 5280 §4.1.2.1", LintSeverity::error}, About::everything, version},
    {{"rfc5280-serial", "RFC 5280 §4.1.2.2", LintSeverity::error}, About::everything, serial},
    {{"rfc5280-algorithm", "RFC 5280 §4.1.1.2, RFC 4055, RFC 5758, RFC 8410", LintSeverity::error},
     About::everything,
     algorithm},
    {{"rfc5280-issuer", "RFC 5280 §4.1.2.4", LintSeverity::error}, About::everything, issuer},
    {{"rfc5280-times", "RFC 5280 §4.1.2.5", LintSeverity::error}, About::everything, times},
    {{"rfc5280-validity", "RFC 5280 §4.1.2.5", LintSeverity::error}, About::everything, validity},
    {{"rfc5280-unique-identifiers", "RFC 5280 §4.1.2.8", LintSeverity::error}, About::everything, unique_identifiers},
    {{"rfc5280-authority-key-identifier", "RFC 5280 §4.2.1.1", LintSeverity::error},
     About::everything,
     authority_key_identifier},
    {{"rfc5280-subject-key-identifier", "RFC 5280 §4.2.1.2", LintSeverity::error},
     About::everything,
     subject_key_identifier},
    {{"rfc5280-key-usage", "RFC 5280 §4.2.1.3", LintSeverity::error}, About::everything, key_usage},
    {{"key-usage-of-kind", "RFC 8813 §3, RFC 9295 §3", LintSeverity::warning}, About::everything, key_usage_of_kind},
    {{"rfc5280-key-usage-critical", "RFC 5280 §4.2.1.3", LintSeverity::error}, About::everything, key_usage_critical},
    {{"rfc5280-basic-constraints", "RFC 5280 §4.2.1.9", LintSeverity::error}, About::everything, basic_constraints},
    {{"rfc5280-name-constraints", "RFC 5280 §4.2.1.10", LintSeverity::error}, About::everything, name_constraints},
    {{"rfc5280-subject", "RFC 5280 §4.1.2.6, appendix A.1", LintSeverity::error}, About::everything, subject_name},
    {{"rfc5280-string-types", "RFC 5280 §4.1.2.4, appendix A.1", LintSeverity::error}, About::everything, string_types},
    {{"rfc5280-relative-names", "RFC 5280 §4.1.2.4, X.690 §11.6", LintSeverity::error},
     About::everything,
     subject_encoding},
    {{"rfc5280-alternative-names", "RFC 5280 §4.2.1.6", LintSeverity::error}, About::everything, alternative_names},
    {{"rfc5280-policies", "RFC 5280 §4.2.1.4", LintSeverity::error}, About::everything, policies},
    {{"rfc5280-not-critical", "RFC 5280 §4.2.1.13, §4.2.2.1", LintSeverity::error}, About::everything, not_critical},
    {{"key", "RFC 3279 §2.3.1, BR 6.1.5, 6.1.6", LintSeverity::error}, About::everything, key},
});

}  // namespace

std::span<const LintRow> rfc5280_rules() {
  return kRfc5280Rows;
}

}  // namespace hsmbridge::ca
