#pragma once

#include "base/clock.h"
#include "base/secret.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// What a provider needs of HTTP, so that tests can answer in place of a server. Every text of an exchange leaves here
// without the secrets of its call, whatever its status: nobody behind this interface removes secrets, and nobody need.
namespace hsmbridge::providers {

struct HttpRequest {
  std::string method;  // "GET", "POST", "PATCH", "DELETE"
  std::string path;    // from the origin: "/v1/sign", every segment percent-encoded
  // The value of every header but Accept, Content-Type and User-Agent is taken for a secret.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // May the same bytes go out a second time when a reused connection dies? Never for a call that creates something.
  enum class Repeat { never, allowed };
  Repeat repeat = Repeat::never;
  Duration time_limit{};
  // Of a call that is made once (ProviderCall::call_until): past it, on CLOCK_BOOTTIME, no byte is sent.
  std::optional<Duration> call_until = std::nullopt;
  // What is secret of the body, and what else the server may know and repeat (the credentials of other calls).
  std::vector<Secret> secrets = {};

  // Body and headers are overwritten.
  ~HttpRequest();
};

// Nothing left this machine: DNS, connect, TLS handshake.
struct NotSent {
  std::string why;
};
// The request, or part of it, left; no complete answer came.
struct AnswerLost {
  std::string why;
  bool too_large = false;  // it was larger than this program reads: asking for less may help
};
// A complete answer, whatever it says.
struct HttpAnswer {
  long status = 0;
  std::string content_type;
  std::string body;  // as it came, but for secrets
  std::optional<Duration> retry_after;
  std::optional<Instant> date;  // the Date header: the server's clock, to the second
};

using Exchange = std::variant<NotSent, AnswerLost, HttpAnswer>;

class Transport {
 public:
  virtual ~Transport() = default;
  // One exchange within request.time_limit, begun before request.call_until or not at all (NotSent); nothing is
  // followed or repeated beyond `repeat`. The secrets of the request are taken out of what is returned. Throws nothing
  // but internal and what a client-key hook throws. Thread rule: called from several threads at once.
  Exchange send(const HttpRequest& request);

 private:
  virtual Exchange carry(const HttpRequest& request) = 0;
};

}  // namespace hsmbridge::providers
