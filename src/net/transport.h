#pragma once

#include "base/clock.h"
#include "base/redact.h"
#include "base/secret.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// One HTTP exchange with one service, as an interface: HttpClient carries it over the network, tests answer in place of
// a server. Every text of an exchange leaves here without the secrets of its call, whatever its status and whoever
// carried it: nobody behind this interface removes secrets, and nobody need.
namespace hsmbridge::net {

using Headers = std::vector<std::pair<std::string, std::string>>;

// May the same bytes go out a second time? libcurl silently sends a POST again when a reused connection dies before the
// first octet of the answer: two orders, one 201. `never` takes a fresh connection, where it does not.
enum class Repeat { never, allowed };

struct Request {
  std::string method;  // GET, POST, PUT, PATCH or DELETE
  std::string path;    // from the service's URL: "/v1/sign", every segment percent-encoded, a query allowed
  // Never logged. The value of every header but Accept, Content-Type, User-Agent, If-Match and If-None-Match is taken
  // for a secret.
  Headers headers;
  std::string body;  // sent when not empty; POST, PUT and PATCH always have one
  Repeat repeat = Repeat::never;
  Duration time_limit{};  // for the whole call, resolving and connecting included
  // On CLOCK_BOOTTIME, which counts through suspend: asked just before the first octet, and past it nothing is sent. A
  // time limit alone begins again wherever a thread was stuck before it got here.
  std::optional<Duration> call_until = std::nullopt;
  // What is secret of the body, and what else the server may know and repeat (the credentials of other calls).
  std::vector<Secret> secrets = {};

  // Body and headers are overwritten.
  ~Request();
};

// Nothing of the request left this machine: DNS, connect, TLS handshake, a certificate that is not trusted, or ours
// that the server refused. Nothing happened; trying again is safe.
struct NotSent {
  std::string why;        // one sentence, naming the host
  std::string hint = {};  // what to do about it; may be empty

  // Both in one.
  std::string spoken() const { return hint.empty() ? why : why + " (" + hint + ")"; }
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
  std::string body;  // as it came, but for secrets

  // The first header of that name, whatever the letter case; nothing when there is none.
  std::optional<std::string_view> header(std::string_view name) const;
  // The value of Content-Type; "" when there is none.
  std::string_view content_type() const;
  // Retry-After, RFC 9110 §10.2.3.
  std::optional<Duration> retry_after(Instant now) const;
  // The Date header: the server's clock, to the second.
  std::optional<Instant> date(Instant now) const;
};

using Exchange = std::variant<NotSent, OutcomeUnknown, Response>;

// How many exchanges the calling thread has begun so far that reached a server, of all transports.
unsigned long exchanges_of_this_thread() noexcept;

class Transport {
 public:
  virtual ~Transport() = default;
  // One exchange within request.time_limit, begun before request.call_until or not at all (NotSent); nothing is
  // followed, and nothing repeated beyond `repeat`: with Repeat::never exactly one request is sent or none. The secrets
  // of the request are taken out of what is returned. Throws invalid_input for a request that cannot be sent (a header
  // with a line break, an unknown method), internal, and what a client-key hook throws. Thread rule: called from
  // several threads at once; each call blocks its own.
  Exchange send(const Request& request);

 private:
  virtual Exchange carry(const Request& request) = 0;
  std::shared_ptr<const Redactor> redactor_for(std::vector<Secret> secrets);

  // Most calls have the same secrets, and working out what they look like costs more than a call.
  std::mutex mutex_;
  std::vector<Secret> secrets_;
  std::shared_ptr<const Redactor> redactor_;
};

}  // namespace hsmbridge::net
