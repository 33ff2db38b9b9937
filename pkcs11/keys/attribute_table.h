#pragma once

#include "base/bytes.h"
#include "pkcs11/cryptoki/cryptoki.h"

#include <span>
#include <string>
#include <string_view>

namespace hsmbridge::pkcs11 {

enum class AttributeForm { flag, number, object_class, key_type, mechanism, mechanisms, text, octets };

struct AttributeRow {
  CK_ATTRIBUTE_TYPE type;
  std::string_view name;
  AttributeForm form;
};

// Every attribute of a key that may be shown to anybody. Those that hold key material (CKA_VALUE, CKA_PRIVATE_EXPONENT,
// the primes and their kin) are not here and are therefore never asked for.
std::span<const AttributeRow> attribute_table();
const AttributeRow* attribute_row(CK_ATTRIBUTE_TYPE type);
std::string attribute_text(const AttributeRow& row, ByteView value);

}  // namespace hsmbridge::pkcs11
