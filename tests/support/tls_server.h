#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

// A small real TLS server on loopback, with a throwaway CA, that does exactly what a test tells it, bad manners
// included. OpenSSL only, so that it shares nothing with the client under test but the library both stand on.
namespace hsmbridge::test {

inline void must(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("test server: ") + what);
}

// A key and a certificate for it, as PEM files of one folder.
struct Identity {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> certificate;
  std::filesystem::path key_file;
  std::filesystem::path certificate_file;
};

// A folder that goes with the test, holding a CA and what it issued.
class TestAuthority {
 public:
  explicit TestAuthority(const char* ca_name = "Test CA") {
    std::string name = (std::filesystem::temp_directory_path() / "hsmbridge-tls-XXXXXX").string();
    must(::mkdtemp(name.data()) != nullptr, "no temporary folder");
    folder_ = name;
    ca_ = make("ca", "CN", ca_name, "", nullptr);
  }
  ~TestAuthority() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  const Identity& ca() const { return ca_; }
  // `names` in OpenSSL's form, for example "IP:127.0.0.1,DNS:localhost"; "" for none.
  Identity issue(const std::string& file, const std::string& names) const {
    return make(file, "CN", file.c_str(), names, &ca_);
  }

 private:
  Identity make(const std::string& file, const char* type, const char* name, const std::string& names,
                const Identity* issuer) const {
    Identity identity;
    identity.key.reset(EVP_EC_gen("P-256"), ::EVP_PKEY_free);
    identity.certificate.reset(::X509_new(), ::X509_free);
    must(identity.key && identity.certificate, "no key");
    X509* certificate = identity.certificate.get();
    static std::atomic<long> serial{1};
    ::X509_set_version(certificate, 2);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), serial++);
    ::X509_gmtime_adj(::X509_getm_notBefore(certificate), -3600);
    ::X509_gmtime_adj(::X509_getm_notAfter(certificate), 86400);
    ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(certificate), type, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    ::X509_set_issuer_name(certificate, ::X509_get_subject_name(issuer ? issuer->certificate.get() : certificate));
    ::X509_set_pubkey(certificate, identity.key.get());
    add_extension(certificate, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (!names.empty()) add_extension(certificate, NID_subject_alt_name, names);
    EVP_PKEY* signer = issuer ? issuer->key.get() : identity.key.get();
    must(::X509_sign(certificate, signer, ::EVP_sha256()) > 0, "cannot sign a certificate");
    identity.key_file = folder_ / (file + ".key");
    identity.certificate_file = folder_ / (file + ".pem");
    write(identity.key_file, [&](BIO* out) {
      return ::PEM_write_bio_PKCS8PrivateKey(out, identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    write(identity.certificate_file, [&](BIO* out) { return ::PEM_write_bio_X509(out, certificate); });
    std::filesystem::permissions(identity.key_file,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return identity;
  }
  static void add_extension(X509* certificate, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    must(extension != nullptr, "no such extension");
    ::X509_add_ext(certificate, extension, -1);
    ::X509_EXTENSION_free(extension);
  }
  template <class Write>
  static void write(const std::filesystem::path& path, Write write_to) {
    const std::unique_ptr<BIO, decltype(&::BIO_vfree)> out(::BIO_new_file(path.c_str(), "w"), ::BIO_vfree);
    must(out && write_to(out.get()) == 1, "cannot write a PEM file");
  }

  std::filesystem::path folder_;
  Identity ca_;
};

// One accepted connection, TLS or plain.
class ServerConnection {
 public:
  ServerConnection(int fd, std::shared_ptr<SSL> tls, const std::atomic<bool>& stopping)
      : fd_(fd), tls_(std::move(tls)), stopping_(stopping) {}

  // The next request with its whole body (Content-Length only), or nothing when the client has closed.
  std::optional<std::string> read_request() {
    for (;;) {
      const std::size_t end = received_.find("\r\n\r\n");
      if (end != std::string::npos) {
        std::size_t length = 0;
        const std::size_t field = received_.find("Content-Length: ");
        if (field < end) length = std::stoul(received_.substr(field + 16));
        const std::size_t total = end + 4 + length;
        if (received_.size() >= total) {
          std::string request = received_.substr(0, total);
          received_.erase(0, total);
          return request;
        }
      }
      char buffer[16384];
      const auto count = tls_ ? ::SSL_read(tls_.get(), buffer, sizeof buffer)
                              : static_cast<int>(::recv(fd_, buffer, sizeof buffer, 0));
      if (count <= 0) return std::nullopt;
      received_.append(buffer, static_cast<std::size_t>(count));
    }
  }
  // False when the client has gone.
  bool write(std::string_view text) {
    while (!text.empty()) {
      const auto count = tls_ ? ::SSL_write(tls_.get(), text.data(), static_cast<int>(text.size()))
                              : static_cast<int>(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL));
      if (count <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  void answer(int status, std::string_view body, std::string_view type = "application/json",
              std::string_view more = "") {
    write("HTTP/1.1 " + std::to_string(status) + " Status\r\nContent-Type: " + std::string(type) +
          "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(more) + "\r\n" +
          std::string(body));
  }
  // Asks the client for its certificate, and a signature, once more: after the handshake (TLS 1.3), or in another one
  // (TLS 1.2). Whether it gave them; a client that refuses may end the connection.
  bool proves_itself_again() {
    int proofs = 0;
    SSL_set_app_data(tls_.get(), &proofs);
    ::SSL_set_verify(tls_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     [](int good, X509_STORE_CTX* store) {
                       void* tls = ::X509_STORE_CTX_get_ex_data(store, ::SSL_get_ex_data_X509_STORE_CTX_idx());
                       ++*static_cast<int*>(SSL_get_app_data(static_cast<SSL*>(tls)));
                       return good;
                     });
    if (::SSL_version(tls_.get()) == TLS1_3_VERSION) {
      if (::SSL_verify_client_post_handshake(tls_.get()) != 1 || ::SSL_do_handshake(tls_.get()) != 1) return false;
    } else if (::SSL_renegotiate(tls_.get()) != 1 || ::SSL_do_handshake(tls_.get()) != 1) {
      return false;
    }
    // Its answer is read while waiting for more of its request, of which there is none.
    timeval soon{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    char octet = 0;
    ::SSL_peek(tls_.get(), &octet, 1);
    return proofs > 0;
  }
  // Says with close_notify that nothing more will come.
  void close_properly() {
    if (tls_) ::SSL_shutdown(tls_.get());
  }
  // Waits until the client closes or the server is taken down: a server that does not answer.
  void hang() {
    while (!stopping_) {
      pollfd one{fd_, POLLIN, 0};
      if (::poll(&one, 1, 50) > 0) {
        char buffer[4096];
        const auto count = tls_ ? ::SSL_read(tls_.get(), buffer, sizeof buffer)
                                : static_cast<int>(::recv(fd_, buffer, sizeof buffer, 0));
        if (count <= 0) return;
      }
    }
  }

 private:
  int fd_;
  std::shared_ptr<SSL> tls_;
  const std::atomic<bool>& stopping_;
  std::string received_;
};

struct TlsServerOptions {
  std::optional<Identity> identity;  // none: the port speaks plain text
  int lowest_version = TLS1_2_VERSION;
  int highest_version = TLS1_3_VERSION;
  std::optional<std::filesystem::path> client_ca;  // a client certificate of this CA is demanded
  std::optional<std::filesystem::path> socket;     // a Unix socket instead of a port
};

class TlsServer {
 public:
  using Handler = std::function<void(ServerConnection&)>;

  TlsServer(TlsServerOptions options, Handler handler) : options_(std::move(options)), handler_(std::move(handler)) {
    if (options_.identity) make_context();
    if (options_.socket) {
      listen_at(*options_.socket);
    } else {
      listen_on_port();
    }
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~TlsServer() {
    stopping_ = true;
    ::shutdown(fd_, SHUT_RDWR);
    acceptor_.join();
    ::close(fd_);
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  unsigned port() const { return port_; }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  unsigned connections() const { return connections_; }

 private:
  void listen_on_port() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(fd_, 32) == 0, "no port");
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  void listen_at(const std::filesystem::path& path) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    must(path.string().size() < sizeof address.sun_path, "the path of the socket is too long");
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    must(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(fd_, 32) == 0,
         "no socket");
  }
  void make_context() {
    context_.reset(::SSL_CTX_new(::TLS_server_method()), ::SSL_CTX_free);
    must(context_ != nullptr, "no TLS context");
    SSL_CTX* context = context_.get();
    ::SSL_CTX_set_security_level(context, 0);  // TLS 1.1 is to be offered, and refused by the client
    SSL_CTX_set_min_proto_version(context, options_.lowest_version);
    SSL_CTX_set_max_proto_version(context, options_.highest_version);
    ::SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
    must(::SSL_CTX_use_certificate(context, options_.identity->certificate.get()) == 1 &&
             ::SSL_CTX_use_PrivateKey(context, options_.identity->key.get()) == 1,
         "no identity");
    if (options_.client_ca) {
      must(::SSL_CTX_load_verify_locations(context, options_.client_ca->c_str(), nullptr) == 1, "no client CA");
      ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
  }
  void accept_all() {
    while (!stopping_) {
      const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      ++connections_;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }
  void serve(int fd) {
    // Writing to a client that has gone is ordinary here. Blocked in this thread only: the client under test must not
    // depend on it.
    sigset_t broken_pipe;
    ::sigemptyset(&broken_pipe);
    ::sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    std::shared_ptr<SSL> tls;
    bool good = true;
    if (context_) {
      tls.reset(::SSL_new(context_.get()), ::SSL_free);
      ::SSL_set_fd(tls.get(), fd);
      good = ::SSL_accept(tls.get()) == 1;
    }
    if (good) {
      ServerConnection connection(fd, tls, stopping_);
      handler_(connection);
    }
    ::ERR_clear_error();
    const std::lock_guard lock(mutex_);
    // Not SSL_shutdown: the connection simply ends, as a server that dies ends it.
    ::shutdown(fd, SHUT_RDWR);
    std::erase(open_, fd);
    ::close(fd);
  }

  TlsServerOptions options_;
  Handler handler_;
  std::shared_ptr<SSL_CTX> context_;
  int fd_ = -1;
  unsigned port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> connections_{0};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace hsmbridge::test
