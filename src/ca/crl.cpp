#include "ca/crl.h"

#include "base/error.h"
#include "ca/examine.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"
#include "x509/judge/same_name.h"
#include "x509/objects/pem.h"
#include "x509/objects/signed_object.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace hsmbridge::ca {
namespace {

namespace der = x509::der;
using x509::Extension;

Bytes extension_der(const Extension& extension) {
  return extension.critical
             ? der::sequence(der::oid(extension.oid), der::boolean(true), der::octet_string(extension.value))
             : der::sequence(der::oid(extension.oid), der::octet_string(extension.value));
}

Bytes entry_der(const CrlEntry& entry) {
  const Bytes serial = der::element(der::kInteger, entry.serial);
  const Bytes date = der::time(entry.revoked_at);
  if (entry.reason == 0) return der::sequence(serial, date);
  const Bytes code{static_cast<std::uint8_t>(entry.reason)};
  const Extension reason{x509::oids::kReasonCode, false, der::element(der::kEnumerated, code)};
  return der::sequence(serial, date, der::sequence(extension_der(reason)));
}

Instant whole(Instant instant) {
  return std::chrono::floor<std::chrono::seconds>(instant);
}

std::uint64_t number_in(const Bytes& octets) {
  if (octets.empty() || octets.size() > 8 || octets[0] >= 0x80) {
    throw Error{ErrorKind::invalid_input, "its CRL number is not one that this program gives: " + hex(octets)};
  }
  std::uint64_t number = 0;
  for (const std::uint8_t octet : octets) number = number << 8U | octet;
  return number;
}

// What was built must say what was asked, to the last entry.
void prove(const Bytes& to_be_signed, const CrlFields& fields, const x509::Certificate& issuer,
           const x509::SignatureAlgorithm& algorithm) {
  const auto unproved = [](const std::string& why) {
    throw Error{ErrorKind::corrupt, "the CRL that was built is not what was asked: " + why};
  };
  x509::TbsCertList found;
  try {
    found = x509::parse_tbs_cert_list(to_be_signed);
  } catch (const Error& error) {
    unproved("it cannot be read back: " + error.message());
  }
  if (found.version != 2) unproved("version");
  if (found.signature_algorithm != x509::algorithm_identifier(algorithm)) unproved("signature algorithm");
  if (!(found.issuer == issuer.subject())) unproved("issuer");
  if (found.this_update != whole(fields.this_update)) unproved("thisUpdate");
  if (found.next_update != whole(fields.next_update)) unproved("nextUpdate");
  if (!found.number || number_in(*found.number) != fields.number) unproved("CRL number");
  if (found.authority_key_identifier != authority_key_identifier(issuer)) unproved("authority key identifier");
  if (distribution_point_of(found) != fields.distribution_point ||
      is_only_of_authorities(found) != fields.only_authorities ||
      found.issuing_distribution_point.has_value() != (fields.only_authorities || !fields.distribution_point.empty())) {
    unproved("issuing distribution point");
  }
  if (found.revoked.size() != fields.entries.size()) unproved("number of entries");
  for (std::size_t i = 0; i < fields.entries.size(); ++i) {
    const CrlEntry& asked = fields.entries[i];
    const x509::RevokedCertificate& entry = found.revoked[i];
    if (entry.serial != asked.serial || entry.revoked_at != whole(asked.revoked_at) ||
        entry.reason.value_or(0) != asked.reason) {
      unproved("entry " + x509::serial_text(asked.serial));
    }
  }
}

// ---- the linter -----------------------------------------------------------------------------------------------------

using Texts = std::vector<std::string>;

void version(const x509::TbsCertList& list, Instant, Texts& found) {
  if (list.version != 2) found.emplace_back("it is not of version 2");
}

void times(const x509::TbsCertList& list, Instant now, Texts& found) {
  if (!list.next_update) {
    found.emplace_back("it has no nextUpdate");
  } else if (*list.next_update <= list.this_update) {
    found.emplace_back("nextUpdate is not after thisUpdate");
  }
  if (list.this_update > now) found.emplace_back("thisUpdate is in the future");
}

void number(const x509::TbsCertList& list, Instant, Texts& found) {
  if (!list.number) {
    found.emplace_back("it has no CRL number");
  } else if (list.number->size() > 20 || (*list.number)[0] >= 0x80) {
    found.emplace_back("its CRL number is negative or longer than 20 octets");
  }
}

void authority(const x509::TbsCertList& list, Instant, Texts& found) {
  if (!list.authority_key_identifier) found.emplace_back("it has no authority key identifier");
}

void entries(const x509::TbsCertList& list, Instant, Texts& found) {
  std::set<Bytes> seen;
  for (const x509::RevokedCertificate& entry : list.revoked) {
    const std::string serial = x509::serial_text(entry.serial);
    if (!seen.insert(entry.serial).second) found.push_back(fmt::format("{} is there twice", serial));
    if (entry.revoked_at > list.this_update) found.push_back(fmt::format("{} is revoked after thisUpdate", serial));
  }
}

// Who does not understand it must not take a shard, or the list of CAs, for the complete list. Other limits than these
// are not written here.
void distribution_point(const x509::TbsCertList& list, Instant, Texts& found) {
  const auto& point = list.issuing_distribution_point;
  if (!point) return;
  if (!point->is_critical) found.emplace_back("the issuing distribution point is not critical");
  if (point->urls.size() > 1 || (point->urls.empty() && !point->only_authorities)) {
    found.emplace_back("the issuing distribution point does not name one URL");
  }
  if (point->has_limits)
    found.emplace_back("the issuing distribution point says more than a URL and onlyContainsCACerts");
}

void authorities_life(const x509::TbsCertList& list, Instant, Texts& found) {
  if (!is_only_of_authorities(list) || !list.next_update) return;
  if (*list.next_update - list.this_update > kLongestAuthoritiesCrl) {
    found.emplace_back("it is about CAs alone, and valid for more than 12 months");
  }
}

// 0 is unspecified, 7 is not used, and 8 is for delta CRLs.
void reasons(const x509::TbsCertList& list, Instant, Texts& found) {
  for (const x509::RevokedCertificate& entry : list.revoked) {
    if (entry.reason && (*entry.reason == 0 || *entry.reason == 7 || *entry.reason == 8)) {
      found.push_back(fmt::format("{} has the reason code {}", x509::serial_text(entry.serial), *entry.reason));
    }
  }
}

struct CrlRule {
  std::string_view id;
  std::string_view reference;
  void (*check)(const x509::TbsCertList&, Instant, Texts&);
};
constexpr auto kCrlRules = std::to_array<CrlRule>({
    {"rfc5280-crl-version", "RFC 5280 §5.1.2.1", version},
    {"rfc5280-crl-times", "RFC 5280 §5.1.2.4, §5.1.2.5", times},
    {"rfc5280-crl-number", "RFC 5280 §5.2.3", number},
    {"rfc5280-crl-authority-key-identifier", "RFC 5280 §5.2.1", authority},
    {"rfc5280-crl-distribution-point", "RFC 5280 §5.2.5, BR 7.2.2.1", distribution_point},
    {"cabf-crl-authorities-life", "BR 4.9.7, BR 7.2.1", authorities_life},
    {"rfc5280-crl-entries", "RFC 5280 §5.1.2.6", entries},
    {"rfc5280-crl-reasons", "RFC 5280 §5.3.1, BR 7.2.2", reasons},
});

}  // namespace

