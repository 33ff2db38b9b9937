#include "base/error.h"
#include "base/text.h"
#include "ca/lint_rules.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

// What the CA/Browser Forum's TLS Baseline Requirements say of servers and of the CAs above them.
namespace hsmbridge::ca {
namespace {

using x509::GeneralName;
using x509::GeneralNameKind;
using x509::KeyUsage;
using x509::Oid;
namespace der = x509::der;

const Oid kServerAuth{"1.3.6.1.5.5.7.3.1"};
const Oid kCountry{"2.5.4.6"};
const Oid kOrganization{"2.5.4.10"};
const Oid kOrganizationalUnit{"2.5.4.11"};

// Who may be told where: the access methods of an authority information access extension (RFC 5280 §4.2.2.1).
bool has_access(const LintSubject& on, const Oid& method) {
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
std::chrono::seconds life_of(const LintSubject& on) {
  const x509::Validity& validity = on.tbs.validity;
  return std::chrono::floor<std::chrono::seconds>(validity.not_after - validity.not_before) + std::chrono::seconds{1};
}

void tls_life(const LintSubject& on, LintTexts& found) {
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

void tls_names(const LintSubject& on, LintTexts& found) {
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
void purposes(const LintSubject& on, LintTexts& found) {
  if (!on.has_purpose(kServerAuth)) found.emplace_back("it lacks the extended key usage serverAuth");
  for (const Oid& usage : on.content.extended_key_usage) {
    if (std::find(kForbiddenPurposes.begin(), kForbiddenPurposes.end(), usage.dotted()) != kForbiddenPurposes.end()) {
      found.push_back(fmt::format("the extended key usage {} is not permitted", usage.name()));
    }
  }
  if (on.critical(x509::oids::kExtendedKeyUsage)) found.emplace_back("the extended key usage is critical");
}

void permit_usages(const LintSubject& on, x509::KeyUsages permitted, std::string_view whose, LintTexts& found) {
  for (const KeyUsage usage : on.content.key_usage.value_or(x509::KeyUsages{}).all()) {
    if (!permitted.has(usage))
      found.push_back(fmt::format("the key usage {} is not permitted {}", to_string(usage), whose));
  }
}

void tls_key_usage(const LintSubject& on, LintTexts& found) {
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

void tls_no_ca(const LintSubject& on, LintTexts& found) {
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

void tls_policy(const LintSubject& on, LintTexts& found) {
  const auto& all = on.content.policies;
  const auto count = std::count_if(all.begin(), all.end(), is_reserved);
  if (count != 1) found.push_back(fmt::format("it has {} of the reserved policies (2.23.140.1…), not one", count));
  if (std::any_of(all.begin(), all.end(), is_any)) found.emplace_back("it has the policy anyPolicy");
}

void tls_subject(const LintSubject& on, LintTexts& found) {
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

void tls_status(const LintSubject& on, LintTexts& found) {
  constexpr std::chrono::hours kShortLived{7 * 24};
  if (on.extension(x509::oids::kCrlDistributionPoints) == nullptr && !has_access(on, Oid("1.3.6.1.5.5.7.48.1")) &&
      life_of(on) > kShortLived) {
    found.emplace_back("nobody can learn of its revocation: neither a CRL distribution point nor OCSP");
  }
}

void tls_information_access(const LintSubject& on, LintTexts& found) {
  if (on.extension(x509::oids::kAuthorityInfoAccess) == nullptr)
    found.emplace_back("it has no authority information access");
}

void cabf_subject(const LintSubject& on, LintTexts& found) {
  if (on.content.subject.find(kOrganizationalUnit)) found.emplace_back("the subject has an organizational unit");
  for (const x509::RelativeName& relative : on.content.subject.relative_names()) {
    if (relative.size() > 1) found.emplace_back("a relative name of the subject has several attributes");
  }
}

void cabf_key(const LintSubject& on, LintTexts& found) {
  if (x509::key_spec_of(on.tbs.spki).type == x509::KeyType::ed25519) found.emplace_back("an Ed25519 key");
  if (x509::algorithm_of(on.tbs.signature_algorithm).key_type == x509::KeyType::ed25519) {
    found.emplace_back("an Ed25519 signature");
  }
}

void sub_ca(const LintSubject& on, LintTexts& found) {
  if (!on.is_ca()) found.emplace_back("it is not a CA");
  if (!on.has_usage(KeyUsage::crl_sign)) found.emplace_back("it lacks the key usage cRLSign");
  permit_usages(on, {KeyUsage::digital_signature, KeyUsage::key_cert_sign, KeyUsage::crl_sign}, "of a CA", found);
}

void sub_ca_start(const LintSubject& on, LintTexts& found) {
  const Instant start = on.tbs.validity.not_before;
  if (start > on.now || start < on.now - std::chrono::hours{24}) {
    found.push_back(fmt::format("its notBefore ({}) is not within the day before the signature", rfc3339(start)));
  }
}

void sub_ca_subject(const LintSubject& on, LintTexts& found) {
  for (const Oid* const type : {&kCountry, &kOrganization, &x509::oids::kCommonName}) {
    if (!on.content.subject.find(*type)) found.push_back(fmt::format("the subject lacks {}", type->name()));
  }
}

void sub_ca_policy(const LintSubject& on, LintTexts& found) {
  const auto& all = on.content.policies;
  if (all.size() == 1 && is_any(all.front())) return;
  if (std::any_of(all.begin(), all.end(), is_any)) found.emplace_back("it has the policy anyPolicy beside others");
  const auto count = std::count_if(all.begin(), all.end(), is_reserved);
  if (count != 1) {
    found.push_back(fmt::format("it has {} of the reserved policies (2.23.140.1…), neither one nor anyPolicy", count));
  }
}

void sub_ca_crl(const LintSubject& on, LintTexts& found) {
  if (on.extension(x509::oids::kCrlDistributionPoints) == nullptr)
    found.emplace_back("it has no CRL distribution point");
}

void sub_ca_information_access(const LintSubject& on, LintTexts& found) {
  if (on.extension(x509::oids::kAuthorityInfoAccess) == nullptr) {
    found.emplace_back("it does not say where its issuer's certificate is (authority information access)");
  }
}

using About = LintRow::About;
constexpr auto kCabfRows = std::to_array<LintRow>({
    {{"cabf-tls-life", "BR 6.3.2, 7.1.2.7", LintSeverity::error}, About::tls, tls_life},
    {{"cabf-tls-names", "BR 7.1.2.7.12, 7.1.4.3", LintSeverity::error}, About::tls, tls_names},
    {{"cabf-tls-purposes", "BR 7.1.2.7.10", LintSeverity::error}, About::tls, purposes},
    {{"cabf-tls-key-usage", "BR 7.1.2.7.11", LintSeverity::error}, About::tls, tls_key_usage},
    {{"cabf-tls-no-ca", "BR 7.1.2.7.6, 7.1.2.7.8", LintSeverity::error}, About::tls, tls_no_ca},
    {{"cabf-tls-policy", "BR 7.1.2.7.9", LintSeverity::error}, About::tls, tls_policy},
    {{"cabf-tls-subject", "BR 7.1.2.7.2", LintSeverity::error}, About::tls, tls_subject},
    {{"cabf-tls-status", "BR 7.1.2.11.2", LintSeverity::error}, About::tls, tls_status},
    {{"cabf-tls-information-access", "BR 7.1.2.7.6", LintSeverity::error}, About::tls, tls_information_access},
    {{"cabf-subject", "BR 7.1.2.7.2 to 7.1.2.7.4, 7.1.2.10.2, 7.1.4.1", LintSeverity::error},
     About::tls_and_sub_ca,
     cabf_subject},
    {{"cabf-key", "BR 6.1.5, 7.1.3", LintSeverity::error}, About::tls_and_sub_ca, cabf_key},
    {{"cabf-sub-ca", "BR 7.1.2.10.4, 7.1.2.10.7", LintSeverity::error}, About::sub_ca, sub_ca},
    {{"cabf-sub-ca-start", "BR 7.1.2.10.1", LintSeverity::error}, About::sub_ca, sub_ca_start},
    {{"cabf-sub-ca-subject", "BR 7.1.2.10.2", LintSeverity::error}, About::sub_ca, sub_ca_subject},
    {{"cabf-sub-ca-purposes", "BR 7.1.2.10.6", LintSeverity::error}, About::sub_ca, purposes},
    {{"cabf-sub-ca-policy", "BR 7.1.2.10.5", LintSeverity::error}, About::sub_ca, sub_ca_policy},
    {{"cabf-sub-ca-crl", "BR 7.1.2.11.2", LintSeverity::error}, About::sub_ca, sub_ca_crl},
    {{"cabf-sub-ca-information-access", "BR 7.1.2.6.1", LintSeverity::warning},
     About::sub_ca,
     sub_ca_information_access},
});

}  // namespace

std::span<const LintRow> cabf_rules() {
  return kCabfRows;
}

}  // namespace hsmbridge::ca
