#include "base/error.h"
#include "base/text.h"
#include "ca/lint_rules.h"
#include "ca/name_constraints.h"
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
const Oid kDomainComponent{"0.9.2342.19200300.100.1.25"};
const Oid kState{"2.5.4.8"};
const Oid kLocality{"2.5.4.7"};
const Oid kPostalCode{"2.5.4.17"};
const Oid kStreet{"2.5.4.9"};
const Oid kSurname{"2.5.4.4"};
const Oid kGivenName{"2.5.4.42"};
const Oid kSerialNumber{"2.5.4.5"};
const Oid kBusinessCategory{"2.5.4.15"};
const Oid kJurisdictionCountry{"1.3.6.1.4.1.311.60.2.1.3"};
constexpr const char* kOcsp = "1.3.6.1.5.5.7.48.1";
constexpr const char* kIssuers = "1.3.6.1.5.5.7.48.2";
constexpr unsigned kUri = 6;  // [6] of a GeneralName

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

// Names that are no domain names of the Internet and will be none: RFC 6761, RFC 6762, RFC 9476 and ICANN's `internal`.
// The other top level names that are not in the root zone only a list of it tells, which zlint has.
constexpr auto kNeverPublic = std::to_array<std::string_view>(
    {"alt", "example", "home.arpa", "internal", "invalid", "local", "localhost", "onion", "test"});

bool ends_in(std::string_view host, std::string_view zone) {
  return host == zone || (host.ends_with(zone) && host[host.size() - zone.size() - 1] == '.');
}

// An onion name of version 3, of which BR appendix B is: 56 letters and digits of base32 before it.
bool is_onion_3(std::string_view host) {
  constexpr std::size_t kLetters = 56;
  const std::string_view name = host.substr(0, host.rfind('.'));
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return ends_in(host, "onion") && last.size() == kLetters &&
         std::all_of(last.begin(), last.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); });
}

// Labels with hyphens in the third and the fourth place are reserved, but for A-labels (RFC 5890 §2.3.1).
bool has_reserved_label(std::string_view host) {
  while (!host.empty()) {
    const std::string_view label = host.substr(0, host.find('.'));
    if (label.size() > 3 && label.substr(2, 2) == "--" && !label.starts_with("xn--")) return true;
    host.remove_prefix(std::min(host.size(), label.size() + 1));
  }
  return false;
}

