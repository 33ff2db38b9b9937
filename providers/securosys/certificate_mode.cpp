#include "providers/securosys/certificate_mode.h"

#include "base/error.h"
#include "providers/following.h"
#include "providers/objections.h"
#include "providers/securosys/signing.h"
#include "x509/content/extensions.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge::securosys {
namespace {

using providers::attributes_of;
using providers::Objections;

constexpr Duration kDay = std::chrono::hours{24};
constexpr Duration kClassicValidity = 90 * kDay;

struct UsageRow {
  x509::KeyUsage usage;
  std::string_view word;
};
constexpr auto kUsages = std::to_array<UsageRow>({
    {x509::KeyUsage::digital_signature, "DIGITAL_SIGNATURE"},
    {x509::KeyUsage::content_commitment, "CONTENT_COMMITMENT"},
    {x509::KeyUsage::key_encipherment, "KEY_ENCIPHERMENT"},
    {x509::KeyUsage::data_encipherment, "DATA_ENCIPHERMENT"},
    {x509::KeyUsage::key_agreement, "KEY_AGREEMENT"},
    {x509::KeyUsage::key_cert_sign, "KEY_CERT_SIGN"},
    {x509::KeyUsage::crl_sign, "CRL_SIGN"},
    {x509::KeyUsage::encipher_only, "ENCIPHER_ONLY"},
    {x509::KeyUsage::decipher_only, "DECIPHER_ONLY"},
});

struct OidRow {
  std::string_view oid;
  std::string_view word;
};
constexpr auto kExtendedUsages = std::to_array<OidRow>({
    {"2.5.29.37.0", "ANY_EXTENDED_KEY_USAGE"},
    {"1.3.6.1.5.5.7.3.1", "SERVER_AUTH"},
    {"1.3.6.1.5.5.7.3.2", "CLIENT_AUTH"},
    {"1.3.6.1.5.5.7.3.3", "CODE_SIGNING"},
    {"1.3.6.1.5.5.7.3.4", "EMAIL_PROTECTION"},
    {"1.3.6.1.5.5.7.3.8", "TIME_STAMPING"},
    {"1.3.6.1.5.5.7.3.9", "OCSP_SIGNING"},
});
// standardCertificateAttributes, in the order in which the TSB puts them into the DER.
constexpr auto kAttributes = std::to_array<OidRow>({
    {"2.5.4.44", "generationQualifier"},
    {"2.5.4.43", "initials"},
    {"2.5.4.42", "givenName"},
    {"2.5.4.4", "surname"},
    {"2.5.4.12", "title"},
    {"1.2.840.113549.1.9.1", "email"},
    {"2.5.4.6", "country"},
    {"2.5.4.8", "stateOrProvinceName"},
    {"2.5.4.7", "locality"},
    {"2.5.4.97", "organizationIdentifier"},
    {"2.5.4.10", "organizationName"},
    {"2.5.4.11", "organizationUnitName"},
    {"2.5.4.3", "commonName"},
});
struct NameRow {
  x509::GeneralNameKind kind;
  std::string_view prefix;
  std::string_view word;
};
constexpr auto kNames = std::to_array<NameRow>({
    {x509::GeneralNameKind::dns, "dns:", "DNS"},
    {x509::GeneralNameKind::ip, "ip:", "IP"},
    {x509::GeneralNameKind::uri, "uri:", "URI"},
    {x509::GeneralNameKind::email, "email:", "EMAIL"},
});

std::string_view word_of(const auto& table, std::string_view oid) {
  const OidRow* row = providers::row_with(table, &OidRow::oid, oid);
  return row == nullptr ? std::string_view() : row->word;
}

// A value that the TSB's unescaped DN text would carry as it is.
bool is_plain(std::string_view value) {
  if (value.empty() || value.front() == ' ' || value.front() == '#' || value.back() == ' ') return false;
  return std::none_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F ||
           std::string_view(",+=\"\\<>;").find(c) != std::string_view::npos;
  });
}

std::vector<std::string> common_names(const x509::Name& subject) {
  std::vector<std::string> result;
  for (const x509::NameAttribute& attribute : attributes_of(subject)) {
    if (attribute.type == x509::oids::kCommonName) result.push_back(attribute.value);
  }
  return result;
}

