#include "pkcs11/tls_client_key.h"

#include "openssl_ca.h"
#include "pkcs11/keys/certificates.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/signer.h"
#include "private_token.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <p11-kit/pkcs11.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <thread>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
};
struct FreeSsl {
  void operator()(SSL* ssl) const { ::SSL_free(ssl); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;
using Connection = std::unique_ptr<SSL, FreeSsl>;

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {
    if (descriptor < 0) throw std::runtime_error("no socket");
  }
  ~Socket() { ::close(descriptor_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// A TLS server on loopback that demands a client certificate of one CA, and answers with the subject that it saw.
class DemandingServer {
 public:
  DemandingServer(const OpensslCa& ca, int version) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    context_.reset(::SSL_CTX_new(::TLS_server_method()));
    ::SSL_CTX_set_min_proto_version(context_.get(), version);
    ::SSL_CTX_set_max_proto_version(context_.get(), version);
    if (::SSL_CTX_use_certificate_file(context_.get(), ca.path("server.pem").c_str(), SSL_FILETYPE_PEM) != 1 ||
        ::SSL_CTX_use_PrivateKey_file(context_.get(), ca.path("server.key").c_str(), SSL_FILETYPE_PEM) != 1 ||
        ::SSL_CTX_load_verify_locations(context_.get(), ca.path("ca.pem").c_str(), nullptr) != 1) {
      throw std::runtime_error("the server's files cannot be read");
    }
    ::SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_.get(), 8) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("cannot listen");
    }
    port_ = address.sin_port;
  }
  // Serves one connection on a thread of its own.
  std::thread serve_one() {
    return std::thread([this] {
      const Socket socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const Connection ssl(::SSL_new(context_.get()));
      ::SSL_set_fd(ssl.get(), socket.get());
      if (::SSL_accept(ssl.get()) != 1) return;
      char name[256] = "";
      X509* const peer = ::SSL_get0_peer_certificate(ssl.get());
      if (peer != nullptr) {
        ::X509_NAME_get_text_by_NID(::X509_get_subject_name(peer), NID_commonName, name, sizeof name);
      }
      ::SSL_write(ssl.get(), name, static_cast<int>(std::string(name).size()));
      ::SSL_shutdown(ssl.get());
    });
  }
  in_port_t port() const { return port_; }

 private:
  Socket listener_;
  Context context_;
  in_port_t port_ = 0;
};

// What the server answers to a client that has this key, or nothing when the handshake fails.
std::optional<std::string> seen_by(DemandingServer& server, TlsClientKey* key) {
  std::thread serving = server.serve_one();
  std::optional<std::string> answer;
  std::exception_ptr failure;
  try {
    const Context context(::SSL_CTX_new(::TLS_client_method()));
    if (key != nullptr) key->install(context.get());
    const Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = server.port();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect");
    }
    const Connection ssl(::SSL_new(context.get()));
    ::SSL_set_fd(ssl.get(), socket.get());
    char text[256];
    // In TLS 1.3 a refused client certificate shows at the first read.
    if (::SSL_connect(ssl.get()) == 1) {
      const int count = ::SSL_read(ssl.get(), text, sizeof text);
      if (count > 0) answer = std::string(text, static_cast<std::size_t>(count));
    }
  } catch (...) {
    failure = std::current_exception();
    // The server still waits for somebody.
    const Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = server.port();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  }
  serving.join();
  if (failure) std::rethrow_exception(failure);
  return answer;
}

workflow::Intent for_tls(std::vector<std::string> accepted = {}) {
  return {workflow::Purpose::tls_client, "TLS", Json::object(), std::move(accepted)};
}

std::shared_ptr<TlsClientKey> open_tls_key(std::shared_ptr<Token> token, const KeySelector& key,
                                           std::vector<Bytes> chain = {}, std::vector<std::string> accepted = {}) {
  return TlsClientKey::open(std::move(token), key, for_tls(std::move(accepted)), forget_use, std::move(chain));
}

}  // namespace

