#include "x509/judge/render.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"
#include "x509/objects/spki.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace hsmbridge::x509 {
namespace {

void line(std::string& to, std::string_view field, const std::string& value) {
  to += std::string(field) + ": " + value + "\n";
}

std::string mark(bool critical) {
  return critical ? " (critical)" : "";
}

// Extensions that Content has no place for: they are shown as they stand.
std::string plain_extension(const Extension& extension) {
  const std::string name = extension.oid.name();
  return name + (name == extension.oid.dotted() ? "" : " (" + extension.oid.dotted() + ")") + mark(extension.critical) +
         ": " + hex(extension.value);
}

// A field and its value each.
using Lines = std::vector<std::pair<std::string, std::string>>;

std::string uri_in(der::Reader& reader) {
  return to_text(reader.expect(der::context(6), "uniformResourceIdentifier").content);
}

// The addresses of CRLs, of OCSP responders and of issuers' certificates, in the form in which they are written here
// (one URI a point, the responders first). Nothing for any other form, which is shown whole.
std::optional<Lines> addresses(const Extension& extension) {
  Lines lines;
  std::vector<std::string> crls, responders, issuers;
  try {
    if (extension.oid == oids::kCrlDistributionPoints) {
      auto points = der::inside(extension.value, der::kSequence, "CRLDistributionPoints");
      while (!points.at_end()) {
        auto name = points.enter(der::kSequence, "DistributionPoint")
                        .enter(der::context_constructed(0), "distributionPoint")
                        .enter(der::context_constructed(0), "fullName");
        crls.push_back(uri_in(name));
        lines.emplace_back("CRL", printable(crls.back()));
      }
    } else if (extension.oid == oids::kAuthorityInfoAccess) {
      auto descriptions = der::inside(extension.value, der::kSequence, "AuthorityInfoAccessSyntax");
      while (!descriptions.at_end()) {
        auto description = descriptions.enter(der::kSequence, "AccessDescription");
        const bool ocsp = description.oid("accessMethod").dotted() == "1.3.6.1.5.5.7.48.1";
        auto& uris = ocsp ? responders : issuers;
        uris.push_back(uri_in(description));
        lines.emplace_back(ocsp ? "OCSP responder" : "Issuer's certificate", printable(uris.back()));
      }
    }
  } catch (const Error&) {
    return std::nullopt;
  }
  if (lines.empty()) return std::nullopt;
  const bool whole = extension.value ==
                     (crls.empty() ? authority_info_access(responders, issuers) : crl_distribution_points(crls)).value;
  return whole ? std::optional(std::move(lines)) : std::nullopt;
}

void render_extension(std::string& text, const Extension& extension) {
  if (const auto lines = addresses(extension)) {
    for (const auto& [field, value] : *lines) line(text, field + mark(extension.critical), value);
  } else {
    line(text, "Extension", plain_extension(extension));
  }
}

std::string identifier_text(const std::optional<Bytes>& identifier) {
  return identifier ? hex(*identifier) : "none";
}

constexpr const char* kReasons[] = {"unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
                                    "superseded",    "cessationOfOperation", "certificateHold", "7",
                                    "removeFromCRL", "privilegeWithdrawn",   "aACompromise"};

void render_key(std::string& text, ByteView spki) {
  line(text, "Public key", key_text(spki));
  line(text, "Public key SHA-256", spki_hash(spki).str());
}

// An AKI without a keyIdentifier is no Content and no field of ours: it is shown whole.
void render_authority(std::string& text, const std::vector<Extension>& extensions,
                      const std::optional<Bytes>& identifier) {
  for (const Extension& extension : extensions) {
    if (extension.oid != oids::kAuthorityKeyIdentifier) continue;
    const bool plain = identifier && authority_key_identifier(*identifier).value == extension.value;
    if (plain) {
      line(text, "Authority key identifier" + mark(extension.critical), identifier_text(identifier));
    } else {
      line(text, "Extension", plain_extension(extension));
    }
  }
}

Json name_texts(const std::vector<GeneralName>& names) {
  return Json::list(names, &GeneralName::text);
}

Json extensions_json(const std::vector<Extension>& extensions) {
  return Json::list(extensions, [](const Extension& extension) {
    return Json::object({{"oid", extension.oid.dotted()},
                         {"name", extension.oid.name()},
                         {"critical", extension.critical},
                         {"value", hex(extension.value)}});
  });
}

// Numbers of other people's certificates may not fit a JSON integer of ours.
Json number_json(std::uint64_t number) {
  return number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ? Json(number)
                                                                                        : Json(std::to_string(number));
}

Json key_json(ByteView spki) {
  return Json::object({{"kind", key_text(spki)}, {"sha256", spki_hash(spki).str()}});
}

}  // namespace

