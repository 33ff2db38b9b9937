#include "providers/digicert/fields.h"

#include "base/text.h"
#include "providers/following.h"
#include "providers/objections.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace hsmbridge::digicert {
namespace {

using Form = AttributeValues::Form;

const std::vector<SubjectField>& subject_rows() {
  static const std::vector<SubjectField> rows{
      {"common_name", x509::Oid("2.5.4.3"), Form::single},
      {"organization_name", x509::Oid("2.5.4.10"), Form::single},
      {"organization_units", x509::Oid("2.5.4.11"), Form::list},
      {"country", x509::Oid("2.5.4.6"), Form::single},
      {"state", x509::Oid("2.5.4.8"), Form::single},
      {"locality", x509::Oid("2.5.4.7"), Form::single},
      {"street_address", x509::Oid("2.5.4.9"), Form::list},
      {"postal_code", x509::Oid("2.5.4.17"), Form::single},
      {"domain_component", x509::Oid("0.9.2342.19200300.100.1.25"), Form::list},
      {"user_identifier", x509::Oid("0.9.2342.19200300.100.1.1"), Form::single},
      {"email", x509::Oid("1.2.840.113549.1.9.1"), Form::single},
      {"serial_number", x509::Oid("2.5.4.5"), Form::single},
      {"title", x509::Oid("2.5.4.12"), Form::single},
      {"given_name", x509::Oid("2.5.4.42"), Form::single},
      {"surname", x509::Oid("2.5.4.4"), Form::single},
      {"pseudonym", x509::Oid("2.5.4.65"), Form::single},
      {"description", x509::Oid("2.5.4.13"), Form::list},
      {"dn_qualifier", x509::Oid("2.5.4.46"), Form::single},
      {"unique_identifier", x509::Oid("2.5.4.45"), Form::single},
      {"organization_identifier", x509::Oid("2.5.4.97"), Form::single},
      {"unstructured_name", x509::Oid("1.2.840.113549.1.9.2"), Form::list},
      {"unstructured_address", x509::Oid("1.2.840.113549.1.9.8"), Form::list},
  };
  return rows;
}

// other_names is not here: what its members mean is shown nowhere.
constexpr NameField kNames[] = {
    {"dns_names", "dns:"}, {"ip_addresses", "ip:"},          {"emails", "email:"},
    {"uris", "uri:"},      {"user_principal_names", "upn:"}, {"registered_ids", "rid:"},
};

struct ReasonRow {
  std::string_view name;  // RFC 5280 §5.3.1
  std::string_view word;
};
// removeFromCRL is missing: it belongs into delta CRLs, and here it would end a suspension, not a certificate.
constexpr ReasonRow kReasons[] = {
    {"unspecified", "unspecified"},
    {"keyCompromise", "key_compromise"},
    {"cACompromise", "ca_compromise"},
    {"affiliationChanged", "affiliation_changed"},
    {"superseded", "superseded"},
    {"cessationOfOperation", "cessation_of_operation"},
    {"certificateHold", "certificate_hold"},
    {"privilegeWithdrawn", "privilege_withdrawn"},
    {"aACompromise", "aa_compromise"},
};

void add(std::vector<AttributeValues>& values, std::string_view name, Form form, std::string value) {
  const auto same = std::find_if(values.begin(), values.end(), [&](const auto& one) { return one.name == name; });
  if (same != values.end()) {
    same->values.push_back(std::move(value));
  } else {
    values.push_back({std::string(name), {std::move(value)}, form});
  }
}

}  // namespace

const SubjectField* subject_field(std::string_view name) {
  return providers::row_with(subject_rows(), &SubjectField::name, name);
}
const SubjectField* subject_field(const x509::Oid& type) {
  return providers::row_with(subject_rows(), &SubjectField::oid, type);
}

const NameField* name_field(std::string_view name) {
  return providers::row_with(kNames, &NameField::name, name);
}
const NameField* name_field(const x509::GeneralName& general_name) {
  for (const NameField& row : kNames) {
    if (general_name.text.starts_with(row.prefix)) return &row;
  }
  return nullptr;
}

std::vector<AttributeValues> subject_values(const x509::Name& subject) {
  std::vector<AttributeValues> values;
  for (const x509::NameAttribute& attribute : providers::attributes_of(subject)) {
    if (const SubjectField* row = subject_field(attribute.type)) add(values, row->name, row->form, attribute.value);
  }
  return values;
}

std::vector<AttributeValues> name_values(const std::vector<x509::GeneralName>& names) {
  std::vector<AttributeValues> values;
  for (const x509::GeneralName& name : names) {
    if (const NameField* row = name_field(name)) {
      add(values, row->name, Form::list, name.text.substr(row->prefix.size()));
    }
  }
  return values;
}

std::vector<std::string> what_cannot_be_carried(const x509::RequestedContent& ask) {
  std::vector<std::string> problems;
  for (const x509::NameAttribute& attribute : providers::attributes_of(ask.content.subject)) {
    if (providers::accepts(ask, "subject-changed")) break;
    if (subject_field(attribute.type) != nullptr && attribute.string_type != x509::StringType::other) continue;
    problems.push_back(
        fmt::format("the subject has {}, for which a DigiCert request has no field (accept: "
                    "subject-changed)",
                    attribute.type.name()));
  }
  for (const x509::GeneralName& name : ask.content.subject_alternative_names) {
    if (name_field(name) == nullptr) {
      problems.push_back(fmt::format("a DigiCert request has no field for the alternative name {}", name.text));
    }
  }
  return problems;
}

bool same_names(const x509::Content& a, const x509::Content& b) {
  const auto ders = [](const x509::Content& content) {
    std::set<Bytes> all;
    for (const x509::GeneralName& name : content.subject_alternative_names) all.insert(name.der);
    return all;
  };
  return a.subject.same_text(b.subject) && ders(a) == ders(b);
}

std::optional<std::string_view> revocation_word(std::string_view reason) {
  for (const ReasonRow& row : kReasons) {
    if (equal_ignoring_case(row.name, reason)) return row.word;
  }
  return std::nullopt;
}

std::string revocation_reasons() {
  return joined(kReasons, ", ", &ReasonRow::name);
}

}  // namespace hsmbridge::digicert
