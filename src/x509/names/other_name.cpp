#include "x509/names/other_name.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/asn1/unicode.h"
#include "x509/names/name.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>

namespace hsmbridge::x509 {
namespace {

[[noreturn]] void refuse_other_name(std::string_view value, const std::string& why) {
  throw Error{ErrorKind::invalid_input, "othername \"" + printable(value.substr(0, 200)) + "\": " + why};
}

// how it is written, type
struct TypeName {
  std::string_view text;
  OtherNameType type;
};
constexpr std::array kTypes{
    TypeName{"UTF8", OtherNameType::utf8},           TypeName{"IA5", OtherNameType::ia5},
    TypeName{"PRINTABLE", OtherNameType::printable}, TypeName{"BMP", OtherNameType::bmp},
    TypeName{"INT", OtherNameType::integer},         TypeName{"OID", OtherNameType::oid},
    TypeName{"BOOL", OtherNameType::boolean},        TypeName{"NULL", OtherNameType::null},
    TypeName{"OCTET", OtherNameType::octets},        TypeName{"DER", OtherNameType::der},
};

Bytes hex_value(std::string_view value) {
  try {
    return from_hex(value);
  } catch (const Error& error) {
    refuse_other_name(value, error.message());
  }
}

// Two's complement, shortest form.
Bytes signed_integer(std::int64_t value) {
  Bytes octets;
  for (int shift = 56; shift >= 0; shift -= 8) {
    octets.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> shift));
  }
  std::size_t skip = 0;
  while (skip < 7 &&
         ((octets[skip] == 0 && octets[skip + 1] < 0x80) || (octets[skip] == 0xFF && octets[skip + 1] >= 0x80))) {
    ++skip;
  }
  return der::element(der::kInteger, ByteView(octets).subspan(skip));
}

Bytes encode(OtherNameType type, std::string_view value) {
  switch (type) {
    case OtherNameType::utf8:
      if (!is_utf8(value)) refuse_other_name(value, "it is not valid UTF-8");
      return der::text(der::kUtf8String, value);
    case OtherNameType::ia5:
      if (!is_ascii(value)) refuse_other_name(value, "IA5 takes only ASCII characters");
      return der::text(der::kIa5String, value);
    case OtherNameType::printable:
      if (!is_printable_string(value))
        refuse_other_name(value, "PRINTABLE takes letters, digits, space and '()+,-./:=?");
      return der::text(der::kPrintableString, value);
    case OtherNameType::bmp: {
      const auto octets = utf16_from_utf8(value);
      if (!octets) refuse_other_name(value, "it does not fit a BMPString");
      return der::element(der::kBmpString, *octets);
    }
    case OtherNameType::integer: {
      std::int64_t number = 0;
      const char* end = value.data() + value.size();
      const auto [at, error] = std::from_chars(value.data(), end, number);
      if (error != std::errc{} || at != end) refuse_other_name(value, "not a decimal number of 64 bits");
      return signed_integer(number);
    }
    case OtherNameType::oid:
      return der::oid(Oid::parse(value));
    case OtherNameType::boolean:
      if (value != "TRUE" && value != "FALSE") refuse_other_name(value, "a BOOL is TRUE or FALSE");
      return der::boolean(value == "TRUE");
    case OtherNameType::null:
      if (!value.empty()) refuse_other_name(value, "a NULL has no value");
      return der::null();
    case OtherNameType::octets:
      return der::octet_string(hex_value(value));
    case OtherNameType::der: {
      Bytes octets = hex_value(value);
      der::only(octets, "othername value");
      return octets;
    }
  }
  throw Error{ErrorKind::internal, "an otherName type without an encoding"};
}

// The value as TYPE:text, or nothing when only DER:hex shows it without loss.
std::optional<std::string> typed_text(const der::Element& value) {
  const auto clean = [](std::optional<std::string> text) -> std::optional<std::string> {
    if (!text || has_control(*text)) return std::nullopt;
    return text;
  };
  const auto labelled = [](const char* label, std::optional<std::string> text) -> std::optional<std::string> {
    if (!text) return std::nullopt;
    return label + *text;
  };
  der::Reader reader(value.whole);
  switch (value.tag) {
    case der::kUtf8String:
      return labelled("UTF8:", clean(to_text(value.content)));
    case der::kIa5String:
      return labelled("IA5:", clean(utf8_from_ascii(value.content)));
    case der::kPrintableString: {
      const std::string text = to_text(value.content);
      if (!is_printable_string(text)) return std::nullopt;
      return "PRINTABLE:" + text;
    }
    case der::kBmpString: {
      auto text = clean(utf8_from_utf16(value.content));
      if (!text || !utf16_from_utf8(*text)) return std::nullopt;
      return "BMP:" + *text;
    }
    case der::kInteger: {
      const ByteView octets = reader.integer("othername value");
      if (octets.size() > 8) return std::nullopt;
      std::uint64_t number = (octets[0] & 0x80U) != 0 ? std::numeric_limits<std::uint64_t>::max() : 0;
      for (const std::uint8_t octet : octets) number = (number << 8U) | octet;
      return "INT:" + std::to_string(static_cast<std::int64_t>(number));
    }
    case der::kOid:
      return "OID:" + reader.oid("othername value").dotted();
    case der::kBoolean:
      return reader.boolean("othername value") ? "BOOL:TRUE" : "BOOL:FALSE";
    case der::kNull:
      if (!value.content.empty()) return std::nullopt;
      return "NULL:";
    case der::kOctetString:
      return "OCTET:" + hex(value.content);
    default:
      return std::nullopt;
  }
}

}  // namespace

Bytes other_name_der(const Oid& type_id, OtherNameType type, std::string_view value) {
  return der::constructed(der::context_constructed(0), der::oid(type_id),
                          der::constructed(der::context_constructed(0), encode(type, value)));
}

Bytes other_name_from_text(std::string_view text) {
  const std::size_t semicolon = text.find(';');
  const std::size_t colon = semicolon == std::string_view::npos ? semicolon : text.find(':', semicolon);
  if (colon == std::string_view::npos)
    refuse_other_name(text, "it is written OID;TYPE:value, for example 1.2.3.4;UTF8:text");
  const std::string_view type = text.substr(semicolon + 1, colon - semicolon - 1);
  for (const TypeName& row : kTypes) {
    if (row.text == type) {
      return other_name_der(Oid::parse(text.substr(0, semicolon)), row.type, text.substr(colon + 1));
    }
  }
  refuse_other_name(
      text, "\"" + printable(type) + "\" is not a valid type; valid types: " + joined(kTypes, ", ", &TypeName::text));
}

std::string other_name_text(ByteView general_name) {
  der::Reader sequence = der::inside(general_name, der::context_constructed(0), "otherName");
  const Oid type_id = sequence.oid("otherName type-id");
  der::Reader tagged = sequence.enter(der::context_constructed(0), "otherName value");
  sequence.expect_end("otherName");
  const der::Element value = tagged.any("otherName value");
  tagged.expect_end("otherName value");
  const auto text = typed_text(value);
  if (type_id == kUserPrincipalName && value.tag == der::kUtf8String && text) return "upn:" + text->substr(5);
  return "othername:" + type_id.dotted() + ";" + (text ? *text : "DER:" + hex(value.whole));
}

}  // namespace hsmbridge::x509
