#pragma once

#include "base/clock.h"
#include "net/transport.h"
#include "net/url.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace hsmbridge::net {

// Puts a client certificate and key into OpenSSL's SSL_CTX* (given as void*, so that no caller sees OpenSSL). May
// throw: the exception leaves `send`.
using TlsHook = std::function<void(void* ssl_ctx)>;

struct ClientOptions {
  // PEM; the only anchors then, refused where others may write it (base/trust.h). Absent: the system's.
  std::optional<std::filesystem::path> ca_file;
  // Client authentication, one way or none: two PEM files (the key's for its owner only), or the hook.
  std::optional<std::filesystem::path> client_certificate;
  std::optional<std::filesystem::path> client_key;
  TlsHook tls_hook;
  std::optional<std::string> proxy;  // "http://host:port"; the environment's proxy variables are not looked at
  Duration connect_limit = std::chrono::seconds{15};
  std::size_t largest_body = 4U << 20U;
};

// HTTP/1.1 over TLS 1.2 or newer to the service under one URL, always verified: there is no switch that turns it off.
// Nothing is followed, nothing stored, nothing taken from the environment. Thread rule: as Transport.
class HttpClient final : public Transport {
 public:
  // Throws invalid_input, not_found or denied for files that cannot be used.
  HttpClient(Url service, ClientOptions options);
  ~HttpClient() override;

 private:
  Exchange carry(const Request& request) override;

  class Impl;
  std::unique_ptr<Impl> impl_;
};

// HTTP/1.1 to a service of this machine that listens on a Unix socket, unencrypted: nobody else hears it. The socket is
// refused where somebody else than root and the user of this process may put another there (base/trust.h). Every call
// has a connection of its own. Thread rule: as Transport.
class SocketClient final : public Transport {
 public:
  explicit SocketClient(std::filesystem::path socket) : socket_(std::move(socket)) {}

 private:
  Exchange carry(const Request& request) override;

  const std::filesystem::path socket_;
};

// What anybody may read, by plain http: one GET without credentials, nothing followed, nothing taken from the
// environment. Who reads the answer believes nothing in it that no signature proves. The only way to plain http over a
// network.
struct PublicLimits {
  Duration time = std::chrono::seconds{20};  // resolving and connecting included
  std::size_t largest_body = 4U << 20U;
};
Exchange fetch_public(const PublicUrl& url, const PublicLimits& limits);
// What may be used in its stead.
using FetchPublic = std::function<Exchange(const PublicUrl& url, const PublicLimits& limits)>;

}  // namespace hsmbridge::net
