#pragma once

#include "net/http_client.h"
#include "providers/connection.h"
#include "tools/hsmbridge/wiring/providers.h"
#include "x509/objects/signer.h"

#include <memory>
#include <string>

// Keys in tokens, for the providers that are configured with them. Every use is written down.
namespace hsmbridge::cli {

// `words`: what the audit log calls the use. Throws what opening the token and finding the key throw.
std::shared_ptr<x509::Signer> signer_of(const providers::TokenKey& key, workflow::Purpose purpose, std::string words,
                                        const ProviderNeeds& needs);

// What puts the client certificate and the token's key into a TLS context; empty when the connection's key is in no
// token.
net::TlsHook tls_hook(const providers::Connection& connection, const ProviderNeeds& needs);

}  // namespace hsmbridge::cli
