#pragma once

#include "net/http_client.h"
#include "providers/connection.h"
#include "providers/transport.h"

#include <memory>

namespace hsmbridge::providers {

// The transport over the network. `tls_hook` puts the client certificate and the token's key into the TLS context; it
// is wanted exactly when connection.client_key is set. Throws invalid_input, not_found or denied for files that cannot
// be used, and for a hook that is missing.
std::shared_ptr<Transport> make_transport(const Connection& connection, net::TlsHook tls_hook, const Clock& clock);

}  // namespace hsmbridge::providers
