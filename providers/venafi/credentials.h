#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "net/transport.h"
#include "x509/objects/signer.h"

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

// What opens the service: an API key or a bearer token, and where the next one comes from.
namespace hsmbridge::venafi {

// Gives a secret when it is needed, so that a rotated file needs no restart. Throws what reading it throws.
using SecretGetter = std::function<Secret()>;

// Thread rule: every function may be called from any thread.
class Credentials {
 public:
  virtual ~Credentials() = default;
  // The header that carries it.
  enum class Kind { api_key, bearer };
  virtual Kind kind() const = 0;
  struct Held {
    Secret secret;
    std::string account;  // whose it is, as far as it tells that itself; "" else
  };
  // For a call that begins now. Throws what getting one throws, unavailable when that takes too long.
  virtual Held current(Duration limit) = 0;
  // The service refused `used`: whether `current` will give another one. Does not throw.
  virtual bool replace(const Secret& used) = 0;
};

// From a source that somebody else keeps fresh. `reread`: a refused secret is read anew and taken when it differs;
// without it (a person was asked) the refusal stands.
std::unique_ptr<Credentials> stored_credentials(Credentials::Kind kind, SecretGetter source, bool reread);

// What a token endpoint is asked with.
struct TokenOrder {
  struct Request {
    std::string body;     // the JWT is the value of the last field
    std::string account;  // of the token that is given for this JWT: Credentials::account
  };
  std::string path;  // on the transport
  // Made anew each time, since a JWT is good for one use.
  std::function<Request()> make;
  std::string advice;  // what to compare when no token is given
};
// Bearer tokens, got when needed and renewed before they end. `clock` must outlive it.
std::unique_ptr<Credentials> token_credentials(std::shared_ptr<net::Transport> transport, TokenOrder order,
                                               const Clock& clock);
TokenOrder federated_order(std::string path, SecretGetter jwt);
// The signer is used by one thread at a time.
TokenOrder service_account_order(std::shared_ptr<x509::Signer> signer, std::string client_id, const Clock& clock);

}  // namespace hsmbridge::venafi
