#include "x509/names/general_name.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/asn1/unicode.h"
#include "x509/names/dns_name.h"
#include "x509/names/ip_address.h"
#include "x509/names/name.h"
#include "x509/names/other_name.h"

#include <array>

namespace hsmbridge::x509 {
namespace {

enum class Use { name, constraint };

[[noreturn]] void refuse_general_name(std::string_view value, const std::string& why) {
  throw Error{ErrorKind::invalid_input, "\"" + printable(value.substr(0, 200)) + "\": " + why};
}

std::string mailbox(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0) refuse_general_name(text, "a mail address is like ops@example.com");
  const std::string_view local = text.substr(0, at);
  if (!is_ascii(local)) {
    // RFC 9598 has an otherName for them.
    refuse_general_name(text,
                        "a mail address with letters beyond ASCII before the @ cannot be an rfc822Name (RFC 5280)");
  }
  if (local.size() > 64) refuse_general_name(text, "more than 64 characters before the @ (RFC 5321 section 4.5.3.1.1)");
  const bool quoted = local.size() >= 2 && local.front() == '"' && local.back() == '"';
  const std::string_view inside = quoted ? local.substr(1, local.size() - 2) : local;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    const char c = inside[i];
    if (quoted) {
      if (c == '\\' && i + 1 < inside.size() && inside[i + 1] >= ' ' && inside[i + 1] <= '~') {
        ++i;
      } else if (c < ' ' || c > '~' || c == '"' || c == '\\') {
        refuse_general_name(text, "malformed quoted text before the @");
      }
    } else if (c == '.' ? (i == 0 || i + 1 == inside.size() || inside[i - 1] == '.')
                        : !is_letter_or_digit(c) &&
                              std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) == std::string_view::npos) {
      refuse_general_name(text, "malformed before the @ (RFC 5321 section 4.1.2)");
    }
  }
  return std::string(local) + "@" + host_name(text.substr(at + 1), Wildcard::refused);
}

// RFC 3986: scheme, colon, something; only its characters, percent signs with two digits after them.
std::string absolute_uri(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    refuse_general_name(text, "a URI is absolute, like https://example.com/");
  }
  for (std::size_t i = 0; i < colon; ++i) {
    const char c = text[i];
    if (!is_letter(c) && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))) {
      refuse_general_name(text, "the part before the colon is not a URI scheme");
    }
  }
  for (std::size_t i = colon; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) {
        refuse_general_name(text, "a percent sign is not followed by two hex digits");
      }
    } else if (!is_letter_or_digit(c) &&
               (c == '\0' || std::string_view("-._~:/?#[]@!$&'()*+,;=").find(c) == std::string_view::npos)) {
      refuse_general_name(text, "it holds a character that must be percent-encoded (RFC 3986)");
    }
  }
  const std::string_view rest = text.substr(colon + 1);
  if (rest.substr(0, 2) == "//") {
    const std::string_view authority = rest.substr(2, rest.find_first_of("/?#", 2) - 2);
    if (authority.empty() && text.substr(0, colon) != "file")
      refuse_general_name(text, "a host name is missing after //");
  }
  return std::string(text);
}

// RFC 5280 §4.2.1.10: a host, or with a leading dot every host under a domain.
std::string host_or_domain(std::string_view text) {
  if (!text.empty() && text.front() == '.') return "." + host_name(text.substr(1), Wildcard::refused);
  return host_name(text, Wildcard::refused);
}

GeneralName make(GeneralNameKind kind, Bytes der, std::string text) {
  return GeneralName{kind, std::move(der), std::move(text)};
}

GeneralName string_name(GeneralNameKind kind, std::string_view prefix, const std::string& value) {
  return make(kind, der::text(der::context(static_cast<unsigned>(kind)), value), std::string(prefix) + value);
}

GeneralName from_dns(std::string_view value, Use use) {
  if (use == Use::name) return string_name(GeneralNameKind::dns, "dns:", host_name(value, Wildcard::allowed));
  return string_name(GeneralNameKind::dns, "dns:", value.empty() ? std::string() : host_or_domain(value));
}

GeneralName from_ip(std::string_view value, Use use) {
  const Bytes octets = use == Use::name ? ip_octets(value) : ip_network_octets(value);
  return make(GeneralNameKind::ip, der::element(der::context(7), octets),
              "ip:" + (use == Use::name ? ip_text(octets) : ip_network_text(octets)));
}

GeneralName from_email(std::string_view value, Use use) {
  const bool is_mailbox = use == Use::name || value.find('@') != std::string_view::npos;
  return string_name(GeneralNameKind::email, "email:", is_mailbox ? mailbox(value) : host_or_domain(value));
}

GeneralName from_uri(std::string_view value, Use use) {
  return string_name(GeneralNameKind::uri, "uri:", use == Use::name ? absolute_uri(value) : host_or_domain(value));
}

GeneralName from_upn(std::string_view value, Use) {
  const std::size_t at = value.find('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == value.size()) {
    refuse_general_name(value, "a user principal name is like user@example.com");
  }
  return make(GeneralNameKind::other_name, other_name_der(kUserPrincipalName, OtherNameType::utf8, value),
              "upn:" + std::string(value));
}

GeneralName from_other_name(std::string_view value, Use) {
  Bytes der = other_name_from_text(value);
  std::string text = other_name_text(der);
  return make(GeneralNameKind::other_name, std::move(der), std::move(text));
}