TEST_CASE("a handshake that cannot be written down gets no key") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const MadeKey made = make_key(*token, plan_key(*token, "client", {x509::KeyType::ec, 256}));
  UsesSeen seen;
  const auto key = TlsClientKey::open(token, KeySelector::by_label("client"), for_tls(), seen.log(),
                                      {ca.issue(made.key.spki, "client")});
  CHECK(seen.uses.empty());
  const Context context(::SSL_CTX_new(::TLS_client_method()));
  seen.refusing = true;
  CHECK(error_of([&] { key->install(context.get()); }).message() == "the audit log cannot be written");
  CHECK(::SSL_CTX_get0_privatekey(context.get()) == nullptr);
  seen.refusing = false;
  key->install(context.get());
  REQUIRE(seen.uses.size() == 1);
  CHECK(seen.uses.front().kind == "client-key-use");
}

TEST_CASE("a token key authenticates a TLS client to a server that demands it and signs beside that") {
  PrivateToken mine;
  OpensslCa ca;
  ca.make_server();
  const auto token = mine.open();
  for (const char* spec : {"ec:P-256", "rsa:2048", "ec:P-384"}) {
    KeyPlan plan = plan_key(*token, spec, x509::parse_key_spec(spec));
    plan.use = KeyUse::tls_client;
    const MadeKey made = make_key(*token, plan);
    CHECK_FALSE(made.contract.violated());
    const Bytes certificate = ca.issue(made.key.spki, std::string("client ") + spec);
    put_certificate(*token, made.key, certificate, {});
    const auto key = open_tls_key(token, KeySelector::by_label(spec));
    const auto signer = open_key(token, made.key);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      INFO(spec << (version == TLS1_2_VERSION ? " TLS 1.2" : " TLS 1.3"));
      DemandingServer server(ca, version);
      CHECK(seen_by(server, key.get()) == std::string("client ") + spec);
      // Our own sessions live on beside libp11.
      CHECK_FALSE(signer->prove(random_bytes(16)).signature.empty());
    }
  }
  CHECK(list_keys(*token).size() == 3);
}

TEST_CASE("an RSA key that may not do raw RSA authenticates with TLS 1.2") {
  PrivateToken mine;
  OpensslCa ca;
  ca.make_server();
  const auto token = mine.open();
  const MadeKey made = make_key(*token, plan_key(*token, "client", {x509::KeyType::rsa, 2048}));
  const auto key = open_tls_key(token, KeySelector::by_label("client"), {ca.issue(made.key.spki, "client")});
  DemandingServer old(ca, TLS1_2_VERSION);
  CHECK(seen_by(old, key.get()) == "client");
  DemandingServer recent(ca, TLS1_3_VERSION);
  CHECK_FALSE(seen_by(recent, key.get()).has_value());
}

TEST_CASE("an RSA key of another program authenticates with TLS 1.3") {
  PrivateToken mine;
  OpensslCa ca;
  ca.make_server();
  REQUIRE(mine.tool({"--keypairgen", "--key-type", "rsa:2048", "--id", "0a", "--label", "client"}).status == 0);
  const auto token = mine.open();
  const Bytes spki = find_key(*token, KeySelector::by_label("client")).spki;
  const Bytes certificate = ca.issue(spki, "client");
  CHECK(error_of([&] { open_tls_key(token, KeySelector::by_label("client"), {certificate}); }).detail("flaws") ==
        "key-may-decrypt, key-may-unwrap, key-may-sign-recover");
  const auto key = open_tls_key(token, KeySelector::by_label("client"), {certificate}, any_flaw());
  DemandingServer server(ca, TLS1_3_VERSION);
  CHECK(seen_by(server, key.get()) == "client");
}

TEST_CASE("a server that demands a certificate refuses a client without one") {
  PrivateToken mine;
  OpensslCa ca;
  ca.make_server();
  DemandingServer server(ca, TLS1_3_VERSION);
  CHECK_FALSE(seen_by(server, nullptr).has_value());
}

