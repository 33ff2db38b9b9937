#include "providers/connection.h"

#include "base/error.h"
#include "config/key_flaw.h"
#include "net/url.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::providers {
namespace {

using config::Section;

std::string read_url(Section& section, UrlPath path, std::string_view api) {
  std::string url = section.text("url");
  while (!url.empty() && url.back() == '/') url.pop_back();
  if (url.empty()) return url;
  if (!url.starts_with("https://")) {
    section.problem("url", "must start with https://");
  } else if (url.find_first_of(path == UrlPath::none ? "/?#@ " : "?#@ ", 8) != std::string::npos) {
    section.problem("url", path == UrlPath::none
                               ? fmt::format("is the origin, https://HOST[:PORT]: the paths {} are added here", api)
                               : fmt::format("is https://HOST[:PORT][/PATH]{}",
                                             api.empty() ? "" : fmt::format(": the paths {} are added here", api)));
  }
  return url;
}

void read_client_certificate(Section& section, Connection& connection) {
  connection.client_cert = section.optional_file("client_cert");
  switch (section.shape("client_key")) {
    case Section::Shape::mapping:
      connection.client_key = read_token_key(section, "client_key");
      break;
    case Section::Shape::absent:
      break;
    default:
      connection.client_key_file = section.optional_file("client_key");
      break;
  }
  const bool has_key = connection.client_key || connection.client_key_file;
  if (connection.client_cert && !has_key) {
    section.problem("client_cert", "needs a client_key: a file, or {token: NAME, key: SELECTOR}");
  }
  if (!connection.client_cert && has_key) section.problem("client_key", "needs a client_cert");
}

std::optional<std::string> read_proxy(Section& section) {
  auto proxy = section.optional_text("proxy");
  // A name and password in it would be a secret in the configuration, in the open.
  if (proxy &&
      (!proxy->starts_with("http://") || proxy->size() == 7 || proxy->find_first_of("@/?# ", 7) != std::string::npos)) {
    section.problem("proxy", "is written http://HOST:PORT, without a name or password");
  }
  return proxy;
}

}  // namespace

std::optional<TokenKey> read_token_key(Section& parent, std::string_view name) {
  auto section = parent.section(name);
  if (!section) return std::nullopt;
  TokenKey key{section->text("token"), section->text("key"), config::read_key_flaws(*section)};
  section->finish();
  return key;
}

Connection read_connection(const std::string& name, Section& section, UrlPath path, std::string_view api) {
  Connection connection;
  connection.name = name;
  connection.url = read_url(section, path, api);
  connection.ca = section.optional_file("ca");
  read_client_certificate(section, connection);
  connection.proxy = read_proxy(section);
  return connection;
}

Source source_of(const config::SecretSource& source, const config::Prompter& prompter, std::string what) {
  return {[source, prompter, what = std::move(what)] { return source.fetch(prompter, what); },
          source.kind() != config::SecretSource::Kind::prompt};
}

std::shared_ptr<net::Transport> make_transport(const Connection& connection, net::TlsHook tls_hook,
                                               std::optional<std::size_t> largest_body) {
  if (connection.client_key.has_value() != static_cast<bool>(tls_hook)) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {}: a TLS client key in a token and its hook go together", connection.name)};
  }
  if (connection.socket) return std::make_shared<net::SocketClient>(*connection.socket);
  net::ClientOptions options;
  options.ca_file = connection.ca;
  options.tls_hook = std::move(tls_hook);
  options.proxy = connection.proxy;
  options.largest_body = largest_body.value_or(options.largest_body);
  if (!connection.client_key) {
    options.client_certificate = connection.client_cert;
    options.client_key = connection.client_key_file;
  }
  return std::make_shared<net::HttpClient>(net::Url::parse(connection.url), std::move(options));
}

}  // namespace hsmbridge::providers
