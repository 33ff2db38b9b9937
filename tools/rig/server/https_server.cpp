#include "tools/rig/server/https_server.h"

#include "base/error.h"
#include "base/text.h"
#include "tools/rig/server/listening.h"

#include <fmt/core.h>
#include <httplib.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

namespace hsmbridge::rig {
namespace {

// A connection keeps its thread as long as it lives, so the pool bounds the connections.
constexpr std::size_t kConnections = 128;
constexpr std::size_t kLargestBody = std::size_t{16} << 20U;

// The sockets of all connections, so that stopping need not wait for idle ones.
class Connections {
 public:
  void add(int socket) {
    const std::lock_guard lock(mutex_);
    sockets_.insert(socket);
    if (closing_) ::shutdown(socket, SHUT_RDWR);
  }
  void remove(int socket) {
    const std::lock_guard lock(mutex_);
    sockets_.erase(socket);
  }
  void close_all() {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }

 private:
  std::mutex mutex_;
  std::set<int> sockets_;
  bool closing_ = false;
};

// What we remember with each connection's SSL object.
struct ConnectionNote {
  Connections* all = nullptr;
  int socket = -1;
};

void free_note(void*, void* value, CRYPTO_EX_DATA*, int, long, void*) noexcept {
  auto* note = static_cast<ConnectionNote*>(value);
  // OpenSSL frees the SSL object before cpp-httplib closes the socket, so the number is still ours here.
  if (note != nullptr) note->all->remove(note->socket);
  delete note;
}

int note_index() {
  static const int index = ::SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_note);
  return index;
}

int connections_index() {
  static const int index = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

void on_handshake(const SSL* ssl, int where, int) noexcept {
  if ((where & SSL_CB_HANDSHAKE_DONE) == 0 || ::SSL_get_ex_data(ssl, note_index()) != nullptr) return;
  auto* all = static_cast<Connections*>(::SSL_CTX_get_ex_data(::SSL_get_SSL_CTX(ssl), connections_index()));
  auto* note = new ConnectionNote{all, ::SSL_get_fd(ssl)};
  ::SSL_set_ex_data(const_cast<SSL*>(ssl), note_index(), note);
  all->add(note->socket);
}

bool set_up(SSL_CTX& context, const HttpsSettings& settings, Connections& connections) {
  ::SSL_CTX_set_ex_data(&context, connections_index(), &connections);
  ::SSL_CTX_set_info_callback(&context, on_handshake);
  ::SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
  if (::SSL_CTX_use_certificate_chain_file(&context, settings.certificate.c_str()) != 1 ||
      ::SSL_CTX_use_PrivateKey_file(&context, settings.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return false;
  }
  if (!settings.client_ca) return true;
  ::SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  ::SSL_CTX_set_client_CA_list(&context, ::SSL_load_client_CA_file(settings.client_ca->c_str()));
  // Session tickets would let a client in again without its certificate being looked at.
  ::SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  return ::SSL_CTX_load_verify_locations(&context, settings.client_ca->c_str(), nullptr) == 1 &&
         ::SSL_CTX_load_verify_locations(&context, settings.own_ca.c_str(), nullptr) == 1;
}

Call call_from(const httplib::Request& request) {
  Call call;
  call.method = request.method;
  call.target = request.target;
  for (const auto& [name, value] : request.headers) {
    // cpp-httplib adds these four itself.
    if (name == "REMOTE_ADDR" || name == "REMOTE_PORT" || name == "LOCAL_ADDR" || name == "LOCAL_PORT") continue;
    call.headers.insert_or_assign(lower(name), value);
  }
  call.body = request.body;
  return call;
}

}  // namespace

class HttpsServer::Inside {
 public:
  Inside(const HttpsSettings& settings, Handler handler)
      : handler_(std::move(handler)),
        server_([&](SSL_CTX& context) { return set_up(context, settings, connections_); }) {
    if (!server_.is_valid()) {
      throw Error{ErrorKind::invalid_input, fmt::format("the TLS files {} and {} are not usable",
                                                        settings.certificate.string(), settings.key.string())};
    }
    server_.new_task_queue = [] { return new httplib::ThreadPool(kConnections); };
    server_.set_tcp_nodelay(true);
    server_.set_keep_alive_max_count(1'000'000'000);
    server_.set_keep_alive_timeout(20);
    server_.set_read_timeout(30);
    server_.set_write_timeout(30);
    server_.set_payload_max_length(kLargestBody);
    // A body of a length that was not announced would be waited for until the connection ends; DELETE usually has none.
    server_.set_pre_routing_handler([](const httplib::Request& request, httplib::Response&) {
      if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding")) {
        const_cast<httplib::Request&>(request).set_header("Content-Length", "0");
      }
      return httplib::Server::HandlerResponse::Unhandled;
    });
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      deliver(request, response);
    };
    server_.Get("/.*", answer).Post("/.*", answer).Put("/.*", answer).Patch("/.*", answer).Delete("/.*", answer);
    listening_.emplace(server_, settings.port);
  }

  ~Inside() {
    if (listening_) listening_->stop();
    connections_.close_all();
  }

  int port() const { return listening_->port(); }

 private:
  void deliver(const httplib::Request& request, httplib::Response& response) {
    const int socket = ::SSL_get_fd(request.ssl);
    Outcome outcome = handler_(call_from(request));
    response.status = outcome.answer.status;
    for (const auto& [name, value] : outcome.answer.headers) response.set_header(name, value);
    if (outcome.delivery == Delivery::nothing) {
      ::shutdown(socket, SHUT_RDWR);
      return;
    }
    if (outcome.delivery == Delivery::truncated) {
      const std::string body = outcome.answer.body;
      response.set_content_provider(body.size() + 1, outcome.answer.content_type,
                                    [body, socket](std::size_t, std::size_t, httplib::DataSink& sink) {
                                      sink.write(body.data(), body.size() / 2);
                                      ::shutdown(socket, SHUT_RDWR);
                                      return false;
                                    });
      return;
    }
    if (outcome.padding > 0) {
      const std::string body = outcome.answer.body;
      response.set_content_provider(body.size() + outcome.padding, outcome.answer.content_type,
                                    [body](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
                                      if (offset == 0) return sink.write(body.data(), body.size());
                                      const std::string spaces(std::min(length, std::size_t{65536}), ' ');
                                      return sink.write(spaces.data(), spaces.size());
                                    });
      return;
    }
    response.set_content(outcome.answer.body, outcome.answer.content_type);
  }

  Connections connections_;
  Handler handler_;
  httplib::SSLServer server_;
  std::optional<Listening> listening_;
};

HttpsServer::HttpsServer(const HttpsSettings& settings, Handler handler)
    : inside_(std::make_unique<Inside>(settings, std::move(handler))) {}

HttpsServer::~HttpsServer() = default;

int HttpsServer::port() const {
  return inside_->port();
}

}  // namespace hsmbridge::rig
