#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "x509/objects/serial.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The JSON of DigiCert Trust Lifecycle Manager as structs. Pages, its OpenAPI of 2022 and its own clients disagree in
// places; every reader takes each form that one of them shows: letter case of enumerations, number or string, PEM or
// base64. Unknown members are ignored: the service grows.
// Readers throw `unavailable` for a body that is not JSON (a proxy's page) and `corrupt` for JSON of another shape.
namespace hsmbridge::digicert {

// One entry of an error envelope.
struct Refusal {
  std::string code;  // two vocabularies exist: "AUTHORIZATION_ERROR" and "no_access"
  std::string message;
  std::string field;  // "" mostly
  enum class Envelope { list, single } envelope = Envelope::list;
};
// {"errors":[{"code","message","field"}]} or {"error":{"code","message"}}; empty when the body is neither.
std::vector<Refusal> refusals_from(std::string_view body);
// "message (code), message" of all, on one line and printable.
std::string refusals_text(const std::vector<Refusal>& refusals);

// One attribute that a profile lists, of the subject or of the alternative names.
struct ProfileAttribute {
  std::string type;  // "common_name", "dns_names"
  bool mandatory = false;
  bool multiple = false;
  bool given_by_request = true;      // some source is the request, or none is named; false: fixed, directory, upload
  std::optional<std::string> fixed;  // the value of a FIXED_VALUE source
};

struct Term {
  std::string unit;  // lower case: years, months, days, hours, minutes
  std::int64_t duration = 0;
};
// Years and months as 365 and 30 days. Zero for an unknown unit.
Duration duration_of(const Term& term);

struct Profile {
  std::string id;
  std::string name;
  std::string status;
  std::string enrollment_method;      // lower case
  std::string authentication_method;  // lower case
  std::string delivery_format;        // lower case, of the two contradictory fields the certificate_ one
  std::string template_name;
  std::string trust_type;  // of the template, lower case: "private"; "" when not told
  std::string connector;   // id of a connector (a Microsoft CA); "" for none
  bool dual_approval = false;
  bool validity_may_be_asked = false;  // override_cert_validity_via_api
  std::optional<bool> duplicates_allowed;
  std::optional<std::int64_t> renewal_days;  // renewable so many days before the end
  bool bound_to_tokens = false;
  std::vector<std::string> token_ids;
  std::vector<std::string> key_sizes;  // "2048", "P-256": as it writes them
  std::optional<Term> validity;
  std::vector<ProfileAttribute> subject;     // empty: not told
  std::vector<ProfileAttribute> names;       // alternative names
  std::vector<std::string> extended_usages;  // OIDs that it adds; empty: not told, its template may add others
  bool tells_extensions = false;             // it has an `extensions` object: what is not in it is not carried
  std::vector<std::string> issuer_chain;     // PEM or base64, the issuer first
};
Profile profile_from(std::string_view body);
// A bare array, as the list has no envelope. An entry that cannot be read is left out of `profiles`.
struct ProfilePage {
  std::vector<Profile> profiles;
  std::size_t entries = 0;  // of the page, readable or not: it says whether there may be another
};
ProfilePage profiles_from(std::string_view body);

// The answer to a request, a renewal or a pick-up.
struct CertificateAnswer {
  std::string request_id;  // of a pending one
  std::string serial;      // hex as it came, leading zeros kept; "" while pending
  std::string status;      // upper case, "" when not told
  std::string message;
  std::string certificate;            // PEM (one block or several), PKCS#7 or base64
  std::vector<std::string> ca_certs;  // PEM or base64
  bool issued() const { return !serial.empty() && !certificate.empty(); }
};
CertificateAnswer certificate_answer_from(std::string_view body);

// GET /certificate/{serial}, and an item of the search.
struct CertificateDetails {
  std::string serial;
  std::string status;       // lower case: issued, revoked, expired, suspended
  std::string certificate;  // PEM or base64; "" when it is not told
  std::string thumbprint;   // SHA-256, lower-case hex; "" when it is not told
  std::string revocation_reason;
};
CertificateDetails certificate_details_from(std::string_view body);

struct SearchPage {
  std::optional<std::int64_t> total;
  std::vector<CertificateDetails> items;
  std::size_t entries = 0;  // of the page, readable or not
};
SearchPage search_page_from(std::string_view body);

struct AdditionalFormats {
  std::string pkcs7;
  std::vector<std::string> chain;  // the cert_blob entries, leaf first, root included
};
AdditionalFormats additional_formats_from(std::string_view body);

// GET /account/api/v1/user/me. Its shape is written down nowhere: whatever looks like a name and roles.
struct WhoAmI {
  std::string name;
  std::vector<std::string> roles;
  // Whose orders a search shows: the ids of the user, of its accounts and of their business units, as far as they are
  // told, in one text that is the same whenever they are. "" when not even the user is told.
  std::string account;
};
WhoAmI who_am_i_from(std::string_view body);

// ---- what we send ---------------------------------------------------------------------------------------------------

// One subject attribute or one kind of alternative name. What the OpenAPI shows as an array is one, even for one value.
struct AttributeValues {
  std::string name;
  std::vector<std::string> values;
  enum class Form { single, list } form = Form::single;
};
struct CertificateOrder {
  std::string profile;
  std::string seat;
  std::string csr;  // PEM
  std::optional<Term> validity;
  std::string delivery_format;  // "": left to the profile
  bool include_ca_chain = false;
  std::vector<AttributeValues> subject;
  std::vector<AttributeValues> names;
  std::vector<std::string> tags;
};
// Everything next to `profile`, the seat as seat.seat_id: what working clients and the OpenAPI show.
std::string siblings_text(const CertificateOrder& order);
// Everything inside `profile`, the seat as seat.id: the tutorial pages.
std::string nested_text(const CertificateOrder& order);
std::string renewal_text(const CertificateOrder& order);
std::string pickup_text(const std::string& profile);
std::string revocation_text(std::string_view reason);

// A serial number as this service writes it, from the content octets of the certificate's INTEGER: upper-case hex of
// whole octets, without the sign octet.
std::string serial_text(ByteView integer);
using x509::same_serial;
}  // namespace hsmbridge::digicert