std::string render(const Content& content) {
  std::string text;
  const Content::Critical& critical = content.critical;
  line(text, "Subject", content.subject.empty() ? "(empty)" : content.subject.to_string());
  for (const GeneralName& name : content.subject_alternative_names) {
    line(text, "Alternative name" + mark(critical.subject_alternative_names), name.text);
  }
  if (content.basic_constraints) {
    line(text, "Basic constraints" + mark(critical.basic_constraints), to_string(*content.basic_constraints));
  }
  if (content.key_usage) line(text, "Key usage" + mark(critical.key_usage), to_string(*content.key_usage));
  if (!content.extended_key_usage.empty()) {
    line(text, "Extended key usage" + mark(critical.extended_key_usage),
         joined(content.extended_key_usage, ", ", &Oid::name));
  }
  if (content.name_constraints) {
    if (!content.name_constraints->permitted.empty()) {
      line(text, "Permitted names" + mark(critical.name_constraints),
           joined(content.name_constraints->permitted, ", ", &GeneralName::text));
    }
    if (!content.name_constraints->excluded.empty()) {
      line(text, "Excluded names" + mark(critical.name_constraints),
           joined(content.name_constraints->excluded, ", ", &GeneralName::text));
    }
  }
  for (const Policy& policy : content.policies) {
    line(text, "Certificate policy" + mark(critical.policies), to_string(policy));
  }
  if (!content.tls_features.empty()) {
    line(text, "TLS features" + mark(critical.tls_features),
         joined(content.tls_features, ", ", [](std::uint64_t feature) {
           return feature == 5    ? std::string("status_request")
                  : feature == 17 ? std::string("status_request_v2")
                                  : std::to_string(feature);
         }));
  }
  for (const Extension& extension : content.other_extensions) render_extension(text, extension);
  if (content.subject_key_identifier) {
    line(text, "Subject key identifier" + mark(critical.subject_key_identifier), hex(*content.subject_key_identifier));
  }
  if (content.challenge_password) line(text, "Challenge password", printable(*content.challenge_password));
  return text;
}

std::string render(const Csr& csr) {
  std::string text = render(csr.content);
  for (const RequestAttribute& attribute : csr.other_attributes) {
    line(text, "Attribute", attribute.type.name() + ": " + hex(attribute.values));
  }
  render_key(text, csr.spki);
  line(text, "Signature",
       algorithm_text(csr.parts.signature_algorithm) + ", " + to_string(check_signature(csr.parts, csr.spki)));
  return text;
}

std::string render(const TbsCertificate& tbs) {
  std::string text = render(tbs.content);
  line(text, "Issuer", tbs.issuer.empty() ? "(empty)" : tbs.issuer.to_string());
  line(text, "Serial number", serial_text(tbs.serial));
  line(text, "Valid from", rfc3339(tbs.validity.not_before));
  line(text, "Valid until",
       rfc3339(tbs.validity.not_after) + " (" + spoken(tbs.validity.not_after - tbs.validity.not_before) + ")");
  render_authority(text, tbs.extensions, tbs.authority_key_identifier);
  if (tbs.has_unique_identifiers) line(text, "Unique identifiers", "present");
  if (tbs.version != 3) line(text, "Version", std::to_string(tbs.version));
  render_key(text, tbs.spki);
  line(text, "Signature algorithm", algorithm_text(tbs.signature_algorithm));
  return text;
}

std::string render(const Certificate& certificate) {
  std::string text = render(certificate.tbs);
  line(text, "Certificate SHA-256", hex(sha256(certificate.der)));
  return text;
}

std::string render(const TbsCertList& list) {
  std::string text;
  line(text, "Issuer", list.issuer.to_string());
  line(text, "This update", rfc3339(list.this_update));
  line(text, "Next update", list.next_update ? rfc3339(*list.next_update) : "not stated");
  if (list.number) line(text, "CRL number", serial_text(*list.number));
  if (list.issuing_distribution_point && list.issuing_distribution_point->only_authorities) {
    line(text, "About", "the certificates of CAs alone (onlyContainsCACerts)");
  }
  render_authority(text, list.extensions, list.authority_key_identifier);
  for (const Extension& extension : list.extensions) {
    if (extension.oid == oids::kAuthorityKeyIdentifier || (extension.oid == oids::kCrlNumber && !extension.critical)) {
      continue;
    }
    line(text, "Extension", plain_extension(extension));
  }
  line(text, "Signature algorithm", algorithm_text(list.signature_algorithm));
  line(text, "Revoked certificates", std::to_string(list.revoked.size()));
  for (const RevokedCertificate& revoked : list.revoked) {
    std::string entry = serial_text(revoked.serial) + " at " + rfc3339(revoked.revoked_at);
    if (revoked.reason) entry += std::string(", ") + kReasons[*revoked.reason];
    for (const Extension& extension : revoked.extensions) {
      if (extension.oid != oids::kReasonCode) entry += ", " + plain_extension(extension);
    }
    line(text, "Revoked", entry);
  }
  return text;
}