Bytes crl_to_be_signed(const CrlFields& fields, const x509::Certificate& issuer,
                       const x509::SignatureAlgorithm& algorithm) {
  Bytes list;
  for (const CrlEntry& entry : fields.entries) der::append(list, entry_der(entry));
  const Extension number{x509::oids::kCrlNumber, false, der::integer(fields.number)};
  Bytes all = extension_der(x509::authority_key_identifier(authority_key_identifier(issuer)));
  der::append(all, extension_der(number));
  if (!fields.distribution_point.empty() && fields.only_authorities) {
    throw Error{ErrorKind::internal, "a CRL of CAs alone has no shards"};
  }
  if (!fields.distribution_point.empty()) {
    der::append(all, extension_der(x509::issuing_distribution_point(fields.distribution_point)));
  } else if (fields.only_authorities) {
    der::append(all, extension_der(x509::issuing_distribution_point_of_authorities()));
  }
  const Bytes extensions = der::constructed(der::context_constructed(0), der::element(der::kSequence, all));
  Bytes to_be_signed = der::sequence(der::integer(1), x509::algorithm_identifier(algorithm), issuer.subject().der(),
                                     der::time(fields.this_update), der::time(fields.next_update),
                                     // RFC 5280 §5.1.2.6: absent where nothing is revoked.
                                     list.empty() ? Bytes{} : der::element(der::kSequence, list), extensions);
  prove(to_be_signed, fields, issuer, algorithm);
  return to_be_signed;
}

