#pragma once

#include "base/clock.h"
#include "net/transport.h"
#include "providers/credentials.h"
#include "x509/objects/signer.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

// What opens the service: an API key or a bearer token, and where the next one comes from.
namespace hsmbridge::venafi {

struct Access {
  // The header that carries it.
  enum class Kind { api_key, bearer };
  Kind kind = Kind::api_key;
  std::shared_ptr<providers::Credentials> credentials;
};

// From a source that somebody else keeps fresh. A bearer token may tell whose it is.
Access stored_access(Access::Kind kind, providers::Source source);

// What a token endpoint is asked with.
struct TokenOrder {
  struct Request {
    std::string body;     // the JWT is the value of the last field
    std::string account;  // of the token that is given for this JWT: Credentials::Held::account
  };
  std::string path;  // on the transport
  // Made again each time, since a JWT is good for one use.
  std::function<Request()> make;
  std::string advice;  // what to compare when no token is given
};
// Bearer tokens, got when needed and renewed before they end. `clock` must outlive it.
Access token_access(std::shared_ptr<net::Transport> transport, TokenOrder order, const Clock& clock);
TokenOrder federated_order(std::string path, providers::SecretGetter jwt);
// The signer is used by one thread at a time.
TokenOrder service_account_order(std::shared_ptr<x509::Signer> signer, std::string client_id, const Clock& clock);

// The claim `aud` is this text for every region, without https://.
constexpr std::string_view kAudience = "api.venafi.cloud/v1/oauth/token/serviceaccount";
// The JWT for POST /v1/oauth/token/serviceaccount: iss and sub are the account, jti is new each time. Throws as
// providers::signed_jwt.
std::string service_account_jwt(x509::Signer& signer, std::string_view client_id, Instant now, std::string_view jti);

}  // namespace hsmbridge::venafi
