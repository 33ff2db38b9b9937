#include "x509/judge/check_content.h"

#include "base/error.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"
#include "x509/content/policies.h"
#include "x509/judge/finding_collector.h"
#include "x509/judge/same_name.h"
#include "x509/objects/certificate.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hsmbridge::x509 {
namespace {

std::set<std::string> keys_of(const std::vector<GeneralName>& names) {
  std::set<std::string> keys;
  for (const GeneralName& name : names) keys.insert(comparison_key(name));
  return keys;
}

void check_names(FindingCollector& judge, const Content& asked, const Content& found) {
  const auto wanted = keys_of(asked.subject_alternative_names);
  const auto in_subject = keys_of(names_in_subject(asked.subject));
  const auto there = keys_of(found.subject_alternative_names);
  std::vector<std::string> missing;
  for (const GeneralName& name : asked.subject_alternative_names) {
    if (there.count(comparison_key(name)) == 0) missing.push_back(name.text);
  }
  std::vector<std::string> unrequested;
  std::vector<std::string> copied;
  for (const GeneralName& name : found.subject_alternative_names) {
    const std::string key = comparison_key(name);
    if (wanted.count(key) != 0) continue;
    (in_subject.count(key) != 0 ? copied : unrequested).push_back(name.text);
  }
  if (!missing.empty()) {
    judge.note(there.empty() ? "san-dropped" : "san-missing", "asked " + listed(missing) + ", which is not there");
  }
  if (!unrequested.empty()) judge.note("san-unrequested", "not asked, found " + listed(unrequested));
  if (!copied.empty()) judge.note("san-from-subject", "asked in the subject only, found as well " + listed(copied));
}

std::vector<std::string> common_names(const Name& subject) {
  std::vector<std::string> names;
  for (const RelativeName& relative_name : subject.relative_names()) {
    for (const NameAttribute& attribute : relative_name) {
      if (attribute.type == oids::kCommonName) names.push_back(attribute.value);
    }
  }
  return names;
}

// A profile that accepts another subject gives no leave for another host: some programs still look at common names.
void check_common_names(FindingCollector& judge, const Content& asked, const Content& found) {
  std::set<std::string> wanted;
  for (const std::string& name : common_names(asked.subject)) wanted.insert(folded_common_name(name));
  for (const GeneralName& name : asked.subject_alternative_names) {
    const std::size_t colon = name.text.find(':');
    wanted.insert(folded_common_name(std::string_view(name.text).substr(colon + 1)));
  }
  std::vector<std::string> strange;
  for (const std::string& name : common_names(found.subject)) {
    if (wanted.count(folded_common_name(name)) == 0) strange.push_back("\"" + name + "\"");
  }
  if (!strange.empty()) judge.note("common-name-changed", "not asked, found the common name " + listed(strange));
}

void check_subject(FindingCollector& judge, const Content& asked, const Content& found) {
  const std::string there = "\"" + found.subject.to_string() + "\"";
  const std::string both = asked_found("\"" + asked.subject.to_string() + "\"", there);
  switch (likeness(asked.subject, found.subject)) {
    case Likeness::same_bytes:
      return;
    case Likeness::other_string_types:
      judge.note("subject-encoding-changed", there + " is written in other ASN.1 string types than asked");
      return;
    case Likeness::other_spelling:
      judge.note("subject-case-changed", both);
      return;
    case Likeness::other_order:
      judge.note("subject-order-changed", both);
      return;
    case Likeness::different:
      judge.note("subject-changed", both);
      check_common_names(judge, asked, found);
      return;
  }
}

// One field that is there or not, on both sides.
template <class Value, class Text>
void check_field(FindingCollector& judge, const std::string& field, const std::optional<Value>& asked,
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

// A list whose order has no meaning: what is compared, and what a person reads of it.
using Items = std::map<std::string, std::string>;

std::string shown(const Items& items) {
  std::vector<std::string> texts;
  for (const auto& [key, text] : items) texts.push_back(text);
  return listed(texts);
}

Items without(const Items& items, const Items& others) {
  Items rest;
  for (const auto& item : items) {
    if (others.count(item.first) == 0) rest.insert(item);
  }
  return rest;
}

// Losses of what was asked for; what came in addition is the answer.
Items check_list(FindingCollector& judge, const std::string& field, const Items& asked, const Items& found) {
  if (!asked.empty() && found.empty()) {
    judge.note(field + "-missing", asked_found(shown(asked), "nothing"));
  } else if (const Items lost = without(asked, found); !lost.empty()) {
    judge.note(field + "-changed", asked_found(shown(asked), shown(found)) + ": " + shown(lost) + " is missing");
  }
  return without(found, asked);
}

void check_added(FindingCollector& judge, const std::string& field, const Items& added) {
  if (!added.empty()) judge.note(field + "-added", "not asked, found " + shown(added));
}

Items items_of(const std::optional<KeyUsages>& usages) {
  Items items;
  for (const KeyUsage usage : usages.value_or(KeyUsages{}).all()) {
    items[std::to_string(static_cast<unsigned>(usage))] = to_string(usage);
  }
  return items;
}

// Extended key usages that nobody asked for and that are more than another word for the names in the certificate:
// OID, finding
struct PowerRow {
  std::string_view oid;
  std::string_view finding;
};
constexpr PowerRow kPowers[] = {
    {"2.5.29.37.0", "any-extended-key-usage-added"}, {"1.3.6.1.4.1.311.10.12.1", "any-extended-key-usage-added"},
    {"1.3.6.1.5.5.7.3.3", "code-signing-added"},     {"1.3.6.1.5.5.7.3.8", "time-stamping-added"},
    {"1.3.6.1.5.5.7.3.9", "ocsp-signing-added"},
};
// Extended key usages that templates add and that only let the holder of the key prove the names in the certificate,
// which were compared: to a TLS peer, as the sender of mail (which needs a mail address among those names), to an IPsec
// peer; and two old names for TLS servers. Everything else (a smart card's logon, an agent that enrols for others,
// documents, what is not known here) is a power of its own.
constexpr std::string_view kHarmless[] = {
    "1.3.6.1.5.5.7.3.1",       // serverAuth
    "1.3.6.1.5.5.7.3.2",       // clientAuth
    "1.3.6.1.5.5.7.3.4",       // emailProtection
    "1.3.6.1.5.5.7.3.5",       // ipsecEndSystem
    "1.3.6.1.5.5.7.3.6",       // ipsecTunnel
    "1.3.6.1.5.5.7.3.7",       // ipsecUser
    "1.3.6.1.5.5.7.3.17",      // ipsecIKE
    "1.3.6.1.5.5.8.2.2",       // iKEIntermediate
    "1.3.6.1.4.1.311.10.3.3",  // msSGC
    "2.16.840.1.113730.4.1",   // nsSGC
};

bool is_harmless(std::string_view purpose) {
  return std::find(std::begin(kHarmless), std::end(kHarmless), purpose) != std::end(kHarmless);
}

std::string_view finding_of(const std::string& purpose) {
  for (const PowerRow& row : kPowers) {
    if (row.oid == purpose) return row.finding;
  }
  return is_harmless(purpose) ? "extended-key-usage-added" : "special-usage-added";
}

const Extension* find_extension(const Content& content, const Oid& oid) {
  for (const Extension& one : content.other_extensions) {
    if (one.oid == oid) return &one;
  }
  return nullptr;
}

// Microsoft's application policies, which Windows reads like extended key usages. Nothing when they cannot be read.
std::vector<Oid> application_policies(const Content& content) {
  std::vector<Oid> purposes;
  const Extension* extension = find_extension(content, Oid("1.3.6.1.4.1.311.21.10"));
  if (extension == nullptr) return purposes;
  try {
    der::Reader list(der::only(extension->value, "application policies").content);
    while (!list.at_end()) purposes.push_back(decode_policy(list).oid);
  } catch (const Error&) {
    // Windows cannot read it either
  }
  return purposes;
}

bool asks_for_ca(const Content& asked) {
  return asked.basic_constraints && asked.basic_constraints->ca;
}

void check_usages(FindingCollector& judge, const Content& asked, const Content& found) {
  Items added = check_list(judge, "key-usage", items_of(asked.key_usage), items_of(found.key_usage));
  // keyCertSign is judged with the basic constraints. That a CA signs CRLs is its office.
  added.erase(std::to_string(static_cast<unsigned>(KeyUsage::key_cert_sign)));
  if (!asks_for_ca(asked) && added.erase(std::to_string(static_cast<unsigned>(KeyUsage::crl_sign))) != 0) {
    judge.note("crl-sign-added", "not asked, found the key usage cRLSign");
  }
  check_added(judge, "key-usage", added);

  Items purposes;
  for (const Oid& oid : asked.extended_key_usage) purposes[oid.dotted()] = oid.name();
  Items there;
  for (const Oid& oid : found.extended_key_usage) there[oid.dotted()] = oid.name();
  Items others = check_list(judge, "extended-key-usage", purposes, there);
  const auto policies_asked = application_policies(asked);
  for (const Oid& oid : application_policies(found)) {
    const bool policy_asked = std::find(policies_asked.begin(), policies_asked.end(), oid) != policies_asked.end();
    if (!policy_asked && purposes.count(oid.dotted()) == 0) others[oid.dotted()] = oid.name();
  }
  std::map<std::string_view, std::vector<std::string>> by_finding;
  for (const auto& [oid, name] : others) by_finding[finding_of(oid)].push_back(name);
  for (const auto& [finding, names] : by_finding) judge.note(finding, "not asked, found " + listed(names));
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

// A subtree of directory names stays as asked byte by byte: programs that compare it with a subject as bytes would let
// others through.
std::string key_of_base(const GeneralName& base) {
  return base.kind == GeneralNameKind::directory ? hex(base.der) : comparison_key(base);
}

std::optional<Items> items_of(const std::optional<NameConstraints>& constraints) {
  if (!constraints) return std::nullopt;
  Items items;
  for (const GeneralName& base : constraints->permitted) {
    items["permitted " + key_of_base(base)] = "permitted " + base.text;
  }
  for (const GeneralName& base : constraints->excluded) {
    items["excluded " + key_of_base(base)] = "excluded " + base.text;
  }
  return items;
}

// Compared by their keys alone.
struct SameKeys {
  Items items;
  bool operator==(const SameKeys& other) const {
    return without(items, other.items).empty() && without(other.items, items).empty();
  }
};
std::optional<SameKeys> same_keys(std::optional<Items> items) {
  if (!items) return std::nullopt;
  return SameKeys{std::move(*items)};
}

void check_constraints(FindingCollector& judge, const Content& asked, const Content& found) {
  const bool asked_ca = asks_for_ca(asked);
  const bool found_ca = asks_for_ca(found);
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
  check_field(judge, "name-constraints", same_keys(items_of(asked.name_constraints)),
              same_keys(items_of(found.name_constraints)), [](const SameKeys& keys) { return shown(keys.items); });
}

Items items_of(const std::vector<Policy>& policies) {
  Items items;
  for (const Policy& policy : policies) items[policy.oid.dotted()] = to_string(policy);
  return items;
}

// CAs add policies, and to a policy where they publish it; a qualifier that was asked for stays.
void check_policies(FindingCollector& judge, const Content& asked, const Content& found) {
  Items added = check_list(judge, "policies", items_of(asked.policies), items_of(found.policies));
  for (const Policy& wanted : asked.policies) {
    for (const Policy& there : found.policies) {
      if (!(there.oid == wanted.oid) || encode_policy(there) == encode_policy(wanted)) continue;
      Policy bare;
      bare.oid = wanted.oid;
      if (wanted == bare) {
        added[there.oid.dotted()] = to_string(there) + " with qualifiers";
      } else {
        judge.note("policies-changed", asked_found(to_string(wanted), to_string(there)) +
                                           (to_string(wanted) == to_string(there) ? ", which differs as bytes" : ""));
      }
    }
  }
  check_added(judge, "policies", added);
}

Items items_of(const std::vector<std::uint64_t>& features) {
  Items items;
  for (const std::uint64_t feature : features) {
    const std::string number = std::to_string(feature);
    items[number] = feature == 5 ? "status_request (must-staple)" : "TLS extension " + number;
  }
  return items;
}

// Extensions that give a power and that programs obey though they are not critical:
// OID, finding
constexpr PowerRow kExtensionPowers[] = {
    {"1.3.6.1.5.5.7.48.1.5", "ocsp-nocheck-added"},           // RFC 6960 §4.2.2.2.1
    {"1.3.6.1.4.1.44363.44", "delegated-credentials-added"},  // RFC 9345 §4.2
    {"1.3.6.1.4.1.311.25.2", "account-sid-added"},            // Microsoft's szOID_NTDS_CA_SECURITY_EXT
};

void check_others(FindingCollector& judge, const Content& asked, const Content& found) {
  check_policies(judge, asked, found);
  check_added(judge, "tls-features",
              check_list(judge, "tls-features", items_of(asked.tls_features), items_of(found.tls_features)));
  for (const Extension& one : asked.other_extensions) {
    const Extension* other = find_extension(found, one.oid);
    if (other == nullptr) {
      judge.note("extension-missing", "asked " + one.oid.name() + ", found nothing");
    } else if (one.value != other->value) {
      judge.note("extension-changed",
                 one.oid.name() + ": " + asked_found(bounded(hex(one.value), 200), bounded(hex(other->value), 200)));
    } else if (one.critical != other->critical) {
      judge.note("criticality-changed",
                 one.oid.name() + (other->critical ? " became critical" : " is not critical any more"));
    }
  }
  for (const Extension& one : found.other_extensions) {
    if (find_extension(asked, one.oid) != nullptr) continue;
    const std::string words = "not asked, found " + one.oid.name();
    const auto* power = std::find_if(std::begin(kExtensionPowers), std::end(kExtensionPowers),
                                     [&](const PowerRow& row) { return row.oid == one.oid.dotted(); });
    const bool is_power = power != std::end(kExtensionPowers);
    if (is_power) judge.note(power->finding, words);
    if (one.critical) {
      judge.note("critical-extension-added", words);
    } else if (!is_power && !only_issuer_gives(one.oid)) {
      judge.note("extension-added", words);
    }
  }
}

// RFC 5280 §4.2.1.3, §4.2.1.9, §4.2.1.10: what binds a CA is critical, else old software is not bound by it.
bool binds_a_ca(const Oid& oid) {
  return oid == oids::kKeyUsage || oid == oids::kBasicConstraints || oid == oids::kNameConstraints;
}

// Usages and basic constraints are critical as a rule, and every program knows them.
bool may_be_unknown(const Oid& oid) {
  return oid == oids::kNameConstraints || oid == oids::kCertificatePolicies || oid == oids::kTlsFeature;
}

void check_criticality(FindingCollector& judge, const Content& asked, const Content& found) {
  for (const ContentExtension& row : content_extensions()) {
    const std::string field(row.text);
    const bool is_critical = found.critical.*row.critical;
    if (!row.present(found) || *row.oid == oids::kSubjectKeyIdentifier) continue;
    if (!row.present(asked)) {
      if (is_critical && may_be_unknown(*row.oid)) {
        judge.note("critical-extension-added", "not asked, found critical " + field);
      }
      continue;
    }
    // RFC 5280 §4.2.1.6: beside an empty subject alternative names are critical, whatever was asked.
    const bool names = *row.oid == oids::kSubjectAltName && found.subject.empty();
    if ((asked.critical.*row.critical || names) == is_critical) continue;
    if (asks_for_ca(found) && !is_critical && binds_a_ca(*row.oid)) {
      judge.note("criticality-lost", field + " of a CA: asked as critical, found not critical");
    } else {
      judge.note("criticality-changed", field + (is_critical ? " became critical" : " is not critical any more"));
    }
  }
}

}  // namespace

bool only_uses_names(const Oid& extended_key_usage) {
  return is_harmless(extended_key_usage.dotted());
}

void check_content(FindingCollector& judge, const Content& asked, const Content& found) {
  check_names(judge, asked, found);
  check_constraints(judge, asked, found);
  check_subject(judge, asked, found);
  check_usages(judge, asked, found);
  check_others(judge, asked, found);
  check_criticality(judge, asked, found);
}

}  // namespace hsmbridge::x509
