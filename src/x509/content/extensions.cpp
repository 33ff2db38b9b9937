#include "x509/content/extensions.h"

#include "base/error.h"
#include "x509/asn1/bounds.h"
#include "x509/asn1/der.h"
#include "x509/content/policies.h"

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

Bytes encode_general_names(const std::vector<GeneralName>& names) {
  Bytes content;
  for (const GeneralName& name : names) der::append(content, name.der);
  return der::element(der::kSequence, content);
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
  der::Reader outer(value);
  der::Reader sequence = outer.enter(der::kSequence, "BasicConstraints");
  outer.expect_end("BasicConstraints");
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
  der::Reader outer(value);
  der::Reader sequence = outer.enter(der::kSequence, what);
  outer.expect_end(what);
  std::vector<Item> list;
  while (!sequence.at_end()) list.push_back(read(sequence));
  if (list.empty()) throw Error{ErrorKind::invalid_input, std::string(what) + ": an empty list"};
  return list;
}

Extension make(const Oid& oid, bool critical, Bytes value) {
  return Extension{oid, critical, std::move(value)};
}

void apply(Content& content, const Extension& extension) {
  const Oid& oid = extension.oid;
  const ByteView value = extension.value;
  Content::Critical& critical = content.critical;
  if (oid == oids::kSubjectAltName) {
    content.subject_alternative_names = decode_general_names(value, "SubjectAltName");
    critical.subject_alternative_names = extension.critical;
  } else if (oid == oids::kKeyUsage) {
    content.key_usage = decode_key_usage(value);
    critical.key_usage = extension.critical;
  } else if (oid == oids::kExtendedKeyUsage) {
    content.extended_key_usage =
        decode_list<Oid>(value, "ExtKeyUsageSyntax", [](der::Reader& reader) { return reader.oid("KeyPurposeId"); });
    critical.extended_key_usage = extension.critical;
  } else if (oid == oids::kBasicConstraints) {
    content.basic_constraints = decode_basic_constraints(value);
    critical.basic_constraints = extension.critical;
  } else if (oid == oids::kNameConstraints) {
    der::Reader outer(value);
    der::Reader sequence = outer.enter(der::kSequence, "NameConstraints");
    outer.expect_end("NameConstraints");
    NameConstraints constraints;
    constraints.permitted = decode_subtrees(sequence, 0);
    constraints.excluded = decode_subtrees(sequence, 1);
    sequence.expect_end("NameConstraints");
    content.name_constraints = std::move(constraints);
    critical.name_constraints = extension.critical;
  } else if (oid == oids::kCertificatePolicies) {
    content.policies = decode_list<Policy>(value, "CertificatePolicies", decode_policy);
    critical.policies = extension.critical;
  } else if (oid == oids::kTlsFeature) {
    content.tls_features = decode_list<std::uint64_t>(
        value, "TLS feature", [](der::Reader& reader) { return reader.small_integer("TLS feature"); });
    critical.tls_features = extension.critical;
  } else if (oid == oids::kSubjectKeyIdentifier) {
    const der::Element element = der::only(value, "SubjectKeyIdentifier");
    if (element.tag != der::kOctetString) throw Error{ErrorKind::invalid_input, "no OCTET STRING"};
    content.subject_key_identifier = Bytes(element.content.begin(), element.content.end());
    critical.subject_key_identifier = extension.critical;
  } else {
    content.other_extensions.push_back(extension);
  }
}

Bytes uri_name(const std::string& uri) {
  return GeneralName::parse("uri:" + uri).der;
}

}  // namespace

std::vector<Extension> extensions_of(const Content& content) {
  std::vector<Extension> list;
  const Content::Critical& critical = content.critical;
  if (content.basic_constraints) {
    list.push_back(make(oids::kBasicConstraints, critical.basic_constraints,
                        encode_basic_constraints(*content.basic_constraints)));
  }
  if (content.key_usage) {
    list.push_back(make(oids::kKeyUsage, critical.key_usage, der::named_bits(content.key_usage->bits)));
  }
  if (!content.extended_key_usage.empty()) {
    Bytes purposes;
    for (const Oid& oid : content.extended_key_usage) der::append(purposes, der::oid(oid));
    list.push_back(make(oids::kExtendedKeyUsage, critical.extended_key_usage, der::element(der::kSequence, purposes)));
  }
  if (!content.subject_alternative_names.empty()) {
    list.push_back(make(oids::kSubjectAltName, critical.subject_alternative_names || content.subject.empty(),
                        encode_general_names(content.subject_alternative_names)));
  }
  if (content.name_constraints) {
    list.push_back(make(oids::kNameConstraints, critical.name_constraints,
                        der::sequence(encode_subtrees(0, content.name_constraints->permitted),
                                      encode_subtrees(1, content.name_constraints->excluded))));
  }
  if (!content.policies.empty()) {
    Bytes policies;
    for (const Policy& policy : content.policies) der::append(policies, encode_policy(policy));
    list.push_back(make(oids::kCertificatePolicies, critical.policies, der::element(der::kSequence, policies)));
  }
  if (!content.tls_features.empty()) {
    Bytes features;
    for (const std::uint64_t feature : content.tls_features) der::append(features, der::integer(feature));
    list.push_back(make(oids::kTlsFeature, critical.tls_features, der::element(der::kSequence, features)));
  }
  list.insert(list.end(), content.other_extensions.begin(), content.other_extensions.end());
  if (content.subject_key_identifier) {
    list.push_back(make(oids::kSubjectKeyIdentifier, critical.subject_key_identifier,
                        der::octet_string(*content.subject_key_identifier)));
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
  der::Reader outer(der);
  der::Reader sequence = outer.enter(der::kSequence, "Extensions");
  outer.expect_end("Extensions");
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
    try {
      apply(content, extension);
    } catch (Error& error) {
      throw error.prefix("extension " + extension.oid.name());
    }
  }
}

Extension authority_key_identifier(ByteView key_identifier) {
  return make(oids::kAuthorityKeyIdentifier, false, der::sequence(der::element(der::context(0), key_identifier)));
}

std::optional<Bytes> key_identifier_of_authority(ByteView value) {
  der::Reader outer(value);
  der::Reader sequence = outer.enter(der::kSequence, "AuthorityKeyIdentifier");
  outer.expect_end("AuthorityKeyIdentifier");
  const auto identifier = sequence.optional(der::context(0), "keyIdentifier");
  sequence.optional(der::context_constructed(1), "authorityCertIssuer");
  sequence.optional(der::context(2), "authorityCertSerialNumber");
  sequence.expect_end("AuthorityKeyIdentifier");
  if (!identifier) return std::nullopt;
  return Bytes(identifier->content.begin(), identifier->content.end());
}

Extension crl_distribution_points(const std::vector<std::string>& uris) {
  Bytes points;
  for (const std::string& uri : uris) {
    // DistributionPoint { distributionPoint [0] { fullName [0] GeneralNames } }
    der::append(points, der::sequence(der::constructed(der::context_constructed(0),
                                                       der::constructed(der::context_constructed(0), uri_name(uri)))));
  }
  return make(oids::kCrlDistributionPoints, false, der::element(der::kSequence, points));
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
  return make(oids::kAuthorityInfoAccess, false, der::element(der::kSequence, descriptions));
}

}  // namespace hsmbridge::x509
