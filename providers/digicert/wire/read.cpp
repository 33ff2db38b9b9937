#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/digicert/wire/wire.h"
#include "providers/json_fields.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

namespace hsmbridge::digicert {
namespace {

using providers::Form;
using providers::Members;
using Strings = std::vector<std::string>;

template <class Read>
auto reading(std::string_view what, std::string_view body, Read read) {
  return providers::read_answer("DigiCert", what, body, providers::Types::loose, read);
}

// What keeps a request waiting is there unless it is plainly said not to be: absent, null, false, "false", 0 or "".
bool may_be_set(const Members& in, std::string_view path) {
  const Json* found = in.find(path);
  if (found == nullptr) return false;
  if (const auto said = in.truth(path)) return *said;
  return *found != Json(0) && *found != Json("");
}

// Of days and of entries: nothing for what no program counts to.
std::optional<std::int64_t> count(const Members& in, std::string_view path) {
  const auto found = in.number(path);
  return found && *found >= 0 && *found <= 999'999'999 ? found : std::nullopt;
}

void add(Strings& to, std::string text) {
  if (!text.empty()) to.push_back(std::move(text));
}

// Of a list of texts, or of objects that hold one.
Strings texts_of(const Members& in, std::string_view path, std::string_view member) {
  Strings result;
  for (const Json& entry : in.list(path)) {
    add(result, entry.is_string() ? entry.as_string() : in.inside(entry).text(member));
  }
  return result;
}

// One odd entry must not hide the others.
template <class Read>
auto readable(const Members& in, const Json& entries, Read read) {
  constexpr std::size_t kMost = 10'000;
  std::vector<decltype(read(in))> result;
  if (entries.as_array().size() > kMost) throw Error{ErrorKind::corrupt, "a list with too many entries"};
  for (const Json& entry : entries.as_array()) {
    try {
      result.push_back(read(in.inside(entry)));
    } catch (const Error&) {
      // The caller tells by their number that one is missing.
    }
  }
  return result;
}

// In capitals, as DigiCert writes it in paths and in what it shows.
std::string serial_of(const Members& in) {
  const std::string text = in.text("serial_number");
  try {
    return text.empty() ? text : upper(x509::parse_serial(text));
  } catch (const Error&) {
    throw Error{ErrorKind::corrupt, "its serial_number is not a hexadecimal number"};
  }
}

// A SHA-256 in hex, which goes into a URL; anything else (a README of the vendor says SHA-1) is left out.
std::string thumbprint_of(const Members& in) {
  std::string print = in.text("thumbprint", Form::lower);
  const bool is_one = print.size() == 64 && print.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_one ? print : "";
}

bool says_nothing(const Refusal& one) {
  return one.code.empty() && one.message.empty();
}

Refusal refusal_of(const Members& in, Refusal::Envelope envelope) {
  return {in.text("code"), in.text("message"), in.text("field"), envelope};
}

// ---- profiles -------------------------------------------------------------------------------------------------------

// Where a value comes from; `true` when the request may or must bring it. The console also has "REST Request" and "From
// CSR", whose spelling here is not known: what is none of those below counts as given by the request.
bool is_from_elsewhere(const std::string& source) {
  static constexpr std::string_view kElsewhere[] = {"fixed_value", "ad_attribute", "uploaded_by_admin",
                                                    "saml_assertion"};
  return std::find(std::begin(kElsewhere), std::end(kElsewhere), source) != std::end(kElsewhere);
}

ProfileAttribute attribute_of(const Members& in) {
  ProfileAttribute attribute;
  attribute.type = in.text("type", Form::lower);
  attribute.mandatory = in.truth("mandatory").value_or(false);
  attribute.multiple = in.truth("multiple").value_or(false);
  bool named = false;
  bool by_request = false;
  for (const std::string_view spelling : {"sources", "source"}) {
    for (const Json& entry : in.list(spelling)) {
      const Members from = in.inside(entry);
      const std::string source = from.text("source", Form::lower);
      if (source.empty()) continue;
      named = true;
      by_request = by_request || !is_from_elsewhere(source);
      if (source == "fixed_value") attribute.fixed = from.text("value|custom_value");
    }
  }
  attribute.given_by_request = !named || by_request;
  if (by_request) attribute.fixed.reset();  // then it is a proposal
  return attribute;
}

std::vector<ProfileAttribute> attributes_of(const Members& in, std::string_view path) {
  std::vector<ProfileAttribute> attributes = in.each(path, attribute_of);
  std::erase_if(attributes, [](const ProfileAttribute& one) { return one.type.empty(); });
  return attributes;
}

Strings key_sizes_of(const Members& in) {
  Strings sizes;
  for (const std::string_view path : {"allowed_key_sizes", "private_key_attributes.key_sizes"}) {
    for (std::string& size : in.texts(path)) {
      if (std::find(sizes.begin(), sizes.end(), size) == sizes.end()) add(sizes, std::move(size));
    }
  }
  if (sizes.empty()) add(sizes, in.text("private_key_attributes.key_size"));
  return sizes;
}

std::optional<Term> validity_of(const Members& in) {
  Term term{in.text("certificate.validity.unit", Form::lower), count(in, "certificate.validity.duration").value_or(0)};
  return duration_of(term) > Duration::zero() ? std::optional(std::move(term)) : std::nullopt;
}

Strings issuer_chain_of(const Members& in) {
  Strings chain;
  add(chain, in.text("certificate.issuer.certificate"));
  for (const Json& above : in.list("certificate.issuer.chain")) add(chain, in.inside(above).text("certificate"));
  return chain;
}

// Only as JSON's own true or false: "it is not there, order again" rests on it.
std::optional<bool> told_truth(const Members& in, std::string_view path) {
  const Json* const value = in.find(path);
  return value != nullptr && value->is_bool() ? std::optional(value->as_bool()) : std::nullopt;
}

Profile profile_of(const Members& in) {
  const Json* extensions = in.find("certificate.extensions");
  Profile profile{
      .id = in.needed("id"),
      .name = in.text("name"),
      .status = in.text("status"),
      .enrollment_method = in.text("enrollment_method", Form::lower),
      .authentication_method = in.text("authentication_method", Form::lower),
      .delivery_format = in.text("certificate_delivery_format|cert_delivery_format", Form::lower),
      .template_name = in.text("template.name"),
      .trust_type = in.text("template.trust_type", Form::lower),
      .connector = in.text("connector_id"),
      .dual_approval = may_be_set(in, "enable_dual_admin_approval"),
      .validity_may_be_asked = in.truth("override_cert_validity_via_api").value_or(false),
      .duplicates_allowed = told_truth(in, "duplicate_cert_policy"),
      .renewal_days = count(in, "renewal_period_days|renewal_window_days"),
      .bound_to_tokens = in.truth("api_token_binding_enabled").value_or(false),
      .token_ids = in.only_texts("api_token_ids"),
      .key_sizes = key_sizes_of(in),
      .validity = validity_of(in),
      .subject = attributes_of(in, "certificate.subject.attributes"),
      .names = attributes_of(in, "certificate.extensions.san.attributes"),
      .extended_usages = in.only_texts("custom_extended_key_usages"),
      .tells_extensions = extensions != nullptr && extensions->is_object(),
      .issuer_chain = issuer_chain_of(in),
  };
  if (profile.connector.empty() && may_be_set(in, "connector_id")) profile.connector = "(unreadable)";
  add(profile.token_ids, in.text("api_token_id"));
  return profile;
}

// ---- certificates and the user --------------------------------------------------------------------------------------

CertificateDetails details_of(const Members& in) {
  CertificateDetails details{
      .serial = serial_of(in),
      .status = in.text("status", Form::lower),
      .certificate = in.text("certificate"),
      .thumbprint = thumbprint_of(in),
      .revocation_reason = in.text("revocation.reason"),
  };
  if (details.serial.empty()) throw Error{ErrorKind::corrupt, "it has no serial_number"};
  return details;
}

// The service's pages show the roles of its answer and not its other members: every place is looked at in which one of
// its objects elsewhere names an account or a unit.
std::string account_text(const std::string& user, const Members& in) {
  std::set<std::string> places;
  const auto note = [&](std::string_view kind, std::initializer_list<std::string_view> ids,
                        std::initializer_list<std::string_view> lists) {
    Strings found;
    for (const std::string_view path : ids) add(found, in.text(path));
    for (const std::string_view path : lists) {
      for (std::string& id : texts_of(in, path, "id")) add(found, std::move(id));
    }
    for (const std::string& id : found) places.insert(fmt::format("{} {}", kind, id));
  };
  note("account", {"account_id", "primary_account_id", "account.id"}, {"accounts", "account_ids"});
  note("business unit", {"business_unit_id", "business_unit.id"}, {"business_units", "business_unit_ids"});
  std::string text = "user " + user;
  for (const std::string& place : places) text += ", " + place;
  text = lower(text);
  // It is read by people and kept with every request.
  constexpr std::size_t kLongest = 300;
  if (text.size() <= kLongest) return text;
  return text.substr(0, kLongest) + "… (" + hex(sha256(as_bytes(text))) + ")";
}

}  // namespace

std::vector<Refusal> refusals_from(std::string_view body) {
  std::vector<Refusal> found;
  try {
    const Json json = Json::parse(body);
    const Members in(json, providers::Types::loose);
    found = in.each("errors", [](const Members& one) { return refusal_of(one, Refusal::Envelope::list); });
    std::erase_if(found, says_nothing);
    if (const Json* one = in.find("error"); one != nullptr && found.empty()) {
      found.push_back(refusal_of(in.inside(*one), Refusal::Envelope::single));
    }
  } catch (const Error&) {
    // not JSON, or far too much of it
  }
  std::erase_if(found, says_nothing);
  return found;
}

std::string refusals_text(const std::vector<Refusal>& refusals) {
  const std::string text = joined(refusals, ", ", [](const Refusal& one) {
    std::string said = one.message.empty() ? one.code : one.message;
    if (!one.field.empty()) said += fmt::format(" [{}]", one.field);
    if (!one.message.empty() && !one.code.empty()) said += fmt::format(" ({})", one.code);
    return said;
  });
  return printable(text.substr(0, 1000));
}

Duration duration_of(const Term& term) {
  using std::chrono::hours;
  static const std::pair<std::string_view, Duration> kUnits[] = {{"years", hours{24 * 365}},
                                                                 {"months", hours{24 * 30}},
                                                                 {"days", hours{24}},
                                                                 {"hours", hours{1}},
                                                                 {"minutes", std::chrono::minutes{1}}};
  if (term.duration < 0 || term.duration > 100'000'000) return {};
  for (const auto& [unit, length] : kUnits) {
    // "day" as well as "days"
    if (term.unit == unit || term.unit + "s" == unit) {
      const Duration most = hours{24 * 366 * 200};
      return term.duration > most / length ? Duration{} : term.duration * length;
    }
  }
  return {};
}

Profile profile_from(std::string_view body) {
  return reading("profile", body, profile_of);
}

ProfilePage profiles_from(std::string_view body) {
  return reading("list of profiles", body, [](const Members& in) {
    return ProfilePage{readable(in, in.json(), profile_of), in.json().as_array().size()};
  });
}

CertificateAnswer certificate_answer_from(std::string_view body) {
  return reading("to a certificate request", body, [](const Members& in) {
    in.json().as_object();
    return CertificateAnswer{
        .request_id = in.text("request_id", Form::id),
        .serial = serial_of(in),
        .status = in.text("status", Form::upper),
        .message = in.text("message"),
        .certificate = in.text("certificate"),
        .ca_certs = texts_of(in, "ca_certs", "pem|certificate"),
    };
  });
}

CertificateDetails certificate_details_from(std::string_view body) {
  return reading("certificate details", body, details_of);
}

SearchPage search_page_from(std::string_view body) {
  return reading("certificate search", body, [](const Members& in) {
    const Json& items = in.json().at("items").is_null() ? Json::array() : in.json().at("items");
    return SearchPage{count(in, "total"), readable(in, items, details_of), items.as_array().size()};
  });
}

AdditionalFormats additional_formats_from(std::string_view body) {
  return reading("additional formats", body, [](const Members& in) {
    in.json().as_object();
    return AdditionalFormats{in.text("pkcs7"), texts_of(in, "x509_cert_chain", "cert_blob")};
  });
}

WhoAmI who_am_i_from(std::string_view body) {
  return reading("user", body, [](const Members& in) {
    WhoAmI who{in.text("name|friendly_name|username|email|id"), {}, {}};
    for (const std::string_view path : {"roles", "user_roles"}) {
      for (std::string& role : texts_of(in, path, "name|id")) who.roles.push_back(std::move(role));
    }
    const std::string user = in.text("id|name|friendly_name|username|email");
    if (!user.empty()) who.account = account_text(user, in);
    return who;
  });
}

std::string serial_text(ByteView integer) {
  ByteView octets = integer;
  if (octets.size() > 1 && octets[0] == 0) octets = octets.subspan(1);
  return upper(hex(octets));
}

}  // namespace hsmbridge::digicert
