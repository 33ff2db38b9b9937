#include "providers/net_transport.h"

#include "base/error.h"
#include "net/url.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::providers {
namespace {

class NetTransport final : public Transport {
 public:
  NetTransport(net::Url url, net::ClientOptions options, const Clock& clock)
      : url_(std::move(url)), http_(std::move(options)), clock_(clock) {}

 private:
  Exchange carry(const HttpRequest& request) override {
    const net::Request out{request.method, url_.at(request.path), request.headers,
                           request.body,   request.time_limit,    request.call_until};
    net::Exchange exchange =
        http_.send(out, request.repeat == HttpRequest::Repeat::never ? net::Repeat::never : net::Repeat::allowed);
    if (auto* not_sent = std::get_if<net::NotSent>(&exchange)) {
      return NotSent{not_sent->hint.empty() ? not_sent->why : not_sent->why + " (" + not_sent->hint + ")"};
    }
    if (auto* unknown = std::get_if<net::OutcomeUnknown>(&exchange)) {
      return AnswerLost{std::move(unknown->why), unknown->too_large};
    }
    auto& response = std::get<net::Response>(exchange);
    const Instant now = clock_.now();
    return HttpAnswer{response.status, std::string(response.header("content-type").value_or("")),
                      std::move(response.body), response.retry_after(now), response.date(now)};
  }

  const net::Url url_;
  net::HttpClient http_;
  const Clock& clock_;
};

}  // namespace

std::shared_ptr<Transport> make_transport(const Connection& connection, net::TlsHook tls_hook, const Clock& clock) {
  if (connection.client_key.has_value() != static_cast<bool>(tls_hook)) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {}: a TLS client key in a token and its hook go together", connection.name)};
  }
  net::ClientOptions options;
  options.ca_file = connection.ca;
  options.tls_hook = std::move(tls_hook);
  options.proxy = connection.proxy;
  if (!connection.client_key) {
    options.client_certificate = connection.client_cert;
    options.client_key = connection.client_key_file;
  }
  return std::make_shared<NetTransport>(net::Url::parse(connection.url), std::move(options), clock);
}

}  // namespace hsmbridge::providers
