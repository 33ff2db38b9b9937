#pragma once

#include "net/http_client.h"
#include "net/url.h"
#include "support/tls_server.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

// A server that answers as a test says, and clients for it.
namespace hsmbridge::test {

using namespace net;
using namespace std::chrono_literals;

constexpr const char* kNames = "IP:127.0.0.1,DNS:localhost";

struct Call : Request {
  std::string service;
};
inline Call get(const std::string& url) {
  return {{"GET", "/v1/versionInfo", {}, "", Repeat::never, 20s}, url};
}
inline Call post(const std::string& url) {
  return {{"POST",
           "/v1/sign",
           {{"Content-Type", "application/json"}, {"X-API-KEY", "hunter2"}},
           "{\"a\":1}",
           Repeat::never,
           20s},
          url};
}

// A client for each service that is called, all with the same options.
class Client {
 public:
  explicit Client(ClientOptions options) : options_(std::move(options)) {}

  Exchange send(Call call, Repeat repeat) {
    call.repeat = repeat;
    return to(call.service).send(call);
  }

 private:
  HttpClient& to(const std::string& service) {
    const std::lock_guard lock(mutex_);
    auto& client = clients_[service];
    if (!client) client = std::make_unique<HttpClient>(Url::parse(service), options_);
    return *client;
  }

  const ClientOptions options_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<HttpClient>> clients_;
};

struct Fixture {
  TestAuthority authority;
  Identity identity = authority.issue("server", kNames);

  TlsServerOptions server_options() const {
    TlsServerOptions options;
    options.identity = identity;
    return options;
  }
  ClientOptions client_options() const {
    ClientOptions options;
    options.ca_file = authority.ca().certificate_file;
    return options;
  }
  Client client() const { return Client(client_options()); }
};

template <class Expected>
Expected expect(const Exchange& exchange) {
  if (const auto* response = std::get_if<Response>(&exchange)) UNSCOPED_INFO("answer " << response->status);
  if (const auto* unsent = std::get_if<NotSent>(&exchange)) UNSCOPED_INFO("not sent: " << unsent->why);
  if (const auto* unknown = std::get_if<OutcomeUnknown>(&exchange)) UNSCOPED_INFO("unknown: " << unknown->why);
  REQUIRE(std::holds_alternative<Expected>(exchange));
  return std::get<Expected>(exchange);
}

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Answers every request of a connection with the same text.
inline TlsServer::Handler always(int status, const std::string& body, const std::string& type = "application/json",
                                 const std::string& more = "") {
  return [=](ServerConnection& connection) {
    while (connection.read_request()) connection.answer(status, body, type, more);
  };
}

}  // namespace hsmbridge::test
