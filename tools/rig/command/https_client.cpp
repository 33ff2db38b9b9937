#include "tools/rig/command/https_client.h"

#include "base/error.h"

#include <fmt/core.h>
#include <httplib.h>

#include <charconv>

namespace hsmbridge::rig {
namespace {

int loopback_port(const std::string& url) {
  constexpr std::string_view kStart = "https://127.0.0.1:";
  int port = 0;
  if (url.substr(0, kStart.size()) == kStart) {
    std::from_chars(url.data() + kStart.size(), url.data() + url.size(), port);
  }
  if (port <= 0 || port > 65535)
    throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not the URL of a rig", url)};
  return port;
}

}  // namespace

Answer call_server(const ClientSettings& settings, const std::string& method, const std::string& path,
                   const std::string& body) {
  const int port = loopback_port(settings.url);
  httplib::SSLClient client("127.0.0.1", port, settings.certificate, settings.key);
  client.set_ca_cert_path(settings.ca.c_str());
  client.enable_server_certificate_verification(true);
  client.set_read_timeout(60);
  client.set_connection_timeout(5);
  client.set_tcp_nodelay(true);
  httplib::Request request;
  request.method = method;
  request.path = path;
  for (const auto& [name, value] : settings.headers) request.set_header(name, value);
  if (!body.empty()) {
    request.body = body;
    request.set_header("Content-Type", "application/json");
  }
  const httplib::Result result = client.send(request);
  if (!result) {
    throw Error{ErrorKind::unavailable,
                fmt::format("{} does not answer: {}", settings.url, httplib::to_string(result.error()))}
        .hint("start it with 'hsmbridge-rig serve SERVICE --dir DIR'");
  }
  Answer answer{result->status, result->body, result->get_header_value("Content-Type")};
  for (const auto& [name, value] : result->headers) answer.headers.insert_or_assign(name, value);
  return answer;
}

}  // namespace hsmbridge::rig
