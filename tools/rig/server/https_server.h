#pragma once

#include "tools/rig/server/call.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

namespace hsmbridge::rig {

// What happens to an answer on its way.
enum class Delivery {
  whole,
  nothing,    // the connection is closed without a byte
  truncated,  // half of the body of the length that was announced, then the connection is closed
};

struct Outcome {
  Answer answer;
  Delivery delivery = Delivery::whole;
  std::size_t padding = 0;  // so many spaces after the body
};

struct HttpsSettings {
  std::filesystem::path certificate;               // PEM, the server's first
  std::filesystem::path key;                       // PEM
  std::filesystem::path own_ca;                    // PEM; clients with its certificates are let in besides client_ca
  std::optional<std::filesystem::path> client_ca;  // PEM; set: every client must show a certificate
  std::optional<int> port;                         // none: a free one
};

// An HTTPS server on 127.0.0.1 (TLS 1.2 and newer), a thread a connection. The handler is called from many threads and
// must not throw.
class HttpsServer {
 public:
  using Handler = std::function<Outcome(const Call&)>;

  // Listens when the constructor returns. Throws unavailable when the port is taken, invalid_input for bad files.
  HttpsServer(const HttpsSettings& settings, Handler handler);
  // Ends open connections and waits for the handlers that run.
  ~HttpsServer();
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;

  int port() const;

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace hsmbridge::rig
