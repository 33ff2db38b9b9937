#include "pkcs11/keys/attribute_table.h"

#include "pkcs11/cryptoki/mechanism_name.h"
#include "pkcs11/keys/objects.h"
#include "x509/asn1/unicode.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace hsmbridge::pkcs11 {
namespace {

using F = AttributeForm;

#define HSMBRIDGE_CKA(name) name, #name

// code and name | how its value reads. In the order in which they are shown.
constexpr AttributeRow kAttributes[] = {
    {HSMBRIDGE_CKA(CKA_CLASS), F::object_class},
    {HSMBRIDGE_CKA(CKA_KEY_TYPE), F::key_type},
    {HSMBRIDGE_CKA(CKA_LABEL), F::text},
    {HSMBRIDGE_CKA(CKA_ID), F::octets},
    {HSMBRIDGE_CKA(CKA_TOKEN), F::flag},
    {HSMBRIDGE_CKA(CKA_PRIVATE), F::flag},
    {HSMBRIDGE_CKA(CKA_MODIFIABLE), F::flag},
    {HSMBRIDGE_CKA(CKA_COPYABLE), F::flag},
    {HSMBRIDGE_CKA(CKA_DESTROYABLE), F::flag},
    {HSMBRIDGE_CKA(CKA_SENSITIVE), F::flag},
    {HSMBRIDGE_CKA(CKA_EXTRACTABLE), F::flag},
    {HSMBRIDGE_CKA(CKA_ALWAYS_SENSITIVE), F::flag},
    {HSMBRIDGE_CKA(CKA_NEVER_EXTRACTABLE), F::flag},
    {HSMBRIDGE_CKA(CKA_LOCAL), F::flag},
    {HSMBRIDGE_CKA(CKA_KEY_GEN_MECHANISM), F::mechanism},
    {HSMBRIDGE_CKA(CKA_ALWAYS_AUTHENTICATE), F::flag},
    {HSMBRIDGE_CKA(CKA_SIGN), F::flag},
    {HSMBRIDGE_CKA(CKA_SIGN_RECOVER), F::flag},
    {HSMBRIDGE_CKA(CKA_VERIFY), F::flag},
    {HSMBRIDGE_CKA(CKA_VERIFY_RECOVER), F::flag},
    {HSMBRIDGE_CKA(CKA_ENCRYPT), F::flag},
    {HSMBRIDGE_CKA(CKA_DECRYPT), F::flag},
    {HSMBRIDGE_CKA(CKA_WRAP), F::flag},
    {HSMBRIDGE_CKA(CKA_UNWRAP), F::flag},
    {HSMBRIDGE_CKA(CKA_DERIVE), F::flag},
    {HSMBRIDGE_CKA(CKA_WRAP_WITH_TRUSTED), F::flag},
    {HSMBRIDGE_CKA(CKA_TRUSTED), F::flag},
    {HSMBRIDGE_CKA(CKA_ALLOWED_MECHANISMS), F::mechanisms},
    {HSMBRIDGE_CKA(CKA_START_DATE), F::text},
    {HSMBRIDGE_CKA(CKA_END_DATE), F::text},
    {HSMBRIDGE_CKA(CKA_SUBJECT), F::octets},
    {HSMBRIDGE_CKA(CKA_MODULUS_BITS), F::number},
    {HSMBRIDGE_CKA(CKA_MODULUS), F::octets},
    {HSMBRIDGE_CKA(CKA_PUBLIC_EXPONENT), F::octets},
    {HSMBRIDGE_CKA(CKA_EC_PARAMS), F::octets},
    {HSMBRIDGE_CKA(CKA_EC_POINT), F::octets},
    {HSMBRIDGE_CKA(CKA_PUBLIC_KEY_INFO), F::octets},
};

#undef HSMBRIDGE_CKA

std::string class_name(CK_ULONG value) {
  switch (value) {
    case CKO_PRIVATE_KEY:
      return "CKO_PRIVATE_KEY";
    case CKO_PUBLIC_KEY:
      return "CKO_PUBLIC_KEY";
    case CKO_CERTIFICATE:
      return "CKO_CERTIFICATE";
    default:
      return fmt::format("0x{:x}", value);
  }
}

std::string key_type_name(CK_ULONG value) {
  switch (value) {
    case CKK_RSA:
      return "CKK_RSA";
    case CKK_EC:
      return "CKK_EC";
    case CKK_EC_EDWARDS:
      return "CKK_EC_EDWARDS";
    case CKK_DSA:
      return "CKK_DSA";
    case CKK_DH:
      return "CKK_DH";
    default:
      return fmt::format("0x{:x}", value);
  }
}

std::string mechanism_text(CK_ULONG value) {
  return value == CK_UNAVAILABLE_INFORMATION ? "none" : mechanism_name(value);
}

std::string mechanism_list(ByteView value) {
  std::string text;
  for (std::size_t at = 0; at + sizeof(CK_ULONG) <= value.size(); at += sizeof(CK_ULONG)) {
    const auto number = number_of(value.subspan(at, sizeof(CK_ULONG)));
    if (!text.empty()) text += ' ';
    text += mechanism_text(number.value_or(0));
  }
  return text;
}

// A label is UTF-8 by the standard and anything in practice: control characters would reach a terminal.
std::string readable(ByteView value) {
  return x509::has_control(as_text(value)) ? hex(value) : to_text(value);
}

}  // namespace

std::span<const AttributeRow> attribute_table() {
  return kAttributes;
}

const AttributeRow* attribute_row(CK_ATTRIBUTE_TYPE type) {
  const auto* const found = std::find_if(std::begin(kAttributes), std::end(kAttributes),
                                         [type](const AttributeRow& row) { return row.type == type; });
  return found == std::end(kAttributes) ? nullptr : found;
}

std::string attribute_text(const AttributeRow& row, ByteView value) {
  if (row.form == F::flag) {
    const auto flag = flag_of(value);
    return !flag ? hex(value) : *flag ? "true" : "false";
  }
  if (row.form == F::text) return readable(value);
  if (row.form == F::mechanisms) return mechanism_list(value);
  const auto number = row.form == F::octets ? std::nullopt : number_of(value);
  if (!number) return hex(value);
  switch (row.form) {
    case F::object_class:
      return class_name(*number);
    case F::key_type:
      return key_type_name(*number);
    case F::mechanism:
      return mechanism_text(*number);
    default:
      return fmt::format("{}", *number);
  }
}

}  // namespace hsmbridge::pkcs11
