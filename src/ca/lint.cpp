#include "ca/lint.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

namespace hsmbridge::ca {
namespace {

using x509::Content;
using x509::GeneralName;
using x509::GeneralNameKind;
using x509::KeyUsage;
using x509::Oid;
namespace der = x509::der;

const Oid kServerAuth{"1.3.6.1.5.5.7.3.1"};
const Oid kCountry{"2.5.4.6"};
const Oid kOrganization{"2.5.4.10"};
const Oid kOrganizationalUnit{"2.5.4.11"};

// What a rule looks at.
struct Subject {
  const x509::TbsCertificate& tbs;
  Instant now;
  const Content& content = tbs.content;

  bool is_ca() const { return content.basic_constraints && content.basic_constraints->ca; }
  bool has_usage(KeyUsage usage) const { return content.key_usage && content.key_usage->has(usage); }
  const x509::Extension* extension(const Oid& oid) const {
    for (const x509::Extension& one : tbs.extensions) {
      if (one.oid == oid) return &one;
    }
    return nullptr;
  }
  bool critical(const Oid& oid) const {
    const x509::Extension* const one = extension(oid);
    return one != nullptr && one->critical;
  }
  bool has_purpose(const Oid& usage) const {
    const auto& all = content.extended_key_usage;
    return std::find(all.begin(), all.end(), usage) != all.end();
  }
};

using Texts = std::vector<std::string>;

// ---- RFC 5280 -------------------------------------------------------------------------------------------------------

void version(const Subject& on, Texts& found) {
  if (on.tbs.version != 3) found.push_back(fmt::format("it is of version {}, and has extensions", on.tbs.version));
}

void serial(const Subject& on, Texts& found) {
  if (x509::serial_sign(on.tbs.serial) != x509::SerialSign::positive || on.tbs.serial.size() > 20) {
    found.push_back(
        fmt::format("the serial number {} is not positive and at most 20 octets", x509::serial_text(on.tbs.serial)));
  }
}

void algorithm(const Subject& on, Texts& found) {
  try {
    const auto& row = x509::algorithm_of(on.tbs.signature_algorithm);
    if (x509::algorithm_identifier(row) != on.tbs.signature_algorithm) {
      found.push_back(fmt::format("the AlgorithmIdentifier of {} is not the one that the standard states", row.name));
    }
  } catch (const Error& error) {
    found.push_back(error.message());
  }
}

void issuer(const Subject& on, Texts& found) {
  if (on.tbs.issuer.empty()) found.emplace_back("the issuer's name is empty");
}

// The bytes themselves: what they mean is the same in either type.
void times(const Subject& on, Texts& found) {
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

void validity(const Subject& on, Texts& found) {
  if (on.tbs.validity.not_after < on.tbs.validity.not_before) found.emplace_back("it ends before it begins");
}

void unique_identifiers(const Subject& on, Texts& found) {
  if (on.tbs.has_unique_identifiers) found.emplace_back("it has unique identifiers");
}

void authority_key_identifier(const Subject& on, Texts& found) {
  if (!on.tbs.authority_key_identifier) found.emplace_back("it has no authority key identifier");
  if (on.critical(x509::oids::kAuthorityKeyIdentifier)) found.emplace_back("the authority key identifier is critical");
}

void subject_key_identifier(const Subject& on, Texts& found) {
  if (on.is_ca() && !on.content.subject_key_identifier) found.emplace_back("a CA without a subject key identifier");
  if (on.critical(x509::oids::kSubjectKeyIdentifier)) found.emplace_back("the subject key identifier is critical");
}

void key_usage(const Subject& on, Texts& found) {
  if (on.is_ca() && !on.has_usage(KeyUsage::key_cert_sign))
    found.emplace_back("a CA without the key usage keyCertSign");
  if (!on.is_ca() && on.has_usage(KeyUsage::key_cert_sign)) found.emplace_back("keyCertSign, and it is not a CA");
  if (on.content.key_usage && on.content.key_usage->bits == 0) found.emplace_back("a key usage without any usage");
}

void key_usage_critical(const Subject& on, Texts& found) {
  if (on.content.key_usage && !on.critical(x509::oids::kKeyUsage)) found.emplace_back("the key usage is not critical");
}

void basic_constraints(const Subject& on, Texts& found) {
  const auto& constraints = on.content.basic_constraints;
  if (on.is_ca() && !on.critical(x509::oids::kBasicConstraints)) {
    found.emplace_back("the basic constraints of a CA are not critical");
  }
  if (constraints && constraints->path_length && !constraints->ca)
    found.emplace_back("a path length, and it is not a CA");
}

void name_constraints(const Subject& on, Texts& found) {
  const auto& constraints = on.content.name_constraints;
  if (!constraints) return;
  if (!on.is_ca()) found.emplace_back("name constraints, and it is not a CA");
  if (constraints->permitted.empty() && constraints->excluded.empty())
    found.emplace_back("name constraints without any");
  if (!on.critical(x509::oids::kNameConstraints)) found.emplace_back("the name constraints are not critical");
}

void subject_name(const Subject& on, Texts& found) {
  if (on.is_ca() && on.content.subject.empty()) found.emplace_back("the subject of a CA is empty");
  if (on.content.subject.empty() && on.content.subject_alternative_names.empty()) {
    found.emplace_back("it names nobody: neither a subject nor an alternative name");
  }
  try {
    on.content.subject.check();
  } catch (const Error& error) {
    found.push_back(error.message());
  }
}

void alternative_names(const Subject& on, Texts& found) {
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

// RFC 5280 §4.1.2.4: nothing but PrintableString and UTF8String, apart from those that are IA5String.
void string_types(const Subject& on, Texts& found) {
  using x509::StringType;
  for (const x509::RelativeName& relative : on.content.subject.relative_names()) {
    for (const x509::NameAttribute& attribute : relative) {
      if (attribute.string_type != StringType::utf8 && attribute.string_type != StringType::printable &&
          attribute.string_type != StringType::ia5) {
        found.push_back(
            fmt::format("{} in the subject is neither PrintableString nor UTF8String", attribute.type.name()));
      }
    }
  }
}

void policies(const Subject& on, Texts& found) {
  std::set<Oid> seen;
  for (const x509::Policy& policy : on.content.policies) {
    if (!seen.insert(policy.oid).second)
      found.push_back(fmt::format("the policy {} is there twice", policy.oid.dotted()));
  }
}

void not_critical(const Subject& on, Texts& found) {
  for (const Oid* const oid : {&x509::oids::kAuthorityInfoAccess, &x509::oids::kCrlDistributionPoints}) {
    if (on.critical(*oid)) found.push_back(fmt::format("the extension {} is critical", oid->name()));
  }
}

// ---- keys -----------------------------------------------------------------------------------------------------------

void key(const Subject& on, Texts& found) {
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

// ---- CA/Browser Forum -----------------------------------------------------------------------------------------------

// Who may be told where: the access methods of an authority information access extension (RFC 5280 §4.2.2.1).
bool has_access(const Subject& on, const Oid& method) {
  const x509::Extension* const extension = on.extension(x509::oids::kAuthorityInfoAccess);
  if (extension == nullptr) return false;
  der::Reader all = der::inside(extension->value, der::kSequence, "authority information access");
  while (!all.at_end()) {
    der::Reader one = all.enter(der::kSequence, "access description");
    if (one.oid("access method") == method) return true;
  }
  return false;
}

// Both ends belong to it.
std::chrono::seconds life_of(const Subject& on) {
  const x509::Validity& validity = on.tbs.validity;
  return std::chrono::floor<std::chrono::seconds>(validity.not_after - validity.not_before) + std::chrono::seconds{1};
}

void tls_life(const Subject& on, Texts& found) {
  const auto most = longest_tls_life(on.now);
  const x509::Validity& validity = on.tbs.validity;
  if (life_of(on) > most) {
    found.push_back(fmt::format("it is valid from {} to {}; what is signed on {} may be valid for {} at most",
                                rfc3339(validity.not_before), rfc3339(validity.not_after),
                                rfc3339(std::chrono::floor<std::chrono::seconds>(on.now)).substr(0, 10), spoken(most)));
  }
  constexpr std::chrono::hours kNear{48};
  if (validity.not_before > on.now + kNear || validity.not_before < on.now - kNear) {
    found.push_back(
        fmt::format("its notBefore ({}) is not within 48 hours of the signature", rfc3339(validity.not_before)));
  }
}

// Letters, digits and hyphens; two labels at least, so that it is no internal name.
bool is_of_the_internet(std::string_view host) {
  if (host.starts_with("*.")) host.remove_prefix(2);
  const bool characters =
      std::all_of(host.begin(), host.end(), [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
  return characters && host.find('.') != std::string_view::npos && !host.ends_with('.');
}

void tls_names(const Subject& on, Texts& found) {
  std::set<std::string> names;
  for (const GeneralName& name : on.content.subject_alternative_names) {
    const std::string value = name.text.substr(name.text.find(':') + 1);
    names.insert(value);
    if (name.kind != GeneralNameKind::dns && name.kind != GeneralNameKind::ip) {
      found.push_back(fmt::format("{} is neither a DNS name nor an IP address", name.text));
    } else if (name.kind == GeneralNameKind::dns && !is_of_the_internet(value)) {
      found.push_back(fmt::format("{} is not a fully qualified domain name", name.text));
    } else if (value.ends_with(".in-addr.arpa") || value.ends_with(".ip6.arpa")) {
      found.push_back(fmt::format("{} ends in a reverse zone", name.text));
    }
  }
  if (names.empty()) found.emplace_back("it has no alternative names");
  if (!on.content.subject.empty() && on.critical(x509::oids::kSubjectAltName)) {
    found.emplace_back("the alternative names are critical beside a subject");
  }
  for (const x509::RelativeName& relative : on.content.subject.relative_names()) {
    for (const x509::NameAttribute& attribute : relative) {
      if (attribute.type == x509::oids::kCommonName && names.count(attribute.value) == 0) {
        found.push_back(fmt::format("the common name \"{}\" is none of the alternative names", attribute.value));
      }
    }
  }
}

constexpr auto kForbiddenPurposes = std::to_array<std::string_view>({
    "1.3.6.1.5.5.7.3.3",        // codeSigning
    "1.3.6.1.5.5.7.3.4",        // emailProtection
    "1.3.6.1.5.5.7.3.8",        // timeStamping
    "1.3.6.1.5.5.7.3.9",        // OCSPSigning
    "2.5.29.37.0",              // anyExtendedKeyUsage
    "1.3.6.1.4.1.11129.2.4.4",  // Precertificate Signing
});

// The same of a server and of a CA above it.
void purposes(const Subject& on, Texts& found) {
  if (!on.has_purpose(kServerAuth)) found.emplace_back("it lacks the extended key usage serverAuth");
  for (const Oid& usage : on.content.extended_key_usage) {
    if (std::find(kForbiddenPurposes.begin(), kForbiddenPurposes.end(), usage.dotted()) != kForbiddenPurposes.end()) {
      found.push_back(fmt::format("the extended key usage {} is not permitted", usage.name()));
    }
  }
  if (on.critical(x509::oids::kExtendedKeyUsage)) found.emplace_back("the extended key usage is critical");
}

void permit_usages(const Subject& on, x509::KeyUsages permitted, std::string_view whose, Texts& found) {
  for (const KeyUsage usage : on.content.key_usage.value_or(x509::KeyUsages{}).all()) {
    if (!permitted.has(usage))
      found.push_back(fmt::format("the key usage {} is not permitted {}", to_string(usage), whose));
  }
}

void tls_key_usage(const Subject& on, Texts& found) {
  const bool rsa = x509::key_spec_of(on.tbs.spki).type == x509::KeyType::rsa;
  if (rsa) {
    permit_usages(on, {KeyUsage::digital_signature, KeyUsage::key_encipherment, KeyUsage::data_encipherment},
                  "of an RSA key", found);
  } else {
    permit_usages(on, {KeyUsage::digital_signature, KeyUsage::key_agreement}, "of an EC key", found);
    if (on.content.key_usage && !on.has_usage(KeyUsage::digital_signature)) {
      found.emplace_back("it lacks the key usage digitalSignature");
    }
  }
}

void tls_no_ca(const Subject& on, Texts& found) {
  if (on.is_ca()) found.emplace_back("it is a CA");
  if (on.content.name_constraints) found.emplace_back("it has name constraints");
}

// 2.23.140.1.1 is EV; .1.2.1, .1.2.2 and .1.2.3 are DV, OV and IV (BR 7.1.6.1).
bool is_reserved(const x509::Policy& policy) {
  constexpr auto kReserved =
      std::to_array<std::string_view>({"2.23.140.1.1", "2.23.140.1.2.1", "2.23.140.1.2.2", "2.23.140.1.2.3"});
  return std::find(kReserved.begin(), kReserved.end(), policy.oid.dotted()) != kReserved.end();
}
bool is_any(const x509::Policy& policy) {
  return policy.oid.dotted() == "2.5.29.32.0";
}

void tls_policy(const Subject& on, Texts& found) {
  const auto& all = on.content.policies;
  const auto count = std::count_if(all.begin(), all.end(), is_reserved);
  if (count != 1) found.push_back(fmt::format("it has {} of the reserved policies (2.23.140.1…), not one", count));
  if (std::any_of(all.begin(), all.end(), is_any)) found.emplace_back("it has the policy anyPolicy");
}

void tls_subject(const Subject& on, Texts& found) {
  const auto& all = on.content.policies;
  const bool domain_validated = std::any_of(
      all.begin(), all.end(), [](const x509::Policy& policy) { return policy.oid.dotted() == "2.23.140.1.2.1"; });
  if (!domain_validated) return;
  for (const x509::RelativeName& relative : on.content.subject.relative_names()) {
    for (const x509::NameAttribute& attribute : relative) {
      if (attribute.type != kCountry && attribute.type != x509::oids::kCommonName) {
        found.push_back(fmt::format("the subject has {}, and its policy is domain validated", attribute.type.name()));
      }
    }
  }
}

void tls_status(const Subject& on, Texts& found) {
  constexpr std::chrono::hours kShortLived{7 * 24};
  if (on.extension(x509::oids::kCrlDistributionPoints) == nullptr && !has_access(on, Oid("1.3.6.1.5.5.7.48.1")) &&
      life_of(on) > kShortLived) {
    found.emplace_back("nobody can learn of its revocation: neither a CRL distribution point nor OCSP");
  }
}

void tls_information_access(const Subject& on, Texts& found) {
  if (on.extension(x509::oids::kAuthorityInfoAccess) == nullptr)
    found.emplace_back("it has no authority information access");
}

void cabf_subject(const Subject& on, Texts& found) {
  if (on.content.subject.find(kOrganizationalUnit)) found.emplace_back("the subject has an organizational unit");
  for (const x509::RelativeName& relative : on.content.subject.relative_names()) {
    if (relative.size() > 1) found.emplace_back("a relative name of the subject has several attributes");
  }
}

void cabf_key(const Subject& on, Texts& found) {
  if (x509::key_spec_of(on.tbs.spki).type == x509::KeyType::ed25519) found.emplace_back("an Ed25519 key");
  if (x509::algorithm_of(on.tbs.signature_algorithm).key_type == x509::KeyType::ed25519) {
    found.emplace_back("an Ed25519 signature");
  }
}

void sub_ca(const Subject& on, Texts& found) {
  if (!on.is_ca()) found.emplace_back("it is not a CA");
  if (!on.has_usage(KeyUsage::crl_sign)) found.emplace_back("it lacks the key usage cRLSign");
  permit_usages(on, {KeyUsage::digital_signature, KeyUsage::key_cert_sign, KeyUsage::crl_sign}, "of a CA", found);
}

void sub_ca_start(const Subject& on, Texts& found) {
  const Instant start = on.tbs.validity.not_before;
  if (start > on.now || start < on.now - std::chrono::hours{24}) {
    found.push_back(fmt::format("its notBefore ({}) is not within the day before the signature", rfc3339(start)));
  }
}

void sub_ca_subject(const Subject& on, Texts& found) {
  for (const Oid* const type : {&kCountry, &kOrganization, &x509::oids::kCommonName}) {
    if (!on.content.subject.find(*type)) found.push_back(fmt::format("the subject lacks {}", type->name()));
  }
}

void sub_ca_policy(const Subject& on, Texts& found) {
  const auto& all = on.content.policies;
  if (all.size() == 1 && is_any(all.front())) return;
  if (std::any_of(all.begin(), all.end(), is_any)) found.emplace_back("it has the policy anyPolicy beside others");
  const auto count = std::count_if(all.begin(), all.end(), is_reserved);
  if (count != 1) {
    found.push_back(fmt::format("it has {} of the reserved policies (2.23.140.1…), neither one nor anyPolicy", count));
  }
}

void sub_ca_crl(const Subject& on, Texts& found) {
  if (on.extension(x509::oids::kCrlDistributionPoints) == nullptr)
    found.emplace_back("it has no CRL distribution point");
}

void sub_ca_information_access(const Subject& on, Texts& found) {
  if (on.extension(x509::oids::kAuthorityInfoAccess) == nullptr) {
    found.emplace_back("it does not say where its issuer's certificate is (authority information access)");
  }
}

// ---- the table ------------------------------------------------------------------------------------------------------

enum class About { everything, tls, sub_ca, both };
struct Row {
  LintRule rule;
  About about;
  void (*check)(const Subject&, Texts&);
};
constexpr auto kError = LintSeverity::error;
constexpr auto kWarning = LintSeverity::warning;
constexpr auto kRows = std::to_array<Row>({
    {{"rfc5280-version", "RFC 5280 §4.1.2.1", kError}, About::everything, version},
    {{"rfc5280-serial", "RFC 5280 §4.1.2.2", kError}, About::everything, serial},
    {{"rfc5280-algorithm", "RFC 5280 §4.1.1.2, RFC 4055, RFC 5758, RFC 8410", kError}, About::everything, algorithm},
    {{"rfc5280-issuer", "RFC 5280 §4.1.2.4", kError}, About::everything, issuer},
    {{"rfc5280-times", "RFC 5280 §4.1.2.5", kError}, About::everything, times},
    {{"rfc5280-validity", "RFC 5280 §4.1.2.5", kError}, About::everything, validity},
    {{"rfc5280-unique-identifiers", "RFC 5280 §4.1.2.8", kError}, About::everything, unique_identifiers},
    {{"rfc5280-authority-key-identifier", "RFC 5280 §4.2.1.1", kError}, About::everything, authority_key_identifier},
    {{"rfc5280-subject-key-identifier", "RFC 5280 §4.2.1.2", kError}, About::everything, subject_key_identifier},
    {{"rfc5280-key-usage", "RFC 5280 §4.2.1.3", kError}, About::everything, key_usage},
    {{"rfc5280-key-usage-critical", "RFC 5280 §4.2.1.3", kError}, About::everything, key_usage_critical},
    {{"rfc5280-basic-constraints", "RFC 5280 §4.2.1.9", kError}, About::everything, basic_constraints},
    {{"rfc5280-name-constraints", "RFC 5280 §4.2.1.10", kError}, About::everything, name_constraints},
    {{"rfc5280-subject", "RFC 5280 §4.1.2.6, appendix A.1", kError}, About::everything, subject_name},
    {{"rfc5280-string-types", "RFC 5280 §4.1.2.4", kError}, About::everything, string_types},
    {{"rfc5280-alternative-names", "RFC 5280 §4.2.1.6", kError}, About::everything, alternative_names},
    {{"rfc5280-policies", "RFC 5280 §4.2.1.4", kError}, About::everything, policies},
    {{"rfc5280-not-critical", "RFC 5280 §4.2.1.13, §4.2.2.1", kError}, About::everything, not_critical},
    {{"key", "RFC 3279 §2.3.1, BR 6.1.5, 6.1.6", kError}, About::everything, key},
    {{"cabf-tls-life", "BR 6.3.2, 7.1.2.7", kError}, About::tls, tls_life},
    {{"cabf-tls-names", "BR 7.1.2.7.12, 7.1.4.3", kError}, About::tls, tls_names},
    {{"cabf-tls-purposes", "BR 7.1.2.7.10", kError}, About::tls, purposes},
    {{"cabf-tls-key-usage", "BR 7.1.2.7.11", kError}, About::tls, tls_key_usage},
    {{"cabf-tls-no-ca", "BR 7.1.2.7.6, 7.1.2.7.8", kError}, About::tls, tls_no_ca},
    {{"cabf-tls-policy", "BR 7.1.2.7.9", kError}, About::tls, tls_policy},
    {{"cabf-tls-subject", "BR 7.1.2.7.2", kError}, About::tls, tls_subject},
    {{"cabf-tls-status", "BR 7.1.2.11.2", kError}, About::tls, tls_status},
    {{"cabf-tls-information-access", "BR 7.1.2.7.6", kError}, About::tls, tls_information_access},
    {{"cabf-subject", "BR 7.1.2.7.2 to 7.1.2.7.4, 7.1.2.10.2, 7.1.4.1", kError}, About::both, cabf_subject},
    {{"cabf-key", "BR 6.1.5, 7.1.3", kError}, About::both, cabf_key},
    {{"cabf-sub-ca", "BR 7.1.2.10.4, 7.1.2.10.7", kError}, About::sub_ca, sub_ca},
    {{"cabf-sub-ca-start", "BR 7.1.2.10.1", kError}, About::sub_ca, sub_ca_start},
    {{"cabf-sub-ca-subject", "BR 7.1.2.10.2", kError}, About::sub_ca, sub_ca_subject},
    {{"cabf-sub-ca-purposes", "BR 7.1.2.10.6", kError}, About::sub_ca, purposes},
    {{"cabf-sub-ca-policy", "BR 7.1.2.10.5", kError}, About::sub_ca, sub_ca_policy},
    {{"cabf-sub-ca-crl", "BR 7.1.2.11.2", kError}, About::sub_ca, sub_ca_crl},
    {{"cabf-sub-ca-information-access", "BR 7.1.2.6.1", kWarning}, About::sub_ca, sub_ca_information_access},
});

bool applies(About about, const std::vector<Rules>& rules) {
  const auto has = [&](Rules one) { return std::find(rules.begin(), rules.end(), one) != rules.end(); };
  switch (about) {
    case About::everything:
      return true;
    case About::tls:
      return has(Rules::cabf_tls);
    case About::sub_ca:
      return has(Rules::cabf_sub_ca);
    case About::both:
      return !rules.empty();
  }
  return true;
}

constexpr auto kUnreadable = LintRule{"rfc5280-encoding", "RFC 5280 §4.1", kError};

constexpr auto kAllRules = [] {
  std::array<LintRule, kRows.size() + 1> all{};
  for (std::size_t i = 0; i < kRows.size(); ++i) all[i] = kRows[i].rule;
  all.back() = kUnreadable;
  return all;
}();

}  // namespace

std::span<const LintRule> lint_rules() {
  return kAllRules;
}

std::vector<LintFinding> lint(ByteView to_be_signed, const std::vector<Rules>& rules, Instant now) {
  std::vector<LintFinding> found;
  const auto add = [&](const LintRule& rule, std::string text) {
    found.push_back({std::string(rule.id), std::string(rule.reference), rule.severity, std::move(text)});
  };
  try {
    const x509::TbsCertificate tbs = x509::parse_tbs_certificate(to_be_signed);
    const Subject on{tbs, now};
    for (const Row& row : kRows) {
      if (!applies(row.about, rules)) continue;
      Texts texts;
      row.check(on, texts);
      for (std::string& text : texts) add(row.rule, std::move(text));
    }
  } catch (const Error& error) {
    add(kUnreadable, error.message());
  }
  return found;
}

std::string to_string(const LintFinding& finding) {
  return fmt::format("{} ({}): {}", finding.rule, finding.reference, finding.text);
}

void refuse_errors(const std::vector<LintFinding>& findings) {
  std::string errors;
  for (const LintFinding& finding : findings) {
    if (finding.severity == LintSeverity::error) errors += "\n  - " + to_string(finding);
  }
  if (errors.empty()) return;
  throw Error{ErrorKind::refused, "the certificate would not be as the standards say:" + errors}.hint(
      "ask for something else, or change the CA's profile");
}

LintedTbs LintedTbs::of(ByteView to_be_signed, const std::vector<Rules>& rules, Instant now) {
  refuse_errors(lint(to_be_signed, rules, now));
  return LintedTbs(to_be_signed);
}

}  // namespace hsmbridge::ca
