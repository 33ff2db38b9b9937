#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/asn1/unicode.h"
#include "x509/content/content.h"
#include "x509/content/extensions.h"

#include <algorithm>
#include <array>
#include <charconv>

// The text forms of the parts of Content, for flags and profiles.
namespace hsmbridge::x509 {
namespace {

[[noreturn]] void refuse_line(std::string_view what, std::string_view text, const std::string& why) {
  throw Error{ErrorKind::invalid_input, std::string(what) + " \"" + printable(text.substr(0, 200)) + "\": " + why};
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

// usage, name in RFC 5280 §4.2.1.3
struct UsageName {
  KeyUsage usage;
  std::string_view name;
};
constexpr std::array kUsages{
    UsageName{KeyUsage::digital_signature, "digitalSignature"},
    UsageName{KeyUsage::content_commitment, "nonRepudiation"},
    UsageName{KeyUsage::key_encipherment, "keyEncipherment"},
    UsageName{KeyUsage::data_encipherment, "dataEncipherment"},
    UsageName{KeyUsage::key_agreement, "keyAgreement"},
    UsageName{KeyUsage::key_cert_sign, "keyCertSign"},
    UsageName{KeyUsage::crl_sign, "cRLSign"},
    UsageName{KeyUsage::encipher_only, "encipherOnly"},
    UsageName{KeyUsage::decipher_only, "decipherOnly"},
};

// name (lower case), OID (RFC 5280 §4.2.1.12)
struct PurposeName {
  std::string_view name;
  std::string_view oid;
};
constexpr std::array kPurposes{
    PurposeName{"serverauth", "1.3.6.1.5.5.7.3.1"},
    PurposeName{"clientauth", "1.3.6.1.5.5.7.3.2"},
    PurposeName{"codesigning", "1.3.6.1.5.5.7.3.3"},
    PurposeName{"emailprotection", "1.3.6.1.5.5.7.3.4"},
    PurposeName{"timestamping", "1.3.6.1.5.5.7.3.8"},
    PurposeName{"ocspsigning", "1.3.6.1.5.5.7.3.9"},
    PurposeName{"any", "2.5.29.37.0"},
    PurposeName{"anyextendedkeyusage", "2.5.29.37.0"},
};

// Extensions that have a field in Content, or that only an issuer writes.
bool has_field(const Oid& oid) {
  const auto rows = content_extensions();
  return oid == oids::kAuthorityKeyIdentifier ||
         std::any_of(rows.begin(), rows.end(), [&](const ContentExtension& row) { return *row.oid == oid; });
}

}  // namespace

KeyUsages::KeyUsages(std::initializer_list<KeyUsage> usages) {
  for (const KeyUsage usage : usages) add(usage);
}

std::vector<KeyUsage> KeyUsages::all() const {
  std::vector<KeyUsage> usages;
  for (const UsageName& row : kUsages) {
    if (has(row.usage)) usages.push_back(row.usage);
  }
  return usages;
}

KeyUsage parse_key_usage(std::string_view text) {
  const std::string word = lower(text);
  for (const UsageName& row : kUsages) {
    if (word == lower(row.name)) return row.usage;
  }
  if (word == "contentcommitment") return KeyUsage::content_commitment;
  throw Error{ErrorKind::invalid_input, "key usage \"" + printable(text.substr(0, 200)) + "\" does not exist"}.hint(
      "use one of " + joined(kUsages, ", ", &UsageName::name));
}

std::string_view to_string(KeyUsage usage) {
  for (const UsageName& row : kUsages) {
    if (row.usage == usage) return row.name;
  }
  return "";
}

std::string to_string(KeyUsages usages) {
  return usages.bits == 0 ? "none" : joined(usages.all(), ", ", [](KeyUsage usage) { return to_string(usage); });
}

Oid parse_extended_key_usage(std::string_view text) {
  const std::string word = lower(text);
  for (const PurposeName& row : kPurposes) {
    if (word == row.name) return Oid(row.oid);
  }
  try {
    return Oid::parse(text);
  } catch (Error& error) {
    throw error.prefix("extended key usage")
        .hint("use serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning, any or an OID");
  }
}

BasicConstraints parse_basic_constraints(std::string_view text) {
  const std::string word = lower(text);
  std::string_view rest = word;
  BasicConstraints constraints;
  if (rest.rfind("ca:true", 0) == 0) {
    constraints.ca = true;
    rest.remove_prefix(7);
  } else if (rest.rfind("ca:false", 0) == 0) {
    rest.remove_prefix(8);
  } else {
    refuse_line("basic constraints", text, "they are CA:TRUE, CA:FALSE or CA:TRUE,pathlen:0");
  }
  if (rest.empty()) return constraints;
  while (!rest.empty() && (rest.front() == ',' || rest.front() == ' ')) rest.remove_prefix(1);
  if (rest.rfind("pathlen:", 0) != 0) {
    refuse_line("basic constraints", text, "they are CA:TRUE, CA:FALSE or CA:TRUE,pathlen:0");
  }
  constraints.path_length = number(rest.substr(8));
  if (!constraints.path_length || *constraints.path_length > 255) {
    refuse_line("basic constraints", text, "a path length is a number from 0 to 255");
  }
  if (!constraints.ca) refuse_line("basic constraints", text, "a path length needs CA:TRUE");
  return constraints;
}

std::string to_string(const BasicConstraints& constraints) {
  std::string text = constraints.ca ? "CA:TRUE" : "CA:FALSE";
  if (constraints.path_length) text += ", pathlen:" + std::to_string(*constraints.path_length);
  return text;
}

void add_name_constraint(NameConstraints& constraints, std::string_view text) {
  const std::size_t end = text.find_first_of(";:");
  const std::string kind = lower(text.substr(0, end));
  if (end == std::string_view::npos || (kind != "permitted" && kind != "excluded")) {
    refuse_line("name constraint", text, "it is like permitted;dns:example.com or excluded;ip:10.0.0.0/8");
  }
  (kind == "permitted" ? constraints.permitted : constraints.excluded).push_back(prefixed("name constraint", [&] {
    return GeneralName::parse_constraint(text.substr(end + 1));
  }));
}

Policy parse_policy(std::string_view text) {
  Policy policy;
  std::string_view rest = text;
  bool first = true;
  while (first || !rest.empty()) {
    std::size_t end = rest.find(';');
    std::string_view part = rest.substr(0, end);
    if (first) {
      policy.oid = prefixed("certificate policy", [&] { return Oid::parse(part); });
    } else if (part.rfind("cps:", 0) == 0) {
      const GeneralName uri =
          prefixed("certificate policy", [&] { return GeneralName::parse("uri:" + std::string(part.substr(4))); });
      policy.cps_uris.push_back(uri.text.substr(4));
    } else if (part.rfind("notice:", 0) == 0) {
      // A notice is free text: it runs to the end, semicolons included.
      part = rest;
      end = std::string_view::npos;
      UserNotice notice;
      notice.explicit_text = std::string(part.substr(7));
      if (notice.explicit_text.empty()) refuse_line("certificate policy", text, "the notice is empty");
      if (!is_utf8(notice.explicit_text)) refuse_line("certificate policy", text, "the notice is not valid UTF-8");
      if (has_control(notice.explicit_text))
        refuse_line("certificate policy", text, "the notice holds a control character");
      if (character_count(notice.explicit_text) > 200) {
        refuse_line("certificate policy", text, "a notice has at most 200 characters (RFC 5280 section 4.2.1.4)");
      }
      policy.user_notices.push_back(std::move(notice));
    } else {
      refuse_line("certificate policy", text, "after the OID may follow ;cps:https://… and at the end ;notice:text");
    }
    first = false;
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return policy;
}

std::string to_string(const Policy& policy) {
  std::string text = policy.oid.dotted();
  for (const std::string& uri : policy.cps_uris) text += ";cps:" + printable(uri);
  for (const UserNotice& notice : policy.user_notices) {
    if (!notice.organization.empty() || !notice.notice_numbers.empty()) {
      text += ";notice of " + printable(notice.organization) + " number";
      for (const std::uint64_t one : notice.notice_numbers) text += " " + std::to_string(one);
    }
    if (!notice.explicit_text.empty()) text += ";notice:" + printable(notice.explicit_text);
  }
  for (const Bytes& qualifier : policy.other_qualifiers) text += ";qualifier:" + hex(qualifier);
  return text;
}

std::uint64_t parse_tls_feature(std::string_view text) {
  const std::string word = lower(text);
  if (word == "status_request") return 5;
  if (word == "status_request_v2") return 17;
  const auto value = number(text);
  if (!value || *value > 65535) {
    refuse_line("TLS feature", text, "use status_request, status_request_v2 or a number to 65535");
  }
  return *value;
}

Extension parse_extension(std::string_view text) {
  Extension extension;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) refuse_line("extension", text, "it is OID:hex or OID:critical:hex");
  std::string_view value = text.substr(colon + 1);
  if (lower(value.substr(0, 9)) == "critical:") {
    extension.critical = true;
    value.remove_prefix(9);
  }
  try {
    extension.oid = Oid::parse(text.substr(0, colon));
    extension.value = from_hex(value);
    der::only(extension.value, "its value");
  } catch (const Error& error) {
    refuse_line("extension", text, error.message());
  }
  if (has_field(extension.oid)) {
    refuse_line("extension", text, extension.oid.name() + " has an option of its own: it is not given as bytes");
  }
  return extension;
}

}  // namespace hsmbridge::x509
