#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/unicode.h"
#include "x509/objects/signer.h"

#include <string>
#include <string_view>

// JSON Web Tokens (RFC 7519) as a built-in service account signs them, with a key in a token.
namespace hsmbridge::venafi {

// RFC 4648 §5, without padding.
std::string base64url(ByteView bytes);
// RFC 9562 §5.4, version 4, lower case, from 16 random octets.
std::string uuid_v4(ByteView random);

// The claim `aud` is this text for every region, without https://.
constexpr std::string_view kAudience = "api.venafi.cloud/v1/oauth/token/serviceaccount";

// The JWT for POST /v1/oauth/token/serviceaccount: iss and sub are the account, jti is new each time. RS256 for RSA,
// and ES256, ES384 or ES512 by the curve. Throws invalid_input for another kind of key, and what the signer throws.
std::string service_account_jwt(x509::Signer& signer, std::string_view client_id, Instant now, std::string_view jti);

// "SUBJECT of ISSUER": who a JWT says it is for; printable. "" for what is not a JWT, or one without both claims (an
// access token may be any text). Its signature is not looked at.
std::string subject_of(std::string_view jwt);

}  // namespace hsmbridge::venafi
