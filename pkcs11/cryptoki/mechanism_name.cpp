#include "pkcs11/cryptoki/mechanism_name.h"

#include "pkcs11/cryptoki/cryptoki.h"

#include <fmt/core.h>

#include <string_view>

namespace hsmbridge::pkcs11 {
namespace {

struct MechanismRow {
  CK_MECHANISM_TYPE type;
  std::string_view name;
};

// Every CKM_ of p11-kit's header but CKM_VENDOR_DEFINED and what is counted from it, written by pkcs11/CMakeLists.txt. Of two names of one number the first one is given.
constexpr MechanismRow kMechanisms[] = {
#include <mechanism_names.inc>
};

}  // namespace

std::string mechanism_name(unsigned long type) {
  for (const MechanismRow& row : kMechanisms) {
    if (row.type == type) return std::string(row.name);
  }
  return fmt::format("0x{:08x}", type);
}

}  // namespace hsmbridge::pkcs11
