// Whom the client trusts, and as whom it shows itself.
#include "base/error.h"
#include "http_bench.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

using namespace hsmbridge;
using namespace hsmbridge::net;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

namespace {

// libcurl looks at SSLKEYLOGFILE once, when it is initialised: it must be there before any test.
struct KeyLog {
  std::string path = "/tmp/hsmbridge-keylog-" + std::to_string(::getpid());
  KeyLog() { ::setenv("SSLKEYLOGFILE", path.c_str(), 1); }
  KeyLog(const KeyLog&) = delete;
  KeyLog& operator=(const KeyLog&) = delete;
  ~KeyLog() { ::unlink(path.c_str()); }
};
const KeyLog kKeyLog;

}  // namespace

TEST_CASE("nothing is sent to a server whose certificate is not trusted or names another host") {
  const Fixture fixture;
  std::atomic<int> requests{0};
  const auto count = [&](ServerConnection& connection) {
    while (connection.read_request()) ++requests;
  };
  const TestAuthority other("Other CA");
  TlsServerOptions untrusted;
  untrusted.identity = other.issue("server", kNames);
  TlsServerOptions misnamed;
  misnamed.identity = fixture.authority.issue("misnamed", "DNS:other.example,IP:127.0.0.2");
  TlsServerOptions self_signed;
  self_signed.identity = other.ca();
  for (const auto& options : {untrusted, misnamed, self_signed}) {
    const TlsServer server(options, count);
    const NotSent unsent = expect<NotSent>(fixture.client().send(post(server.url()), Repeat::never));
    INFO(unsent.why);
    CHECK(contains(unsent.why, "is not trusted"));
    CHECK_FALSE(unsent.hint.empty());
  }
  // A forger's CA may bear the name of the true one.
  const TestAuthority forger;
  TlsServerOptions forged;
  forged.identity = forger.issue("server", kNames);
  const TlsServer server(forged, count);
  expect<NotSent>(fixture.client().send(post(server.url()), Repeat::never));
  CHECK(requests == 0);
}

TEST_CASE("a CA file that others may write is refused when the client is made and before each call") {
  const Fixture fixture;
  const auto file = fixture.client_options().ca_file.value();
  std::atomic<int> requests{0};
  const TlsServer server(fixture.server_options(), [&](ServerConnection& connection) {
    while (connection.read_request()) {
      ++requests;
      connection.answer(200, "{}");
    }
  });
  Client client = fixture.client();
  expect<Response>(client.send(post(server.url()), Repeat::never));
  REQUIRE(::chmod(file.c_str(), 0666) == 0);
  for (const Repeat repeat : {Repeat::never, Repeat::allowed}) {
    const NotSent unsent = expect<NotSent>(client.send(post(server.url()), repeat));
    CHECK(contains(unsent.why, file.string() + " may be changed by everybody"));
    CHECK(unsent.hint == "chmod go-w " + file.string());
  }
  CHECK_THROWS_WITH(HttpClient(Url::parse(server.url()), fixture.client_options()),
                    Catch::Contains("it says whom this program believes"));
  REQUIRE(::chmod(file.c_str(), 0644) == 0);
  expect<Response>(client.send(post(server.url()), Repeat::allowed));
  CHECK(requests == 2);
}

TEST_CASE("a CA file that is replaced counts from the next call on") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), always(200, "{}"));
  Client client = fixture.client();
  expect<Response>(client.send(post(server.url()), Repeat::never));
  const TestAuthority other("Other CA");
  std::filesystem::copy_file(other.ca().certificate_file, fixture.authority.ca().certificate_file,
                             std::filesystem::copy_options::overwrite_existing);
  expect<NotSent>(client.send(post(server.url()), Repeat::never));
}

TEST_CASE("without a CA of its own the client trusts the system and not this server") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), always(200, "{}"));
  expect<NotSent>(Client(ClientOptions{}).send(post(server.url()), Repeat::never));
}

TEST_CASE("nothing is sent to a port that speaks no TLS") {
  const Fixture fixture;
  std::string seen;
  const TlsServer server(TlsServerOptions{}, [&](ServerConnection& connection) {
    connection.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    connection.hang();
  });
  const NotSent unsent = expect<NotSent>(fixture.client().send(post(server.url()), Repeat::never));
  CHECK(contains(unsent.why, "TLS handshake"));
  CHECK(contains(unsent.hint, "TLS port"));
}

TEST_CASE("nothing is sent to a server that stays silent during the handshake") {
  const Fixture fixture;
  const TlsServer server(TlsServerOptions{}, [](ServerConnection& connection) { connection.hang(); });
  ClientOptions options = fixture.client_options();
  options.connect_limit = 300ms;
  Client client(options);
  const NotSent unsent = expect<NotSent>(client.send(post(server.url()), Repeat::never));
  CHECK(contains(unsent.why, "within 300 milliseconds"));
}

