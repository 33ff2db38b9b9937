#pragma once

#include "config/document.h"
#include "config/secret_source.h"
#include "net/http_client.h"
#include "providers/credentials.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// How a provider is reached: what all of them read from the configuration alike.
namespace hsmbridge::providers {

// A private key in a token, named as the rest of the configuration names keys.
struct TokenKey {
  std::string token;                     // a name under `tokens:`
  std::string key;                       // label, id=hex or RFC 7512 URI
  std::vector<std::string> accept = {};  // names of config::key_flaws()
};
// The sub-section `{token: NAME, key: SELECTOR, accept: […]}`, or nothing.
std::optional<TokenKey> read_token_key(config::Section& parent, std::string_view name);

struct Connection {
  std::string name;                         // of the provider, for messages
  std::string url;                          // https, without a trailing slash
  std::optional<std::filesystem::path> ca;  // PEM; the only anchors then
  // Client authentication: a certificate with its key in a file or in a token.
  std::optional<std::filesystem::path> client_cert;
  std::optional<std::filesystem::path> client_key_file;
  std::optional<TokenKey> client_key;
  std::optional<std::string> proxy;  // "http://HOST:PORT"; the environment's proxies are not used
  // A service of this machine that is reached by it, and not by `url`.
  std::optional<std::filesystem::path> socket;
};

enum class UrlPath { none, allowed };
// Reads `url`, `ca`, `client_cert`, `client_key` and `proxy`. `api` names what is added to the URL, for the message to
// somebody who typed it too ("/v1/…"); "" for nothing. Problems go to the section.
Connection read_connection(const std::string& name, config::Section& section, UrlPath path, std::string_view api);

// The source of one of a provider's credentials. `what` for the question where a person is asked ("the API key of
// provider tlm").
Source source_of(const config::SecretSource& source, const config::Prompter& prompter, std::string what);

// The transport to connection.socket, or over the network to connection.url. `tls_hook` puts the client certificate and the token's key into the
// TLS context; it is wanted exactly when connection.client_key is set. Throws invalid_input, not_found or denied for
// files that cannot be used, and for a hook that is missing.
std::shared_ptr<net::Transport> make_transport(const Connection& connection, net::TlsHook tls_hook,
                                               std::optional<std::size_t> largest_body = std::nullopt);

}  // namespace hsmbridge::providers
