#pragma once

#include "base/bytes.h"
#include "x509/asn1/oid.h"
#include "x509/names/general_name.h"
#include "x509/names/name.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::x509 {

// KeyUsage bits, numbered as RFC 5280 §4.2.1.3 numbers them.
enum class KeyUsage {
  digital_signature = 0,
  content_commitment = 1,
  key_encipherment = 2,
  data_encipherment = 3,
  key_agreement = 4,
  key_cert_sign = 5,
  crl_sign = 6,
  encipher_only = 7,
  decipher_only = 8,
};

// A set of them.
struct KeyUsages {
  std::uint16_t bits = 0;

  KeyUsages() = default;
  KeyUsages(std::initializer_list<KeyUsage> usages);
  std::vector<KeyUsage> all() const;  // those in the set, by their numbers
  bool has(KeyUsage usage) const { return ((bits >> static_cast<unsigned>(usage)) & 1U) != 0; }
  void add(KeyUsage usage) { bits = static_cast<std::uint16_t>(bits | (1U << static_cast<unsigned>(usage))); }
  bool operator==(const KeyUsages&) const = default;
};

struct BasicConstraints {
  bool ca = false;
  std::optional<std::uint64_t> path_length;

  bool operator==(const BasicConstraints&) const = default;
};

// Bases as GeneralName::parse_constraint makes them.
struct NameConstraints {
  std::vector<GeneralName> permitted;
  std::vector<GeneralName> excluded;

  bool operator==(const NameConstraints&) const = default;
};

struct UserNotice {
  std::string explicit_text;  // UTF-8, at most 200 characters (RFC 5280 §4.2.1.4); "" for none
  std::string organization;   // NoticeReference, "" for none
  std::vector<std::uint64_t> notice_numbers;

  bool operator==(const UserNotice&) const = default;
};

struct Policy {
  Oid oid;
  std::vector<std::string> cps_uris;
  std::vector<UserNotice> user_notices;
  std::vector<Bytes> other_qualifiers;  // DER PolicyQualifierInfo of a kind not named above

  bool operator==(const Policy&) const = default;
};

// Any extension that has no field of its own.
struct Extension {
  Oid oid;
  bool critical = false;
  Bytes value;  // what stands inside extnValue's OCTET STRING

  bool operator==(const Extension&) const = default;
};

// What a certificate says about its subject apart from the key: what a request asks for, and what a certificate
// carries. One type for both, so that the two can be compared field by field.
struct Content {
  Name subject;
  std::vector<GeneralName> subject_alternative_names;
  std::optional<KeyUsages> key_usage;
  std::vector<Oid> extended_key_usage;
  std::optional<BasicConstraints> basic_constraints;
  std::optional<NameConstraints> name_constraints;
  std::vector<Policy> policies;
  std::vector<std::uint64_t> tls_features;        // RFC 7633: 5 status_request, 17 status_request_v2
  std::optional<Bytes> subject_key_identifier;    // a request seldom asks for it; a certificate carries it
  std::vector<Extension> other_extensions;        // never one of the above
  std::optional<std::string> challenge_password;  // RFC 2985 §5.4.1; requests only, readable by everybody

  // Whether each extension is marked critical. Ignored where the extension is absent. An empty subject makes the
  // alternative names critical whatever is said here (RFC 5280 §4.2.1.6).
  struct Critical {
    bool subject_alternative_names = false;
    bool key_usage = true;
    bool extended_key_usage = false;
    bool basic_constraints = true;
    bool name_constraints = true;
    bool policies = false;
    bool tls_features = false;
    bool subject_key_identifier = false;
    bool operator==(const Critical&) const = default;
  } critical;

  bool operator==(const Content&) const = default;
};

// Text forms, for flags and profiles. All throw invalid_input naming the text.
// "digitalSignature", "nonRepudiation" or "contentCommitment", "keyEncipherment", …; letter case does not matter.
KeyUsage parse_key_usage(std::string_view text);
std::string_view to_string(KeyUsage usage);
std::string to_string(KeyUsages usages);  // "digitalSignature, keyEncipherment"
// "serverAuth", "clientAuth", "codeSigning", "emailProtection", "timeStamping", "OCSPSigning", "any", a name OpenSSL
// knows, or an OID.
Oid parse_extended_key_usage(std::string_view text);
// "CA:TRUE", "CA:FALSE", "CA:TRUE,pathlen:0".
BasicConstraints parse_basic_constraints(std::string_view text);
std::string to_string(const BasicConstraints& constraints);
// Adds one line "permitted;dns:example.com" or "excluded;ip:10.0.0.0/8" (":" instead of ";" works too).
void add_name_constraint(NameConstraints& constraints, std::string_view text);
// "1.2.3.4", with qualifiers "1.2.3.4;cps:https://…;notice:text".
Policy parse_policy(std::string_view text);
std::string to_string(const Policy& policy);
// "status_request", "status_request_v2" or a number.
std::uint64_t parse_tls_feature(std::string_view text);
// "OID:hex" or "OID:critical:hex", hex being the DER value. Refused: an OID that has a field of its own in Content, and
// bytes that are not one DER element.
Extension parse_extension(std::string_view text);

// Throws invalid_input for content that contradicts itself or the RFC, naming the field: neither subject nor
// alternative name, a name that could not be typed (a wildcard alone, a control character), a duplicate name or usage
// or extension, path length without CA, keyCertSign without CA, name constraints without CA, an empty key usage, a
// challenge password longer than 255.
void validate(const Content& content);

// The first field in which the two differ, in plain words with both values, or "" when nothing differs. Everything is
// compared: the subject byte by byte with its order, each alternative name with its order, criticality too.
std::string difference(const Content& asked, const Content& found);

}  // namespace hsmbridge::x509
