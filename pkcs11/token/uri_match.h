#pragma once

#include "pkcs11/cryptoki/cryptoki.h"

#include <optional>
#include <string>

namespace hsmbridge::pkcs11 {

// Whether what an RFC 7512 URI says of module, slot and token is true of these. Throws invalid_input as check_uri does.
bool uri_matches_token(const std::string& uri, CK_INFO module, CK_SLOT_INFO slot, CK_SLOT_ID slot_id,
                       CK_TOKEN_INFO token);
// The CKA_CLASS that its `type` asks for.
std::optional<CK_OBJECT_CLASS> uri_object_class(const std::string& uri);

}  // namespace hsmbridge::pkcs11
