#pragma once

#include "base/bytes.h"
#include "base/json.h"
#include "x509/objects/signer.h"

#include <string>
#include <string_view>

// JSON Web Tokens (RFC 7519) in their compact form, signed with a key in a token (RFC 7515).
namespace hsmbridge::providers {

// RFC 4648 §5, without padding.
std::string base64url(ByteView bytes);
// RFC 9562 §5.4, version 4, lower case, from 16 random octets.
std::string uuid_v4(ByteView random);

// RS256 for RSA, and ES256, ES384 or ES512 by the curve. Throws invalid_input for another kind of key, and what the
// signer throws.
std::string signed_jwt(x509::Signer& signer, const Json& claims);

// "SUBJECT of ISSUER": who a JWT says it is for; printable. "" for what is not a JWT, or one without both claims (an
// access token may be any text). Its signature is not looked at.
std::string subject_of(std::string_view jwt);

}  // namespace hsmbridge::providers