void check_subject(Generation generation, const x509::Name& subject, Objections& reasons) {
  const std::vector<std::string> names = common_names(subject);
  if (names.size() != 1) {
    reasons.add(fmt::format("the TSB requires exactly one common name; the subject \"{}\" has {}", subject.to_string(),
                            names.size()));
  }
  if (generation == Generation::classic) {
    for (const std::string& name : names) {
      if (!is_plain(name)) {
        reasons.add(
            fmt::format("the common name \"{}\" has characters that the TSB would read as a name's syntax", name));
      }
    }
    if (subject.relative_names().size() != 1 || subject.relative_names()[0].size() != 1) {
      reasons.unless_accepted(
          accepted::kSubject,
          fmt::format("of the subject \"{}\" the TSB carries the common name only", subject.to_string()));
    }
    return;
  }
  std::size_t last = 0;
  bool moved = false;
  std::vector<std::string_view> seen;
  for (const x509::RelativeName& relative : subject.relative_names()) moved = moved || relative.size() != 1;
  for (const x509::NameAttribute& attribute : attributes_of(subject)) {
    const auto row = std::find_if(kAttributes.begin(), kAttributes.end(),
                                  [&](const OidRow& entry) { return entry.oid == attribute.type.dotted(); });
    if (row == kAttributes.end()) {
      reasons.unless_accepted(accepted::kSubject,
                              fmt::format("the TSB does not carry {} in a subject", attribute.type.name()));
      continue;
    }
    if (!is_plain(attribute.value)) {
      reasons.add(fmt::format("{} \"{}\" has characters that the TSB would read as a name's syntax",
                              attribute.type.name(), attribute.value));
    }
    if (std::find(seen.begin(), seen.end(), row->oid) != seen.end()) {
      reasons.unless_accepted(accepted::kSubject,
                              fmt::format("the TSB carries one {} in a subject", attribute.type.name()));
    }
    seen.push_back(row->oid);
    const auto index = static_cast<std::size_t>(row - kAttributes.begin());
    moved = moved || index < last;
    last = index;
  }
  if (moved) {
    reasons.unless_accepted(
        accepted::kSubject,
        fmt::format("the TSB writes a subject in an order of its own, not \"{}\"", subject.to_string()));
  }
}

void check_names(Generation generation, const x509::Content& content, Objections& reasons) {
  std::string dropped;
  std::size_t carried = 0;
  for (const x509::GeneralName& name : content.subject_alternative_names) {
    const bool known =
        std::any_of(kNames.begin(), kNames.end(), [&](const NameRow& row) { return row.kind == name.kind; });
    if (generation == Generation::modern && known) {
      ++carried;
    } else {
      dropped += (dropped.empty() ? "" : ", ") + name.text;
    }
  }
  if (dropped.empty()) return;
  const std::string reason = "the TSB does not carry the alternative names " + dropped;
  // A certificate for half of the names is never the answer to a request.
  if (carried > 0) {
    reasons.add(reason);
  } else {
    reasons.unless_accepted(accepted::kAlternativeNames, reason);
  }
}

void check_usages(Generation generation, const x509::Content& content, Objections& reasons) {
  if (generation == Generation::classic) {
    if (content.key_usage) {
      reasons.unless_accepted(accepted::kUsage, fmt::format("the TSB may leave out the key usage ({})",
                                                            x509::to_string(*content.key_usage)));
    }
    if (!content.extended_key_usage.empty()) {
      reasons.unless_accepted(accepted::kExtendedUsage, "the TSB may leave out the extended key usage");
    }
  }
  for (const x509::Oid& usage : content.extended_key_usage) {
    if (word_of(kExtendedUsages, usage.dotted()).empty()) {
      reasons.unless_accepted(accepted::kOtherExtendedUsage,
                              fmt::format("the TSB does not know the extended key usage {}", usage.name()));
    }
  }
}

void check_other(Generation generation, const x509::Content& content, Objections& reasons) {
  if (content.basic_constraints) {
    if (content.basic_constraints->path_length) {
      reasons.unless_accepted(accepted::kConstraints, fmt::format("the TSB does not carry a path length ({})",
                                                                  x509::to_string(*content.basic_constraints)));
    }
    // A newer server writes them for a CA only; an older one may leave them out even there.
    if (!content.basic_constraints->ca || generation == Generation::classic) {
      reasons.unless_accepted(accepted::kNoConstraints, fmt::format("the TSB may leave out basic constraints ({})",
                                                                    x509::to_string(*content.basic_constraints)));
    }
  }
  if (content.name_constraints) {
    reasons.unless_accepted(accepted::kNameConstraints, "the TSB does not carry name constraints");
  }
  if (!content.policies.empty()) {
    reasons.unless_accepted(accepted::kPolicies, "the TSB does not carry certificate policies");
  }
  if (!content.tls_features.empty()) {
    reasons.unless_accepted(accepted::kTlsFeatures, "the TSB does not carry the TLS feature (must-staple)");
  }
  for (const x509::Extension& extension : content.other_extensions) {
    reasons.unless_accepted(accepted::kExtension,
                            fmt::format("the TSB does not carry the extension {}", extension.oid.name()));
  }
}

