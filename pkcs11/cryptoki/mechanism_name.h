#pragma once

#include <string>

namespace hsmbridge::pkcs11 {

// "CKM_ECDSA", or "0x80001234" for a number without a name in our table.
std::string mechanism_name(unsigned long type);

}  // namespace hsmbridge::pkcs11
