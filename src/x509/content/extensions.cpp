#include "x509/content/extensions.h"

#include "base/error.h"
#include "x509/asn1/bounds.h"
#include "x509/asn1/der.h"
#include "x509/content/policies.h"

#include <functional>
#include <set>
#include <string>

namespace hsmbridge::x509 {
namespace {

constexpr const char* kOcsp = "1.3.6.1.5.5.7.48.1";  // RFC 5280 §4.2.2.1
constexpr const char* kCaIssuers = "1.3.6.1.5.5.7.48.2";

void refuse_more(const std::vector<GeneralName>& names) {
  if (names.size() < kMostNames) return;
  throw Error{ErrorKind::invalid_input, "more than " + std::to_string(kMostNames) + " names, which are not read"};
}

std::vector<GeneralName> decode_general_names(ByteView value, std::string_view what) {
  der::Reader sequence(der::only(value, what).content);
  if (value[0] != der::kSequence) throw Error{ErrorKind::invalid_input, std::string(what) + ": no SEQUENCE"};
  std::vector<GeneralName> names;
  while (!sequence.at_end()) {
    refuse_more(names);
    names.push_back(GeneralName::from_der(sequence.any(what).whole));
  }
  if (names.empty()) throw Error{ErrorKind::invalid_input, std::string(what) + ": it holds no name"};
  return names;
}

Bytes encode_subtrees(unsigned number, const std::vector<GeneralName>& bases) {
  if (bases.empty()) return {};
  Bytes content;
  for (const GeneralName& base : bases) der::append(content, der::sequence(base.der));
  return der::element(der::context_constructed(number), content);
}

std::vector<GeneralName> decode_subtrees(der::Reader& reader, unsigned number) {
  std::vector<GeneralName> bases;
  const auto element = reader.optional(der::context_constructed(number), "name constraints");
  if (!element) return bases;
  der::Reader subtrees(element->content);
  if (subtrees.at_end()) throw Error{ErrorKind::invalid_input, "an empty list of names"};
  while (!subtrees.at_end()) {
    refuse_more(bases);
    der::Reader subtree = subtrees.enter(der::kSequence, "GeneralSubtree");
    bases.push_back(GeneralName::constraint_from_der(subtree.any("GeneralSubtree base").whole));
    // RFC 5280 §4.2.1.10: minimum is 0 (the default, so absent) and maximum is absent.
    subtree.expect_end("GeneralSubtree");
  }
  return bases;
}

Bytes encode_basic_constraints(const BasicConstraints& constraints) {
  // cA is FALSE by default: DER omits a default.
  return der::sequence(constraints.ca ? der::boolean(true) : Bytes{},
                       constraints.path_length ? der::integer(*constraints.path_length) : Bytes{});
}

BasicConstraints decode_basic_constraints(ByteView value) {
  der::Reader sequence = der::inside(value, der::kSequence, "BasicConstraints");
  BasicConstraints constraints;
  // A stated FALSE is not DER, but common enough to be read.
  if (sequence.peek() == der::kBoolean) constraints.ca = sequence.boolean("cA");
  if (sequence.peek() == der::kInteger) constraints.path_length = sequence.small_integer("pathLenConstraint");
  sequence.expect_end("BasicConstraints");
  return constraints;
}

KeyUsages decode_key_usage(ByteView value) {
  const der::Element element = der::only(value, "KeyUsage");
  const ByteView content = element.content;
  if (element.tag != der::kBitString || content.empty() || content[0] > 7 || (content.size() == 1 && content[0] != 0)) {
    throw Error{ErrorKind::invalid_input, "KeyUsage: no BIT STRING"};
  }
  KeyUsages usages;
  for (std::size_t bit = 0; bit < (content.size() - 1) * 8; ++bit) {
    if ((content[1 + bit / 8] & (0x80U >> (bit % 8))) == 0) continue;
    if (bit > 8) throw Error{ErrorKind::invalid_input, "KeyUsage: bit " + std::to_string(bit) + " has no meaning"};
    usages.add(static_cast<KeyUsage>(bit));
  }
  return usages;
}

template <class Item, class Read>
std::vector<Item> decode_list(ByteView value, std::string_view what, Read read) {
  der::Reader sequence = der::inside(value, der::kSequence, what);
  std::vector<Item> list;
  while (!sequence.at_end()) list.push_back(read(sequence));
  if (list.empty()) throw Error{ErrorKind::invalid_input, std::string(what) + ": an empty list"};
  return list;
}

NameConstraints decode_name_constraints(ByteView value) {
  der::Reader sequence = der::inside(value, der::kSequence, "NameConstraints");
  NameConstraints constraints;
  constraints.permitted = decode_subtrees(sequence, 0);
  constraints.excluded = decode_subtrees(sequence, 1);
  sequence.expect_end("NameConstraints");
  return constraints;
}

Bytes decode_octets(ByteView value) {
  const der::Element element = der::only(value, "SubjectKeyIdentifier");
  if (element.tag != der::kOctetString) throw Error{ErrorKind::invalid_input, "no OCTET STRING"};
  return to_bytes(element.content);
}

template <class List, class Encode>
Bytes encode_list(const List& list, Encode encode) {
  Bytes content;
  for (const auto& item : list) der::append(content, encode(item));
  return der::element(der::kSequence, content);
}

using C = Content;
using Critical = Content::Critical;

// In the order in which they are written; the subject's key identifier after those without a field.
constexpr ContentExtension kFields[] = {
    {&oids::kBasicConstraints, "basic constraints", &Critical::basic_constraints,
     [](const C& c) { return c.basic_constraints.has_value(); },
     [](const C& c) { return encode_basic_constraints(*c.basic_constraints); },
     [](C& c, ByteView value) { c.basic_constraints = decode_basic_constraints(value); }},
    {&oids::kKeyUsage, "key usage", &Critical::key_usage, [](const C& c) { return c.key_usage.has_value(); },
     [](const C& c) { return der::named_bits(c.key_usage->bits); },
     [](C& c, ByteView value) { c.key_usage = decode_key_usage(value); }},
    {&oids::kExtendedKeyUsage, "extended key usage", &Critical::extended_key_usage,
     [](const C& c) { return !c.extended_key_usage.empty(); },
     [](const C& c) { return encode_list(c.extended_key_usage, der::oid); },
     [](C& c, ByteView value) {
       c.extended_key_usage =
           decode_list<Oid>(value, "ExtKeyUsageSyntax", [](der::Reader& reader) { return reader.oid("KeyPurposeId"); });
     }},
    {&oids::kSubjectAltName, "subject alternative names", &Critical::subject_alternative_names,
     [](const C& c) { return !c.subject_alternative_names.empty(); },
     [](const C& c) { return encode_list(c.subject_alternative_names, std::mem_fn(&GeneralName::der)); },
     [](C& c, ByteView value) { c.subject_alternative_names = decode_general_names(value, "SubjectAltName"); }},
    {&oids::kNameConstraints, "name constraints", &Critical::name_constraints,
     [](const C& c) { return c.name_constraints.has_value(); },
     [](const C& c) {
       return der::sequence(encode_subtrees(0, c.name_constraints->permitted),
                            encode_subtrees(1, c.name_constraints->excluded));
     },
     [](C& c, ByteView value) { c.name_constraints = decode_name_constraints(value); }},
    {&oids::kCertificatePolicies, "certificate policies", &Critical::policies,
     [](const C& c) { return !c.policies.empty(); }, [](const C& c) { return encode_list(c.policies, encode_policy); },
     [](C& c, ByteView value) { c.policies = decode_list<Policy>(value, "CertificatePolicies", decode_policy); }},
    {&oids::kTlsFeature, "TLS features", &Critical::tls_features, [](const C& c) { return !c.tls_features.empty(); },
     [](const C& c) { return encode_list(c.tls_features, der::integer); },
     [](C& c, ByteView value) {
       c.tls_features = decode_list<std::uint64_t>(
           value, "TLS feature", [](der::Reader& reader) { return reader.small_integer("TLS feature"); });
     }},
    {&oids::kSubjectKeyIdentifier, "subject key identifier", &Critical::subject_key_identifier,
     [](const C& c) { return c.subject_key_identifier.has_value(); },
     [](const C& c) { return der::octet_string(*c.subject_key_identifier); },
     [](C& c, ByteView value) { c.subject_key_identifier = decode_octets(value); }},
};

void apply(Content& content, const Extension& extension) {
  for (const ContentExtension& row : kFields) {
    if (*row.oid != extension.oid) continue;
    row.decode(content, extension.value);
    content.critical.*row.critical = extension.critical;
    return;
  }
  content.other_extensions.push_back(extension);
}

Bytes uri_name(const std::string& uri) {
  return GeneralName::parse("uri:" + uri).der;
}

// DistributionPoint and IssuingDistributionPoint { distributionPoint [0] { fullName [0] GeneralNames } }.
Bytes distribution_point(const std::string& uri) {
  return der::sequence(
      der::constructed(der::context_constructed(0), der::constructed(der::context_constructed(0), uri_name(uri))));
}

}  // namespace

std::span<const ContentExtension> content_extensions() {
  return kFields;
}

bool marked_critical(const Content& content, const ContentExtension& row) {
  return content.critical.*row.critical || (*row.oid == oids::kSubjectAltName && content.subject.empty());
}

std::vector<Extension> extensions_of(const Content& content) {
  std::vector<Extension> list;
  for (const ContentExtension& row : kFields) {
    if (*row.oid == oids::kSubjectKeyIdentifier) {
      list.insert(list.end(), content.other_extensions.begin(), content.other_extensions.end());
    }
    if (row.present(content)) list.push_back({*row.oid, marked_critical(content, row), row.encode(content)});
  }
  return list;
}

Bytes encode_extensions(const std::vector<Extension>& extensions) {
  Bytes content;
  for (const Extension& extension : extensions) {
    der::append(content, der::sequence(der::oid(extension.oid), extension.critical ? der::boolean(true) : Bytes{},
                                       der::octet_string(extension.value)));
  }
  return der::element(der::kSequence, content);
}

std::vector<Extension> decode_extensions(ByteView der) {
  der::Reader sequence = der::inside(der, der::kSequence, "Extensions");
  std::vector<Extension> list;
  std::set<Oid> seen;
  while (!sequence.at_end()) {
    der::Reader one = sequence.enter(der::kSequence, "Extension");
    Extension extension;
    extension.oid = one.oid("Extension extnID");
    if (one.peek() == der::kBoolean) extension.critical = one.boolean("Extension critical");
    const ByteView value = one.octet_string("Extension extnValue");
    extension.value.assign(value.begin(), value.end());
    one.expect_end("Extension");
    if (!seen.insert(extension.oid).second) {
      throw Error{ErrorKind::invalid_input, "extension " + extension.oid.name() + " is there twice"};
    }
    list.push_back(std::move(extension));
  }
  return list;
}

void apply_extensions(Content& content, const std::vector<Extension>& extensions) {
  for (const Extension& extension : extensions) {
    prefixed("extension " + extension.oid.name(), [&] { apply(content, extension); });
  }
}

Extension authority_key_identifier(ByteView key_identifier) {
  return {oids::kAuthorityKeyIdentifier, false, der::sequence(der::element(der::context(0), key_identifier))};
}

std::optional<Bytes> key_identifier_of_authority(ByteView value) {
  der::Reader sequence = der::inside(value, der::kSequence, "AuthorityKeyIdentifier");
  const auto identifier = sequence.optional(der::context(0), "keyIdentifier");
  sequence.optional(der::context_constructed(1), "authorityCertIssuer");
  sequence.optional(der::context(2), "authorityCertSerialNumber");
  sequence.expect_end("AuthorityKeyIdentifier");
  if (!identifier) return std::nullopt;
  return Bytes(identifier->content.begin(), identifier->content.end());
}

Extension crl_distribution_points(const std::vector<std::string>& uris) {
  Bytes points;
  for (const std::string& uri : uris) der::append(points, distribution_point(uri));
  return {oids::kCrlDistributionPoints, false, der::element(der::kSequence, points)};
}

Extension issuing_distribution_point(const std::string& uri) {
  return {oids::kIssuingDistributionPoint, true, distribution_point(uri)};
}

Extension issuing_distribution_point_of_authorities() {
  const Bytes yes{0xff};
  return {oids::kIssuingDistributionPoint, true, der::sequence(der::element(der::context(2), yes))};
}

std::vector<std::string> urls_of_distribution_point(ByteView name) {
  constexpr unsigned kUri = 6;
  std::vector<std::string> urls;
  der::Reader choice(name);
  // nameRelativeToCRLIssuer [1] is the other one, and nobody uses it.
  const auto full_name = choice.optional(der::context_constructed(0), "fullName");
  if (!full_name) return urls;
  der::Reader names(full_name->content);
  while (!names.at_end()) {
    const der::Element one = names.any("GeneralName");
    if (one.tag == der::context(kUri)) urls.emplace_back(as_text(one.content));
  }
  return urls;
}

std::vector<std::string> crl_urls(ByteView value) {
  std::vector<std::string> urls;
  der::Reader points = der::inside(value, der::kSequence, "CRLDistributionPoints");
  while (!points.at_end()) {
    der::Reader point = points.enter(der::kSequence, "DistributionPoint");
    const auto name = point.optional(der::context_constructed(0), "distributionPoint");
    if (!name) continue;
    for (std::string& url : urls_of_distribution_point(name->content)) urls.push_back(std::move(url));
  }
  return urls;
}

Extension authority_info_access(const std::vector<std::string>& ocsp_uris,
                                const std::vector<std::string>& issuer_uris) {
  Bytes descriptions;
  for (const std::string& uri : ocsp_uris) {
    der::append(descriptions, der::sequence(der::oid(Oid(kOcsp)), uri_name(uri)));
  }
  for (const std::string& uri : issuer_uris) {
    der::append(descriptions, der::sequence(der::oid(Oid(kCaIssuers)), uri_name(uri)));
  }
  return {oids::kAuthorityInfoAccess, false, der::element(der::kSequence, descriptions)};
}

}  // namespace hsmbridge::x509