void check_validity(Generation generation, Duration asked, Objections& reasons) {
  if (generation == Generation::classic) {
    if (asked > Duration::zero() && asked != kClassicValidity) {
      reasons.unless_accepted(asked > kClassicValidity ? accepted::kShorter : accepted::kLonger,
                              fmt::format("the TSB gives 90 days, whatever is asked ({})", duration_text(asked)));
    }
    reasons.unless_accepted(accepted::kSerial, "the TSB gives every certificate the serial number 0");
    return;
  }
  if (asked % kDay != Duration::zero()) {
    reasons.add(fmt::format("the TSB counts validity in whole days, not {}", duration_text(asked)));
  }
}

void check_algorithm(const Settings& settings, Generation generation, const std::optional<x509::Certificate>& issuer,
                     Objections& reasons) {
  if (!issuer && settings.algorithm.empty()) return;
  try {
    const x509::SignatureAlgorithm& algorithm =
        issuer ? issuing_algorithm(settings, *issuer) : x509::signature_algorithm(settings.algorithm);
    if (!issues_certificates_with(algorithm.name, generation)) {
      reasons.add(fmt::format("the TSB issues no certificates with {}", algorithm.name));
    }
  } catch (const Error& error) {
    reasons.add(error.message());
  }
}

}  // namespace

std::vector<std::string> check_certificate_request(const Settings& settings, Generation generation,
                                                   const x509::RequestedContent& ask,
                                                   const std::optional<x509::Certificate>& issuer) {
  Objections reasons(ask);
  check_subject(generation, ask.content.subject, reasons);
  check_names(generation, ask.content, reasons);
  check_usages(generation, ask.content, reasons);
  check_other(generation, ask.content, reasons);
  check_validity(generation, ask.validity, reasons);
  check_algorithm(settings, generation, issuer, reasons);
  return reasons.take();
}

CertificateSignRequest certificate_sign_request(Generation generation, const x509::RequestedContent& ask,
                                                const x509::Csr& csr) {
  CertificateSignRequest request;
  const std::vector<std::string> names = common_names(ask.content.subject);
  if (names.size() != 1 || !is_plain(names[0])) {
    throw Error{ErrorKind::invalid_input, "the subject has no common name that the TSB can carry"};
  }
  request.common_name = names[0];
  request.certificate_authority = ask.content.basic_constraints && ask.content.basic_constraints->ca;
  request.csr_pem = x509::csr_to_pem(csr.der);
  if (ask.content.key_usage) {
    for (const UsageRow& row : kUsages) {
      if (ask.content.key_usage->has(row.usage)) request.key_usage.emplace_back(row.word);
    }
  }
  for (const x509::Oid& usage : ask.content.extended_key_usage) {
    if (const std::string_view word = word_of(kExtendedUsages, usage.dotted()); !word.empty()) {
      request.extended_key_usage.emplace_back(word);
    }
  }
  if (generation == Generation::classic) return request;

  CertificateSignRequest::Modern modern;
  for (const x509::NameAttribute& attribute : attributes_of(ask.content.subject)) {
    const std::string_view word = word_of(kAttributes, attribute.type.dotted());
    if (word.empty()) continue;
    if (!is_plain(attribute.value)) {
      throw Error{ErrorKind::invalid_input, fmt::format("the TSB cannot carry the value \"{}\"", attribute.value)};
    }
    modern.attributes.emplace_back(word, attribute.value);
  }
  for (const x509::GeneralName& name : ask.content.subject_alternative_names) {
    for (const NameRow& row : kNames) {
      if (row.kind == name.kind) modern.names.emplace_back(row.word, name.text.substr(row.prefix.size()));
    }
  }
  const Duration validity = ask.validity > Duration::zero() ? ask.validity : kClassicValidity;
  modern.validity_days = validity / kDay;
  request.modern = std::move(modern);
  return request;
}

std::string beside_csr(const Settings& settings) {
  std::string generation;  // "" is asked of the server
  if (settings.generation) generation = *settings.generation == Generation::classic ? "classic" : "modern";
  return providers::stored({{"url", settings.url},
                            {"sign_key", settings.sign_key},
                            {"algorithm", settings.algorithm},
                            {"generation", generation}});
}

}  // namespace hsmbridge::securosys