Json to_json(const Content& content) {
  Json json = Json::object({{"subject", content.subject.to_string()},
                            {"subject_der", hex(content.subject.der())},
                            {"subject_alternative_names", name_texts(content.subject_alternative_names)}});
  if (content.key_usage) {
    json.set("key_usage", Json::list(content.key_usage->all(), [](KeyUsage usage) { return to_string(usage); }));
  }
  if (!content.extended_key_usage.empty()) {
    json.set("extended_key_usage", Json::list(content.extended_key_usage, &Oid::name));
  }
  if (content.basic_constraints) {
    Json constraints = Json::object({{"ca", content.basic_constraints->ca}});
    if (content.basic_constraints->path_length) {
      constraints.set("path_length", number_json(*content.basic_constraints->path_length));
    }
    json.set("basic_constraints", std::move(constraints));
  }
  if (content.name_constraints) {
    json.set("name_constraints", Json::object({{"permitted", name_texts(content.name_constraints->permitted)},
                                               {"excluded", name_texts(content.name_constraints->excluded)}}));
  }
  if (!content.policies.empty()) {
    json.set("policies", Json::list(content.policies, [](const Policy& policy) { return to_string(policy); }));
  }
  if (!content.tls_features.empty()) json.set("tls_features", Json::list(content.tls_features, number_json));
  if (content.subject_key_identifier) json.set("subject_key_identifier", hex(*content.subject_key_identifier));
  if (!content.other_extensions.empty()) json.set("other_extensions", extensions_json(content.other_extensions));
  if (content.challenge_password) json.set("challenge_password", *content.challenge_password);
  return json;
}

Json to_json(const Csr& csr) {
  const SignatureCheck check = check_signature(csr.parts, csr.spki);
  // null: it cannot be checked here.
  Json verifies;
  if (check.verdict != SignatureVerdict::cannot_be_checked) verifies = check.verdict == SignatureVerdict::verifies;
  Json json = Json::object({{"content", to_json(csr.content)},
                            {"public_key", key_json(csr.spki)},
                            {"signature_algorithm", algorithm_text(csr.parts.signature_algorithm)},
                            {"signature_verifies", std::move(verifies)},
                            {"sha256", hex(sha256(csr.der))}});
  if (!check.why.empty()) json.set("signature_note", check.why);
  return json;
}

Json to_json(const TbsCertificate& tbs) {
  Json json = Json::object({{"version", static_cast<int>(tbs.version)},
                            {"serial", serial_text(tbs.serial)},
                            {"issuer", tbs.issuer.to_string()},
                            {"issuer_der", hex(tbs.issuer.der())},
                            {"not_before", rfc3339(tbs.validity.not_before)},
                            {"not_after", rfc3339(tbs.validity.not_after)},
                            {"content", to_json(tbs.content)},
                            {"public_key", key_json(tbs.spki)},
                            {"signature_algorithm", algorithm_text(tbs.signature_algorithm)}});
  if (tbs.authority_key_identifier) json.set("authority_key_identifier", hex(*tbs.authority_key_identifier));
  json.set("extensions", extensions_json(tbs.extensions));
  return json;
}

Json to_json(const Certificate& certificate) {
  Json json = to_json(certificate.tbs);
  json.set("sha256", hex(sha256(certificate.der)));
  return json;
}

Json to_json(const TbsCertList& list) {
  Json json = Json::object({{"issuer", list.issuer.to_string()}, {"this_update", rfc3339(list.this_update)}});
  if (list.next_update) json.set("next_update", rfc3339(*list.next_update));
  if (list.number) json.set("number", serial_text(*list.number));
  json.set("extensions", extensions_json(list.extensions));
  json.set("revoked", Json::list(list.revoked, [](const RevokedCertificate& one) {
             Json entry = Json::object({{"serial", serial_text(one.serial)}, {"revoked_at", rfc3339(one.revoked_at)}});
             if (one.reason) entry.set("reason", kReasons[*one.reason]);
             return entry;
           }));
  return json;
}

}  // namespace hsmbridge::x509