GeneralName from_directory_name(std::string_view value, Use use) {
  const Name name = Name::parse(value);
  if (name.empty() && use == Use::name) refuse_general_name("dirname:" + std::string(value), "the name is empty");
  // A CHOICE cannot be tagged IMPLICIT: [4] stands around the Name.
  return make(GeneralNameKind::directory, der::constructed(der::context_constructed(4), name.der()),
              "dirname:" + name.to_string());
}

GeneralName from_registered_id(std::string_view value, Use) {
  const Oid oid = Oid::parse(value);
  return make(GeneralNameKind::registered_id, der::element(der::context(8), oid.content()), "rid:" + oid.dotted());
}

// prefix, how the rest is read
struct Prefix {
  std::string_view text;
  GeneralName (*read)(std::string_view value, Use use);
};
constexpr std::array kPrefixes{
    Prefix{"dns", from_dns},
    Prefix{"ip", from_ip},
    Prefix{"email", from_email},
    Prefix{"uri", from_uri},
    Prefix{"upn", from_upn},
    Prefix{"othername", from_other_name},
    Prefix{"dirname", from_directory_name},
    Prefix{"rid", from_registered_id},
};

GeneralName parse_text(std::string_view text, Use use) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    for (const Prefix& prefix : kPrefixes) {
      if (!equal_ignoring_case(text.substr(0, colon), prefix.text)) continue;
      const std::string_view value = text.substr(colon + 1);
      if (!is_utf8(value)) refuse_general_name(text, "it is not valid UTF-8");
      if (has_control(value)) refuse_general_name(text, "it holds a control character");
      if (value.empty() && use == Use::name) refuse_general_name(text, "nothing follows the colon");
      return prefix.read(value, use);
    }
  }
  const std::string prefixes =
      joined(kPrefixes, ", ", [](const Prefix& prefix) { return std::string(prefix.text) + ":"; });
  throw Error{ErrorKind::invalid_input, "\"" + printable(text.substr(0, 200)) + "\" is not a valid alternative name"}
      .hint("begin it with one of " + prefixes + " for example dns:www.example.com");
}

std::string shown_text(ByteView content) {
  return printable(as_text(content));
}

void expect_ascii(ByteView content, std::string_view what) {
  if (!is_ascii(as_text(content))) {
    throw Error{ErrorKind::invalid_input,
                "GeneralName " + std::string(what) + ": it is not ASCII (IA5String): " + printable(as_text(content))};
  }
}

GeneralName read_der(ByteView der, Use use) {
  const der::Element element = der::only(der, "GeneralName");
  GeneralName name;
  name.der.assign(der.begin(), der.end());
  const ByteView content = element.content;
  switch (element.tag) {
    case der::context_constructed(0):
      name.kind = GeneralNameKind::other_name;
      name.text = other_name_text(der);
      return name;
    case der::context(1):
      name.kind = GeneralNameKind::email;
      expect_ascii(content, "rfc822Name");
      name.text = "email:" + shown_text(content);
      return name;
    case der::context(2):
      name.kind = GeneralNameKind::dns;
      expect_ascii(content, "dNSName");
      name.text = "dns:" + shown_text(content);
      return name;
    case der::context_constructed(3):
      name.kind = GeneralNameKind::x400;
      name.text = "x400:" + hex(der);
      return name;
    case der::context_constructed(4):
      name.kind = GeneralNameKind::directory;
      name.text = "dirname:" + Name::from_der(content).to_string();
      return name;
    case der::context_constructed(5):
      name.kind = GeneralNameKind::edi_party;
      name.text = "ediparty:" + hex(der);
      return name;
    case der::context(6):
      name.kind = GeneralNameKind::uri;
      expect_ascii(content, "uniformResourceIdentifier");
      name.text = "uri:" + shown_text(content);
      return name;
    case der::context(7):
      name.kind = GeneralNameKind::ip;
      name.text = "ip:" + (use == Use::name ? ip_text(content) : ip_network_text(content));
      return name;
    case der::context(8):
      name.kind = GeneralNameKind::registered_id;
      name.text = "rid:" + Oid::from_content(content).dotted();
      return name;
    default:
      throw Error{ErrorKind::invalid_input, "GeneralName: tag 0x" + hex(der.first(1)) + " is none of its kinds"};
  }
}

}  // namespace

GeneralName GeneralName::parse(std::string_view text) {
  return parse_text(text, Use::name);
}
GeneralName GeneralName::parse_constraint(std::string_view text) {
  return parse_text(text, Use::constraint);
}
GeneralName GeneralName::from_der(ByteView der) {
  return read_der(der, Use::name);
}
GeneralName GeneralName::constraint_from_der(ByteView der) {
  return read_der(der, Use::constraint);
}

void GeneralName::check() const {
  const der::Element element = der::only(der, "GeneralName");
  const std::string_view content = as_text(element.content);
  switch (kind) {
    case GeneralNameKind::dns:
      parse("dns:" + std::string(content));
      break;
    case GeneralNameKind::email:
      parse("email:" + std::string(content));
      break;
    case GeneralNameKind::uri:
      parse("uri:" + std::string(content));
      break;
    case GeneralNameKind::directory: {
      const Name name = Name::from_der(element.content);
      if (name.empty()) refuse_general_name(text, "the name is empty");
      name.check();
      break;
    }
    default:
      break;
  }
}

}  // namespace hsmbridge::x509