TEST_CASE("a TLS client key is found again after the login was lost") {
  Faults faults;
  PrivateToken mine(Through::faulty_module);
  OpensslCa ca;
  ca.make_server();
  const auto token = mine.open();
  const MadeKey made = make_key(*token, plan_key(*token, "client", {x509::KeyType::ec, 256}));
  const auto key = open_tls_key(token, KeySelector::by_label("client"), {ca.issue(made.key.spki, "client")});
  DemandingServer server(ca, TLS1_3_VERSION);
  CHECK(seen_by(server, key.get()) == "client");
  faults.close_all_sessions();
  CHECK(seen_by(server, key.get()) == "client");
}

TEST_CASE("a module that hangs while a TLS key is set up holds up its own keys for a time and nobody else's") {
  PrivateToken hanging(Through::faulty_module);
  PrivateToken healthy;
  OpensslCa ca;
  Faults faults;
  const auto client_of = [&](const std::shared_ptr<Token>& token) {
    const MadeKey made = make_key(*token, plan_key(*token, "client", {x509::KeyType::ec, 256}));
    return open_tls_key(token, KeySelector::by_label("client"), {ca.issue(made.key.spki, "client")});
  };
  auto impatient = hanging.access();
  impatient.session_wait = std::chrono::milliseconds{100};
  const auto first = client_of(hanging.open());
  const auto second = open_tls_key(Token::open(impatient, hanging.refusals), KeySelector::by_label("client"),
                                   {ca.issue(find_key(*hanging.open(), KeySelector::by_label("client")).spki, "b")});
  const auto third = client_of(healthy.open());
  const auto install = [](TlsClientKey& key) {
    const Context context(::SSL_CTX_new(::TLS_client_method()));
    key.install(context.get());
  };
  // libp11 lists the slots; our own calls before it do not.
  const unsigned before = faults.calls("C_GetSlotList");
  faults.hang("C_GetSlotList");
  std::exception_ptr failure;
  std::thread stuck([&] {
    try {
      install(*first);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  while (faults.calls("C_GetSlotList") == before) std::this_thread::yield();
  const Error error = error_of([&] { install(*second); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.detail("lane") == "down");
  CHECK_NOTHROW(install(*third));
  faults.release();
  stuck.join();
  if (failure) std::rethrow_exception(failure);
  CHECK_NOTHROW(install(*second));
}

TEST_CASE("a token that holds an Ed25519 key is refused for TLS with the reason") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const MadeKey made = make_key(*token, plan_key(*token, "client", {x509::KeyType::ec, 256}));
  const Bytes certificate = ca.issue(made.key.spki, "client");
  const auto key = open_tls_key(token, KeySelector::by_label("client"), {certificate});
  make_key(*token, plan_key(*token, "ed", {x509::KeyType::ed25519, 255}));
  const Error error = error_of([&] { open_tls_key(token, KeySelector::by_label("client"), {certificate}); });
  CHECK(error.kind() == ErrorKind::invalid_input);
  CHECK(error.message() ==
        "token web holds an Ed25519 private key: libp11 can then use none of its keys for TLS client authentication");
  // Also when it came after the key was opened.
  const Context context(::SSL_CTX_new(::TLS_client_method()));
  CHECK(error_of([&] { key->install(context.get()); }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("a TLS client key needs a certificate of its own") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const MadeKey made = make_key(*token, plan_key(*token, "client", {x509::KeyType::ec, 256}));
  const MadeKey other = make_key(*token, plan_key(*token, "other", {x509::KeyType::ec, 256}));
  CHECK(error_of([&] { open_tls_key(token, KeySelector::by_label("client")); }).message() ==
        "0 certificates are next to key client on token web, one is needed");
  CHECK(error_of([&] {
          open_tls_key(token, KeySelector::by_label("client"), {ca.issue(other.key.spki, "other")});
        }).message() == "the TLS client certificate is not for key client on token web");
}
