#include "pkcs11/token/uri.h"

#include "base/error.h"
#include "base/text.h"
#include "pkcs11/token/uri_match.h"

#include <fmt/core.h>
#include <p11-kit/uri.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>

namespace hsmbridge::pkcs11 {
namespace {

struct FreeUri {
  void operator()(P11KitUri* uri) const { ::p11_kit_uri_free(uri); }
};
using UriPtr = std::unique_ptr<P11KitUri, FreeUri>;

bool speaks_of_pin(std::string_view text) {
  return lower(text).find("pin-value") != std::string::npos;
}

// p11-kit takes such a field for one that was not given, which would match every token.
bool field_begins_with_zero(std::string_view text) {
  for (const std::string_view end : {"token=%00", "manufacturer=%00", "serial=%00", "model=%00", "description=%00"}) {
    if (text.find(end) != std::string_view::npos) return true;
  }
  return false;
}

UriPtr parse(std::string_view text) {
  UriPtr uri(::p11_kit_uri_new());
  const std::string terminated(text);
  const int result = ::p11_kit_uri_parse(terminated.c_str(), P11_KIT_URI_FOR_ANY, uri.get());
  if (terminated.size() != text.size() || text.find('\0') != std::string_view::npos || result != P11_KIT_URI_OK) {
    // Not repeated where it may hold a PIN.
    if (speaks_of_pin(text)) {
      throw Error{ErrorKind::invalid_input, "a PKCS#11 URI is malformed and holds a PIN (pin-value)"}.hint(
          "remove pin-value and give the token a PIN source, for example pin: \"file:/etc/hsmbridge/web.pin\"");
    }
    throw Error{ErrorKind::invalid_input,
                fmt::format("'{}' is not a valid PKCS#11 URI: {}", text, ::p11_kit_uri_message(result))}
        .hint("RFC 7512, for example pkcs11:token=web;object=web-2026 or pkcs11:token=web;id=%0a%01");
  }
  // The text is not repeated here: it may hold the PIN.
  if (::p11_kit_uri_get_pin_value(uri.get()) != nullptr) {
    throw Error{ErrorKind::invalid_input, "a PKCS#11 URI holds a PIN (pin-value)"}.hint(
        "remove pin-value and give the token a PIN source, for example pin: \"file:/etc/hsmbridge/web.pin\"");
  }
  if (::p11_kit_uri_get_pin_source(uri.get()) != nullptr) {
    throw Error{ErrorKind::invalid_input, fmt::format("'{}' names a PIN source (pin-source)", text)}.hint(
        "remove pin-source and use the token's own, for example pin: \"file:/etc/hsmbridge/web.pin\"");
  }
  if (field_begins_with_zero(text)) {
    throw Error{ErrorKind::invalid_input, fmt::format("'{}' has a field that begins with a zero octet (%00)", text)}
        .hint("the text of a token's field ends at its first zero octet: leave the zero octets out");
  }
  // An attribute that is not understood would widen the match in silence.
  if (::p11_kit_uri_any_unrecognized(uri.get()) != 0) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("'{}' has an attribute or object type that RFC 7512 does not know", text)}
        .hint("known are token, manufacturer, serial, model, library-…, slot-…, object, id and type");
  }
  return uri;
}

// PKCS#11 v2.40 §3.2 wants these fields padded with blanks. Some modules pad with zero octets, or end the text with one
// and leave what was in the buffer: a field's text ends at its first zero octet, here as in padded_text().
constexpr auto kPad = [](auto& field) {
  std::fill(std::find(std::begin(field), std::end(field), '\0'), std::end(field), ' ');
};
// The same for a field of a parsed URI: one that begins with a zero octet was not given.
constexpr auto kPadIfGiven = [](auto& field) {
  if (field[0] != '\0') kPad(field);
};

template <class Pad>
void pad_fields(CK_INFO& info, Pad pad) {
  pad(info.manufacturerID);
  pad(info.libraryDescription);
}
template <class Pad>
void pad_fields(CK_SLOT_INFO& info, Pad pad) {
  pad(info.slotDescription);
  pad(info.manufacturerID);
}
template <class Pad>
void pad_fields(CK_TOKEN_INFO& info, Pad pad) {
  pad(info.label);
  pad(info.manufacturerID);
  pad(info.model);
  pad(info.serialNumber);
}

std::optional<Bytes> attribute(P11KitUri* uri, CK_ATTRIBUTE_TYPE type) {
  const CK_ATTRIBUTE* const found = ::p11_kit_uri_get_attribute(uri, type);
  if (found == nullptr) return std::nullopt;
  const auto* const data = static_cast<const std::uint8_t*>(found->pValue);
  return Bytes(data, data + found->ulValueLen);
}