std::vector<LintFinding> lint_crl(ByteView to_be_signed, Instant now) {
  std::vector<LintFinding> found;
  try {
    const x509::TbsCertList list = x509::parse_tbs_cert_list(to_be_signed);
    for (const CrlRule& row : kCrlRules) {
      Texts texts;
      row.check(list, now, texts);
      for (std::string& text : texts) {
        found.push_back({std::string(row.id), std::string(row.reference), LintSeverity::error, std::move(text)});
      }
    }
  } catch (const Error& error) {
    found.push_back({"rfc5280-crl-encoding", "RFC 5280 §5.1", LintSeverity::error, error.message()});
  }
  return found;
}

Bytes signed_crl(ByteView to_be_signed, const x509::Certificate& issuer, x509::Signer& key,
                 const x509::SignatureAlgorithm& algorithm, Instant now) {
  refuse_errors(lint_crl(to_be_signed, now));
  return assembled_crl(to_be_signed, issuer, algorithm, key.sign(to_be_signed, algorithm));
}

Bytes assembled_crl(ByteView to_be_signed, const x509::Certificate& issuer, const x509::SignatureAlgorithm& algorithm,
                    ByteView signature) {
  Bytes crl = x509::assemble(to_be_signed, algorithm, signature);
  if (!x509::is_signed_by(x509::parse_crl(crl).parts, issuer.spki())) {
    throw Error{ErrorKind::corrupt, "the CRL's signature does not verify with the issuer's key"};
  }
  return crl;
}

void expect_crl_signer(const x509::Certificate& issuer) {
  const auto& usage = issuer.content().key_usage;
  if (!usage || usage->has(x509::KeyUsage::crl_sign)) return;
  throw Error{ErrorKind::refused, fmt::format("{} may not sign CRLs: its key usage ({}) lacks cRLSign",
                                              issuer.subject().to_string(), x509::to_string(*usage))};
}

std::string distribution_point_of(const x509::TbsCertList& list) {
  const auto& point = list.issuing_distribution_point;
  return point && !point->urls.empty() ? point->urls.front() : std::string();
}

bool is_only_of_authorities(const x509::TbsCertList& list) {
  return list.issuing_distribution_point && list.issuing_distribution_point->only_authorities;
}

bool is_crl_of(ByteView file, const x509::Certificate& issuer) {
  try {
    const x509::CertificateList list = x509::parse_crl(x509::read_crl(file));
    return x509::likeness(list.tbs.issuer, issuer.subject()) <= x509::Likeness::other_spelling &&
           x509::is_signed_by(list.parts, issuer.spki());
  } catch (const Error&) {
    return false;
  }
}

std::uint64_t crl_number_of(ByteView crl, const x509::Certificate& issuer) {
  const x509::CertificateList list = x509::parse_crl(crl);
  if (x509::likeness(list.tbs.issuer, issuer.subject()) > x509::Likeness::other_spelling) {
    throw Error{ErrorKind::invalid_input, "it is a CRL of " + list.tbs.issuer.to_string()};
  }
  if (!x509::is_signed_by(list.parts, issuer.spki())) {
    throw Error{ErrorKind::invalid_input, "it is not signed by the CA's key"};
  }
  return crl_number(list.tbs);
}

std::uint64_t crl_number(const x509::TbsCertList& list) {
  if (!list.number) throw Error{ErrorKind::invalid_input, "it has no CRL number"};
  return number_in(*list.number);
}

}  // namespace hsmbridge::ca
