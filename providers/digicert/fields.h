#pragma once

#include "providers/digicert/wire/wire.h"
#include "x509/content/requested_content.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What of a certificate's content a request can carry, under the names of the service.
namespace hsmbridge::digicert {

struct SubjectField {
  std::string_view name;  // as requests and profiles write it
  x509::Oid oid;
  AttributeValues::Form form;  // an array in the OpenAPI's example, or a string
};
// Null for a name or type without a row.
const SubjectField* subject_field(std::string_view name);
const SubjectField* subject_field(const x509::Oid& type);

struct NameField {
  std::string_view name;    // "dns_names"
  std::string_view prefix;  // of x509::GeneralName's text: "dns:"
};
const NameField* name_field(std::string_view name);
const NameField* name_field(const x509::GeneralName& general_name);

// The `attributes` of a request. What has no row is left out; `what_cannot_be_carried` names it.
std::vector<AttributeValues> subject_values(const x509::Name& subject);
std::vector<AttributeValues> name_values(const std::vector<x509::GeneralName>& names);
// One sentence each; what the ask accepts by name is left out.
std::vector<std::string> what_cannot_be_carried(const x509::RequestedContent& ask);

// Whether both say the same subject (as text) and the same alternative names, in whatever order.
bool same_names(const x509::Content& a, const x509::Content& b);

// DigiCert's word for a name of RFC 5280 §5.3.1 ("keyCompromise"), letter case ignored; nothing for one that revokes
// nothing (removeFromCRL) or is no reason.
std::optional<std::string_view> revocation_word(std::string_view reason);
// All reasons that can be asked, separated by commas.
std::string revocation_reasons();

}  // namespace hsmbridge::digicert