// Letters, digits and hyphens; two labels at least, so that it is no internal name.
bool is_of_the_internet(std::string_view host) {
  if (host.starts_with("*.")) host.remove_prefix(2);
  const bool characters =
      std::all_of(host.begin(), host.end(), [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
  return characters && host.find('.') != std::string_view::npos && !host.ends_with('.');
}

bool is_never_public(std::string_view host) {
  return !is_onion_3(host) && std::any_of(kNeverPublic.begin(), kNeverPublic.end(),
                                          [&](std::string_view zone) { return ends_in(host, zone); });
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
    } else if (ends_in(lower(value), "in-addr.arpa") || ends_in(lower(value), "ip6.arpa")) {
      found.push_back(fmt::format("{} ends in a reverse zone", name.text));
    } else if (name.kind == GeneralNameKind::dns && is_never_public(lower(value))) {
      found.push_back(fmt::format("{} is no name of the public DNS", name.text));
    } else if (name.kind == GeneralNameKind::dns && has_reserved_label(lower(value))) {
      found.push_back(fmt::format("{} has a label with hyphens in the third and the fourth place", name.text));
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

// The blocks of IANA's registries of special addresses for IPv4 and IPv6 (RFC 6890), which the Baseline Requirements
// mean by a reserved address; those within another one are left out.
constexpr auto kReservedNetworks = std::to_array<const char*>({
    "0.0.0.0/8",       "10.0.0.0/8",    "100.64.0.0/10",   "127.0.0.0/8",       "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24",    "192.0.2.0/24",  "192.31.196.0/24", "192.52.193.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",    "240.0.0.0/4",    "::1/128",
    "::/128",          "::ffff:0:0/96", "64:ff9b::/96",    "64:ff9b:1::/48",    "100::/64",       "100:0:0:1::/64",
    "2001::/23",       "2001:db8::/32", "2002::/16",       "2620:4f:8000::/48", "3fff::/20",      "5f00::/16",
    "fc00::/7",        "fe80::/10",
});

void tls_addresses(const LintSubject& on, LintTexts& found) {
  for (const GeneralName& name : on.content.subject_alternative_names) {
    if (name.kind != GeneralNameKind::ip) continue;
    for (const char* const network : kReservedNetworks) {
      if (!ip_within(name, GeneralName::parse_constraint(fmt::format("ip:{}", network)))) continue;
      found.push_back(fmt::format("{} is a reserved address ({})", name.text, network));
      break;
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

bool has_policy(const LintSubject& on, std::string_view dotted) {
  const auto& all = on.content.policies;
  return std::any_of(all.begin(), all.end(), [&](const x509::Policy& policy) { return policy.oid.dotted() == dotted; });
}

std::vector<x509::NameAttribute> attributes_of(const x509::Name& name) {
  std::vector<x509::NameAttribute> all;
  for (const x509::RelativeName& relative : name.relative_names())
    all.insert(all.end(), relative.begin(), relative.end());
  return all;
}

// What a subject says where that was validated: "." or "-" stand for nothing that is true.
bool says_nothing(std::string_view value) {
  return value.find_first_not_of(".- ") == std::string_view::npos;
}

// Which attributes the subject must have, and must not, by the policy of the certificate.
struct Validated {
  std::string_view policy;
  std::string_view text;
  std::vector<const Oid*> wanted;
  std::vector<const Oid*> forbidden;
};
const std::vector<Validated>& validated_subjects() {
  static const std::vector<Validated> kRows{
      {"2.23.140.1.2.2", "organization validated", {&kCountry, &kOrganization}, {&kSurname, &kGivenName}},
      {"2.23.140.1.2.3", "individual validated", {&kCountry, &kSurname, &kGivenName}, {}},
      {"2.23.140.1.1",
       "extended validation",
       {&kCountry, &kOrganization, &kBusinessCategory, &kJurisdictionCountry, &kSerialNumber},
       {}},
  };
  return kRows;
}

void tls_subject(const LintSubject& on, LintTexts& found) {
  const x509::Name& subject = on.content.subject;
  const auto all = attributes_of(subject);
  if (has_policy(on, "2.23.140.1.2.1")) {
    for (const x509::NameAttribute& attribute : all) {
      if (attribute.type != kCountry && attribute.type != x509::oids::kCommonName) {
        found.push_back(fmt::format("the subject has {}, and its policy is domain validated", attribute.type.name()));
      }
    }
    return;
  }
  for (const Validated& row : validated_subjects()) {
    if (!has_policy(on, row.policy)) continue;
    for (const Oid* const type : row.wanted) {
      if (!subject.find(*type))
        found.push_back(fmt::format("the subject lacks {}, and its policy is {}", type->name(), row.text));
    }
    if (!subject.find(kState) && !subject.find(kLocality))
      found.push_back(fmt::format("the subject has neither L nor ST, and its policy is {}", row.text));
    for (const Oid* const type : row.forbidden) {
      if (subject.find(*type))
        found.push_back(fmt::format("the subject has {}, and its policy is {}", type->name(), row.text));
    }
  }
  for (const x509::NameAttribute& attribute : all) {
    if (says_nothing(attribute.value))
      found.push_back(fmt::format("{} of the subject is \"{}\"", attribute.type.name(), attribute.value));
  }
}

void tls_status(const LintSubject& on, LintTexts& found) {
  constexpr std::chrono::hours kShortLived{7 * 24};
  if (on.extension(x509::oids::kCrlDistributionPoints) == nullptr && !has_access(on, Oid(kOcsp)) &&
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

// Where both are there, they stand in this order.
void cabf_subject_order(const LintSubject& on, LintTexts& found) {
  static const std::vector<const Oid*> kOrder{&kDomainComponent,
                                              &kCountry,
                                              &kState,
                                              &kLocality,
                                              &kPostalCode,
                                              &kStreet,
                                              &kOrganization,
                                              &kSurname,
                                              &kGivenName,
                                              &kOrganizationalUnit,
                                              &x509::oids::kCommonName};
  std::size_t last = 0;
  std::set<Oid> seen;
  for (const x509::NameAttribute& attribute : attributes_of(on.content.subject)) {
    const bool may_repeat = attribute.type == kDomainComponent || attribute.type == kStreet;
    if (!seen.insert(attribute.type).second && !may_repeat)
      found.push_back(fmt::format("the subject has {} twice", attribute.type.name()));
    const auto place =
        std::find_if(kOrder.begin(), kOrder.end(), [&](const Oid* one) { return *one == attribute.type; });
    if (place == kOrder.end()) continue;
    const auto at = static_cast<std::size_t>(place - kOrder.begin());
    if (at < last)
      found.push_back(fmt::format("{} of the subject stands after {}", attribute.type.name(), kOrder[last]->name()));
    last = std::max(last, at);
  }
}

bool is_http(std::string_view url) {
  return lower(url.substr(0, url.find(':'))) == "http";
}

// What a certificate says of where to look: addresses that anybody can fetch without a certificate.
void cabf_addresses(const LintSubject& on, LintTexts& found) {
  if (const x509::Extension* const extension = on.extension(x509::oids::kAuthorityInfoAccess)) {
    der::Reader all = der::inside(extension->value, der::kSequence, "authority information access");
    if (all.at_end()) found.emplace_back("the authority information access is empty");
    while (!all.at_end()) {
      der::Reader one = all.enter(der::kSequence, "access description");
      const Oid method = one.oid("access method");
      const der::Element location = one.any("access location");
      if (method != Oid(kOcsp) && method != Oid(kIssuers)) {
        found.push_back(fmt::format("the authority information access has the method {}", method.name()));
      } else if (location.tag != der::context(kUri) || !is_http(as_text(location.content))) {
        found.emplace_back("an address in the authority information access is not an http URL");
      }
    }
  }
  if (const x509::Extension* const extension = on.extension(x509::oids::kCrlDistributionPoints)) {
    der::Reader all = der::inside(extension->value, der::kSequence, "CRL distribution points");
    if (all.at_end()) found.emplace_back("the CRL distribution points are none");
    while (!all.at_end()) {
      der::Reader one = all.enter(der::kSequence, "distribution point");
      bool is_fine = one.peek() == der::context_constructed(0);
      if (is_fine) {
        der::Reader name = one.enter(der::context_constructed(0), "distribution point name");
        is_fine = name.peek() == der::context_constructed(0);
        der::Reader urls = is_fine ? name.enter(der::context_constructed(0), "full name") : name;
        while (is_fine && !urls.at_end()) {
          const der::Element url = urls.any("general name");
          is_fine = url.tag == der::context(kUri) && is_http(as_text(url.content));
        }
      }
      if (!is_fine || !one.at_end())
        found.emplace_back("a CRL distribution point is not an http URL alone, for all reasons");
    }
  }
  for (const x509::Policy& policy : on.content.policies) {
    if (!policy.user_notices.empty() || !policy.other_qualifiers.empty())
      found.push_back(fmt::format("the policy {} has a qualifier that is not a CPS", policy.oid.dotted()));
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
    {{"cabf-tls-addresses", "BR 4.2.2, 7.1.2.7.12", LintSeverity::error}, About::tls, tls_addresses},
    {{"cabf-tls-purposes", "BR 7.1.2.7.10", LintSeverity::error}, About::tls, purposes},
    {{"cabf-tls-key-usage", "BR 7.1.2.7.11", LintSeverity::error}, About::tls, tls_key_usage},
    {{"cabf-tls-no-ca", "BR 7.1.2.7.6, 7.1.2.7.8", LintSeverity::error}, About::tls, tls_no_ca},
    {{"cabf-tls-policy", "BR 7.1.2.7.9", LintSeverity::error}, About::tls, tls_policy},
    {{"cabf-tls-subject", "BR 7.1.2.7.2 to 7.1.2.7.5, EVG 7.1.4.2", LintSeverity::error}, About::tls, tls_subject},
    {{"cabf-tls-status", "BR 7.1.2.11.2", LintSeverity::error}, About::tls, tls_status},
    {{"cabf-tls-information-access", "BR 7.1.2.7.6", LintSeverity::error}, About::tls, tls_information_access},
    {{"cabf-subject", "BR 7.1.2.7.2 to 7.1.2.7.4, 7.1.2.10.2, 7.1.4.1", LintSeverity::error},
     About::tls_and_sub_ca,
     cabf_subject},
    {{"cabf-subject-order", "BR 7.1.4.1, 7.1.4.2", LintSeverity::error}, About::tls_and_sub_ca, cabf_subject_order},
    {{"cabf-addresses", "BR 7.1.2.7.7, 7.1.2.7.9, 7.1.2.10.3, 7.1.2.10.5, 7.1.2.11.2", LintSeverity::error},
     About::tls_and_sub_ca,
     cabf_addresses},
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