// RFC 7512 §2.3: pchar without what separates. Everything unusual is encoded; so is each octet of an id, which is
// binary.
std::string percent(ByteView octets, bool all) {
  constexpr std::string_view kPlain = "-._~";
  std::string text;
  for (const std::uint8_t octet : octets) {
    const char c = static_cast<char>(octet);
    const bool plain = is_letter_or_digit(c) || kPlain.find(c) != std::string_view::npos;
    if (plain && !all) {
      text += c;
    } else {
      text += fmt::format("%{:02x}", octet);
    }
  }
  return text;
}

}  // namespace

void check_uri(std::string_view text) {
  parse(text);
}

std::string format_uri(const UriParts& parts) {
  std::string uri = "pkcs11:";
  const auto add = [&uri](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    if (uri.back() != ':') uri += ';';
    uri += fmt::format("{}={}", name, value);
  };
  add("token", percent(as_bytes(parts.token), false));
  add("manufacturer", percent(as_bytes(parts.manufacturer), false));
  add("serial", percent(as_bytes(parts.serial), false));
  add("model", percent(as_bytes(parts.model), false));
  add("slot-id", parts.slot ? std::to_string(*parts.slot) : "");
  add("id", percent(parts.id, true));
  add("object", percent(as_bytes(parts.object), false));
  add("type", parts.type);
  return uri;
}

KeySelector KeySelector::parse(std::string_view text) {
  if (text.empty()) {
    throw Error{ErrorKind::invalid_input, "no key is named"}.hint(
        "name it by its label, by id=HEX, or by a pkcs11: URI");
  }
  KeySelector selector;
  selector.text_ = text;
  if (text.starts_with("pkcs11:")) {
    const UriPtr uri = pkcs11::parse(text);
    selector.uri_ = text;
    if (auto id = attribute(uri.get(), CKA_ID)) {
      selector.id_ = std::move(*id);
      selector.has_id_ = true;
    }
    if (const auto label = attribute(uri.get(), CKA_LABEL)) {
      selector.label_ = to_text(*label);
      selector.has_label_ = true;
    }
    return selector;
  }
  if (text.starts_with("id=")) {
    try {
      selector.id_ = from_hex(text.substr(3));
    } catch (Error& error) {
      throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not a valid key id: {}", text, error.message())}.hint(
          "give the CKA_ID as hex, for example id=0a01; a label that begins with id= is named by a URI: "
          "pkcs11:object=…");
    }
    if (selector.id_.empty()) {
      throw Error{ErrorKind::invalid_input, "id= names no key"}.hint("give the CKA_ID as hex, for example id=0a01");
    }
    selector.has_id_ = true;
    return selector;
  }
  selector.label_ = text;
  selector.has_label_ = true;
  return selector;
}

KeySelector KeySelector::by_label(std::string label) {
  KeySelector selector;
  selector.text_ = label;
  selector.label_ = std::move(label);
  selector.has_label_ = true;
  return selector;
}

KeySelector KeySelector::by_id(Bytes id) {
  KeySelector selector;
  selector.text_ = "id=" + hex(id);
  selector.id_ = std::move(id);
  selector.has_id_ = true;
  return selector;
}

bool uri_matches_token(const std::string& uri, CK_INFO module, CK_SLOT_INFO slot, CK_SLOT_ID slot_id,
                       CK_TOKEN_INFO token) {
  const UriPtr parsed = parse(uri);
  pad_fields(module, kPad);
  pad_fields(slot, kPad);
  pad_fields(token, kPad);
  // A URI that somebody copied out of a padded field means what the field means.
  pad_fields(*::p11_kit_uri_get_module_info(parsed.get()), kPadIfGiven);
  pad_fields(*::p11_kit_uri_get_slot_info(parsed.get()), kPadIfGiven);
  pad_fields(*::p11_kit_uri_get_token_info(parsed.get()), kPadIfGiven);
  const CK_SLOT_ID wanted = ::p11_kit_uri_get_slot_id(parsed.get());
  return ::p11_kit_uri_match_module_info(parsed.get(), &module) != 0 &&
         ::p11_kit_uri_match_slot_info(parsed.get(), &slot) != 0 &&
         (wanted == static_cast<CK_SLOT_ID>(-1) || wanted == slot_id) &&
         ::p11_kit_uri_match_token_info(parsed.get(), &token) != 0;
}

std::optional<CK_OBJECT_CLASS> uri_object_class(const std::string& uri) {
  if (uri.empty()) return std::nullopt;
  const UriPtr parsed = parse(uri);
  const CK_ATTRIBUTE* const found = ::p11_kit_uri_get_attribute(parsed.get(), CKA_CLASS);
  if (found == nullptr || found->ulValueLen != sizeof(CK_OBJECT_CLASS)) return std::nullopt;
  return *static_cast<const CK_OBJECT_CLASS*>(found->pValue);
}

}  // namespace hsmbridge::pkcs11