TEST_CASE("a server that speaks nothing newer than TLS 1.1 is refused") {
  const Fixture fixture;
  TlsServerOptions options = fixture.server_options();
  options.lowest_version = TLS1_VERSION;
  options.highest_version = TLS1_1_VERSION;
  const TlsServer server(options, always(200, "{}"));
  expect<NotSent>(fixture.client().send(post(server.url()), Repeat::never));
  options.highest_version = TLS1_2_VERSION;
  const TlsServer newer(options, always(200, "{}"));
  expect<Response>(fixture.client().send(post(newer.url()), Repeat::never));
}

TEST_CASE("a client certificate in files is shown to a server that demands one") {
  const Fixture fixture;
  const Identity identity = fixture.authority.issue("client", "");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsServerOptions options = fixture.server_options();
    options.client_ca = fixture.authority.ca().certificate_file;
    options.highest_version = version;
    const TlsServer server(options, always(200, "{}"));
    ClientOptions client_options = fixture.client_options();
    client_options.client_certificate = identity.certificate_file;
    client_options.client_key = identity.key_file;
    Client client(client_options);
    expect<Response>(client.send(post(server.url()), Repeat::never));
    expect<Response>(client.send(get(server.url()), Repeat::allowed));
    expect<Response>(client.send(get(server.url()), Repeat::allowed));
    CHECK(server.connections() == 2);
  }
}

TEST_CASE("nothing happened where the server refuses our client certificate even after TLS 1.3 let us write") {
  const Fixture fixture;
  const TestAuthority other("Other CA");
  const Identity stranger = other.issue("stranger", "");
  std::atomic<int> requests{0};
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    INFO(version);
    TlsServerOptions options = fixture.server_options();
    options.client_ca = fixture.authority.ca().certificate_file;
    options.highest_version = version;
    const TlsServer server(options, [&](ServerConnection& connection) {
      while (connection.read_request()) ++requests;
    });
    const NotSent none = expect<NotSent>(fixture.client().send(post(server.url()), Repeat::never));
    CHECK(contains(none.hint, "client certificate"));
    if (version == TLS1_3_VERSION) CHECK(contains(none.why, "refused our client certificate"));
    ClientOptions client_options = fixture.client_options();
    client_options.client_certificate = stranger.certificate_file;
    client_options.client_key = stranger.key_file;
    expect<NotSent>(Client(client_options).send(post(server.url()), Repeat::never));
    // Of a CA that only bears the right name.
    const TestAuthority forger;
    const Identity forged = forger.issue("forged", "");
    client_options.client_certificate = forged.certificate_file;
    client_options.client_key = forged.key_file;
    expect<NotSent>(Client(client_options).send(post(server.url()), Repeat::never));
  }
  CHECK(requests == 0);
}

TEST_CASE("a hook installs the client key and its exception comes out of the call") {
  const Fixture fixture;
  const Identity identity = fixture.authority.issue("client", "");
  TlsServerOptions options = fixture.server_options();
  options.client_ca = fixture.authority.ca().certificate_file;
  const TlsServer server(options, always(200, "{}"));
  ClientOptions client_options = fixture.client_options();
  client_options.tls_hook = [&](void* context) {
    REQUIRE(::SSL_CTX_use_certificate(static_cast<SSL_CTX*>(context), identity.certificate.get()) == 1);
    REQUIRE(::SSL_CTX_use_PrivateKey(static_cast<SSL_CTX*>(context), identity.key.get()) == 1);
  };
  expect<Response>(Client(client_options).send(post(server.url()), Repeat::never));

  client_options.tls_hook = [](void*) { throw Error{ErrorKind::denied, "wrong PIN"}; };
  Client failing(client_options);
  CHECK_THROWS_WITH(failing.send(post(server.url()), Repeat::never), "wrong PIN");
}

TEST_CASE("a server that asks for the client's signature again gets none") {
  const Fixture fixture;
  const Identity identity = fixture.authority.issue("client", "");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    INFO(version);
    TlsServerOptions options = fixture.server_options();
    options.client_ca = fixture.authority.ca().certificate_file;
    options.highest_version = version;
    std::atomic<int> asked{0};
    std::atomic<int> proved{0};
    const TlsServer server(options, [&](ServerConnection& connection) {
      if (!connection.read_request()) return;
      ++asked;
      if (connection.proves_itself_again()) ++proved;
      connection.answer(200, "{}");
    });
    ClientOptions client_options = fixture.client_options();
    client_options.tls_hook = [&](void* context) {
      REQUIRE(::SSL_CTX_use_certificate(static_cast<SSL_CTX*>(context), identity.certificate.get()) == 1);
      REQUIRE(::SSL_CTX_use_PrivateKey(static_cast<SSL_CTX*>(context), identity.key.get()) == 1);
    };
    const auto exchange = Client(client_options).send(post(server.url()), Repeat::never);
    if (version == TLS1_3_VERSION) expect<Response>(exchange);
    CHECK(asked == 1);
    CHECK(proved == 0);
  }
}

TEST_CASE("no secrets of a connection go into the file that the environment names for them") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), always(200, "{}"));
  expect<Response>(fixture.client().send(post(server.url()), Repeat::never));
  expect<Response>(fixture.client().send(get(server.url()), Repeat::allowed));
  std::error_code error;
  const auto size = std::filesystem::file_size(kKeyLog.path, error);
  CHECK((error || size == 0));
}
