#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hsmbridge::net {

using Headers = std::vector<std::pair<std::string, std::string>>;

// May the same bytes go out a second time? libcurl silently sends a POST again when a reused connection dies before the
// first octet of the answer: two orders, one 201. `never` takes a fresh connection, where it does not. There is no
// default: whoever writes a call says whether it may happen twice.
enum class Repeat { never, allowed };

struct Request {
  std::string method;     // GET, POST, PUT, PATCH or DELETE
  std::string url;        // made by Url::at
  Headers headers;        // credentials belong here, and nowhere else: headers are never logged
  std::string body;       // sent when not empty; POST, PUT and PATCH always have one
  Duration time_limit{};  // for the whole call, resolving and connecting included
  // On CLOCK_BOOTTIME, which counts through suspend: asked just before the first octet, and past it nothing is sent. A
  // time limit alone begins anew wherever a thread was stuck before it got here.
  std::optional<Duration> call_until = std::nullopt;

  // Body and headers are overwritten.
  ~Request();
};

// Nothing of the request left this machine: DNS, connect, TLS handshake, a certificate that is not trusted, or ours
// that the server refused. Nothing happened; trying again is safe.
struct NotSent {
  std::string why;   // one sentence, naming the host
  std::string hint;  // what to do about it; may be empty
};

// The request, or a part of it, left, and no complete answer came: the time limit, a connection that ended, a cut or
// oversized body. It may have happened.
struct OutcomeUnknown {
  std::string why;
  bool too_large = false;  // it was larger than `largest_body`: asking for less may help
};

// A complete answer, whatever it says. Redirects are answers; none is followed.
struct Response {
  long status = 0;
  Headers headers;
  std::string body;

  // The first header of that name, whatever the letter case; nothing when there is none.
  std::optional<std::string_view> header(std::string_view name) const;
  // Retry-After, RFC 9110 §10.2.3.
  std::optional<Duration> retry_after(Instant now) const;
  // The Date header: the server's clock, to the second.
  std::optional<Instant> date(Instant now) const;
};

using Exchange = std::variant<NotSent, OutcomeUnknown, Response>;

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

// HTTP/1.1 over TLS 1.2 or newer, always verified: there is no switch that turns it off. Nothing is followed, nothing
// stored, nothing taken from the environment. Thread rule: `send` may be called from any number of threads; each call
// blocks its own.
class HttpClient {
 public:
  // Throws invalid_input, not_found or denied for files that cannot be used.
  explicit HttpClient(ClientOptions options);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  // One exchange. With Repeat::never exactly one request is sent or none. Throws invalid_input for a request that
  // cannot be sent (a header with a line break, an unknown method), internal, and what the hook threw.
  Exchange send(const Request& request, Repeat repeat);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hsmbridge::net
