#include "net/http_client.h"

#include "base/error.h"
#include "base/json.h"
#include "http_bench.h"

#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::net;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

TEST_CASE("a complete answer comes back with status and headers and body") {
  const Fixture fixture;
  std::string seen;
  const TlsServer server(fixture.server_options(), [&](ServerConnection& connection) {
    seen = connection.read_request().value_or("");
    connection.answer(201, "{\"id\":7}", "application/json; charset=utf-8",
                      "Retry-After: 5\r\nX-Empty:\r\nX-Two: a\r\nx-two:  b \r\n");
  });
  const Response response = expect<Response>(fixture.client().send(post(server.url()), Repeat::never));
  CHECK(response.status == 201);
  CHECK(response.body == "{\"id\":7}");
  CHECK(response.header("content-TYPE") == "application/json; charset=utf-8");
  CHECK(response.header("X-Empty") == "");
  CHECK(response.header("X-Two") == "a");
  CHECK_FALSE(response.header("X-Absent"));
  CHECK(response.headers.back() == std::pair<std::string, std::string>("x-two", "b"));
  CHECK(response.retry_after(Instant{}) == 5s);
  CHECK(seen == "POST /v1/sign HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                    "\r\nUser-Agent: hsmbridge/" HSMBRIDGE_VERSION
                    "\r\nAccept: */*\r\nContent-Type: application/json\r\nX-API-KEY: hunter2\r\nContent-Length: "
                    "7\r\n\r\n{\"a\":1}");
}

TEST_CASE("every method is sent with and without a body") {
  const Fixture fixture;
  std::vector<std::string> seen;
  const TlsServer server(fixture.server_options(), [&](ServerConnection& connection) {
    while (const auto request = connection.read_request()) {
      seen.push_back(request->substr(0, request->find("\r\n")) + "|" + request->substr(request->find("\r\n\r\n") + 4));
      connection.answer(200, "{}");
    }
  });
  Client client = fixture.client();
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    for (const char* body : {"", "x"}) {
      expect<Response>(
          client.send({{method, "/a%2F/../b", {}, body, Repeat::never, 20s}, server.url()}, Repeat::never));
    }
  }
  CHECK(seen == std::vector<std::string>{"GET /a%2F/../b HTTP/1.1|", "GET /a%2F/../b HTTP/1.1|x",
                                         "POST /a%2F/../b HTTP/1.1|", "POST /a%2F/../b HTTP/1.1|x",
                                         "PUT /a%2F/../b HTTP/1.1|", "PUT /a%2F/../b HTTP/1.1|x",
                                         "PATCH /a%2F/../b HTTP/1.1|", "PATCH /a%2F/../b HTTP/1.1|x",
                                         "DELETE /a%2F/../b HTTP/1.1|", "DELETE /a%2F/../b HTTP/1.1|x"});
}

TEST_CASE("an error status is an answer and not an error") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), always(404, "{\"errorCode\":1}"));
  Client client = fixture.client();
  CHECK(expect<Response>(client.send(get(server.url()), Repeat::allowed)).status == 404);
  CHECK(expect<Response>(client.send(post(server.url()), Repeat::never)).status == 404);
}

TEST_CASE("a redirect is an answer and is not followed") {
  const Fixture fixture;
  const TlsServer target(fixture.server_options(), always(200, "{}"));
  const TlsServer server(fixture.server_options(), always(302, "", "text/html", "Location: " + target.url() + "/\r\n"));
  const Response response = expect<Response>(fixture.client().send(get(server.url()), Repeat::allowed));
  CHECK(response.status == 302);
  CHECK(response.header("Location") == target.url() + "/");
  CHECK(target.connections() == 0);
}

TEST_CASE("interim answers are not the answer") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), [](ServerConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n");
    connection.answer(200, "{}");
  });
  const Response response = expect<Response>(fixture.client().send(get(server.url()), Repeat::never));
  CHECK(response.status == 200);
  CHECK_FALSE(response.header("X-Early"));
}

TEST_CASE("a connection is used again for calls that may be repeated and for no other") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), always(200, "{}"));
  Client client = fixture.client();
  for (int i = 0; i < 3; ++i) expect<Response>(client.send(get(server.url()), Repeat::allowed));
  CHECK(server.connections() == 1);
  for (int i = 0; i < 3; ++i) expect<Response>(client.send(post(server.url()), Repeat::never));
  CHECK(server.connections() == 4);
}

TEST_CASE("a server that reads a POST on a reused connection and closes sees exactly one POST") {
  const Fixture fixture;
  std::atomic<int> posts{0};
  const TlsServer server(fixture.server_options(), [&](ServerConnection& connection) {
    while (const auto request = connection.read_request()) {
      if (request->starts_with("POST")) {
        ++posts;
        return;  // closes without an answer
      }
      connection.answer(200, "{}");
    }
  });
  Client client = fixture.client();
  // A connection that could be reused lies ready.
  expect<Response>(client.send(get(server.url()), Repeat::allowed));
  const OutcomeUnknown unknown = expect<OutcomeUnknown>(client.send(post(server.url()), Repeat::never));
  CHECK(posts == 1);
  CHECK_FALSE(contains(unknown.why, "hunter2"));
  // The trap is real: a call that may be repeated is repeated by libcurl on a reused connection.
  posts = 0;
  Client other = fixture.client();
  expect<Response>(other.send(get(server.url()), Repeat::allowed));
  expect<OutcomeUnknown>(other.send(post(server.url()), Repeat::allowed));
  CHECK(posts == 2);
}

TEST_CASE("a cut body leaves the outcome unknown") {
  const Fixture fixture;
  for (const char* cut : {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a\":",
                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}",
                          "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1", ""}) {
    INFO(cut);
    const TlsServer server(fixture.server_options(), [&](ServerConnection& connection) {
      connection.read_request();
      connection.write(cut);
    });
    expect<OutcomeUnknown>(fixture.client().send(post(server.url()), Repeat::never));
  }
}

TEST_CASE("a server that goes away in the middle of our request leaves the outcome unknown and us alive") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), [](ServerConnection&) {});
  Call request = post(server.url());
  request.body.assign(8U << 20U, 'x');
  expect<OutcomeUnknown>(fixture.client().send(request, Repeat::never));
}

TEST_CASE("an answer without a length is whole when the connection was closed properly") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), [](ServerConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}");
    connection.close_properly();
  });
  CHECK(expect<Response>(fixture.client().send(post(server.url()), Repeat::never)).body == "{\"a\":1}");
}

TEST_CASE("an answer that is no HTTP leaves the outcome unknown") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), [](ServerConnection& connection) {
    connection.read_request();
    connection.write("SSH-2.0-OpenSSH_9.2\r\n");
  });
  expect<OutcomeUnknown>(fixture.client().send(post(server.url()), Repeat::never));
}

TEST_CASE("an answer of 50 MB is not read to its end") {
  const Fixture fixture;
  std::atomic<std::size_t> written{0};
  const TlsServer server(fixture.server_options(), [&](ServerConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 52428800\r\n\r\n");
    const std::string block(65536, ' ');
    while (written < 52428800 && connection.write(block)) written += block.size();
  });
  const OutcomeUnknown unknown = expect<OutcomeUnknown>(fixture.client().send(post(server.url()), Repeat::never));
  CHECK(contains(unknown.why, "larger than 4194304 bytes"));
  CHECK(written < 30'000'000);
}

TEST_CASE("an answer at the limit is read and one octet more is not") {
  const Fixture fixture;
  ClientOptions options = fixture.client_options();
  options.largest_body = 1000;
  Client client(options);
  const TlsServer fits(fixture.server_options(), always(200, std::string(1000, 'x')));
  CHECK(expect<Response>(client.send(get(fits.url()), Repeat::never)).body.size() == 1000);
  const TlsServer beyond(fixture.server_options(), always(200, std::string(1001, 'x')));
  expect<OutcomeUnknown>(client.send(get(beyond.url()), Repeat::never));
}

TEST_CASE("headers without end are not read to their end") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), [](ServerConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n");
    const std::string line = "X-A: " + std::string(8000, 'a') + "\r\n";
    for (int i = 0; i < 1000 && connection.write(line); ++i) continue;
  });
  expect<OutcomeUnknown>(fixture.client().send(post(server.url()), Repeat::never));
}

TEST_CASE("a server that does not answer in time leaves the outcome unknown") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), [](ServerConnection& connection) {
    connection.read_request();
    connection.hang();
  });
  Call request = post(server.url());
  request.time_limit = 300ms;
  const auto start = std::chrono::steady_clock::now();
  const OutcomeUnknown unknown = expect<OutcomeUnknown>(fixture.client().send(request, Repeat::never));
  CHECK(std::chrono::steady_clock::now() - start < 10s);
  CHECK(contains(unknown.why, "did not answer completely within 300 milliseconds"));
}

TEST_CASE("a call whose deadline passed before its first byte sends nothing, whatever is left of its time limit") {
  const Fixture fixture;
  std::atomic<int> requests{0};
  const TlsServer server(fixture.server_options(), [&requests](ServerConnection& connection) {
    if (connection.read_request()) ++requests;
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  Call request = post(server.url());
  request.call_until = SystemClock().since_boot() - 1ms;
  expect<NotSent>(fixture.client().send(request, Repeat::never));

  // The thread is stuck after the call was begun, and before the connection stands.
  ClientOptions options = fixture.client_options();
  options.tls_hook = [](void*) { std::this_thread::sleep_for(400ms); };
  Client slow(std::move(options));
  request.call_until = SystemClock().since_boot() + 200ms;
  expect<NotSent>(slow.send(request, Repeat::never));
  CHECK(requests == 0);
  request.call_until = SystemClock().since_boot() + 20s;
  expect<Response>(slow.send(request, Repeat::never));
  CHECK(requests == 1);
}

TEST_CASE("a server that trickles its answer does not stretch the time limit") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), [](ServerConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 400 && connection.write("x"); ++i) std::this_thread::sleep_for(50ms);
  });
  Call request = get(server.url());
  request.time_limit = 400ms;
  const auto start = std::chrono::steady_clock::now();
  expect<OutcomeUnknown>(fixture.client().send(request, Repeat::never));
  CHECK(std::chrono::steady_clock::now() - start < 10s);
}

TEST_CASE("nothing is sent where nothing listens") {
  const Fixture fixture;
  unsigned port = 0;
  {
    const TlsServer gone(fixture.server_options(), always(200, ""));
    port = gone.port();
  }
  const NotSent unsent =
      expect<NotSent>(fixture.client().send(post("https://127.0.0.1:" + std::to_string(port)), Repeat::never));
  CHECK(contains(unsent.why, "127.0.0.1:" + std::to_string(port) + " takes no connection"));
}

TEST_CASE("nothing is sent to a name that does not exist") {
  const Fixture fixture;
  const NotSent unsent = expect<NotSent>(fixture.client().send(post("https://nowhere.invalid"), Repeat::never));
  CHECK(contains(unsent.why, "nowhere.invalid"));
}

TEST_CASE("options that cannot be used are refused when the client is made") {
  const Fixture fixture;
  const auto kind = [](const ClientOptions& options) {
    try {
      const HttpClient client(Url::parse("https://127.0.0.1"), options);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };
  ClientOptions options;
  options.ca_file = fixture.authority.folder() / "absent.pem";
  CHECK(kind(options) == ErrorKind::not_found);

  options = fixture.client_options();
  options.client_certificate = fixture.identity.certificate_file;
  CHECK(kind(options) == ErrorKind::invalid_input);
  options.client_key = fixture.identity.key_file;
  REQUIRE(::chmod(fixture.identity.key_file.c_str(), 0644) == 0);
  CHECK(kind(options) == ErrorKind::denied);
  REQUIRE(::chmod(fixture.identity.key_file.c_str(), 0600) == 0);
  options.tls_hook = [](void*) {};
  CHECK(kind(options) == ErrorKind::invalid_input);

  options = fixture.client_options();
  for (const char* proxy : {"https://proxy", "proxy:3128", "http://user:hunter2@proxy", "socks5://proxy"}) {
    options.proxy = proxy;
    CHECK(kind(options) == ErrorKind::invalid_input);
  }
}

TEST_CASE("a request that would break the rules of HTTP is refused and its value not repeated") {
  const Fixture fixture;
  Client client = fixture.client();
  const auto refused = [&](const Request& request) {
    try {
      client.send({request, "https://127.0.0.1"}, Repeat::never);
    } catch (const Error& error) {
      CHECK_FALSE(contains(error.message(), "hunter2"));
      return error.kind() == ErrorKind::invalid_input;
    }
    return false;
  };
  CHECK(refused({"GET", "/", {{"X-A", "hunter2\r\nX-B: c"}}, "", Repeat::never, 1s}));
  CHECK(refused({"GET", "/", {{"X-A", std::string("hunter2\0", 8)}}, "", Repeat::never, 1s}));
  CHECK(refused({"GET", "/", {{"X A", "b"}}, "", Repeat::never, 1s}));
  CHECK(refused({"GET", "/", {{"", "b"}}, "", Repeat::never, 1s}));
  CHECK(refused({"TRACE", "/", {}, "", Repeat::never, 1s}));
  CHECK(refused({"GET", "http://127.0.0.1/", {}, "", Repeat::never, 1s}));
  CHECK(refused({"GET", "file:///etc/passwd", {}, "", Repeat::never, 1s}));
}

TEST_CASE("a proxy is used when it is configured and never taken from the environment") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), always(200, "{}"));
  std::string asked;
  const TlsServer proxy(TlsServerOptions{}, [&](ServerConnection& connection) {
    asked = connection.read_request().value_or("");
    connection.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  });
  const std::string address = "http://127.0.0.1:" + std::to_string(proxy.port());
  REQUIRE(::setenv("https_proxy", address.c_str(), 1) == 0);
  REQUIRE(::setenv("all_proxy", address.c_str(), 1) == 0);
  expect<Response>(fixture.client().send(post(server.url()), Repeat::never));
  REQUIRE(::unsetenv("https_proxy") == 0);
  REQUIRE(::unsetenv("all_proxy") == 0);
  CHECK(proxy.connections() == 0);

  ClientOptions options = fixture.client_options();
  options.proxy = address;
  expect<NotSent>(Client(options).send(post(server.url()), Repeat::never));
  CHECK(proxy.connections() == 1);
  CHECK(asked.starts_with("CONNECT 127.0.0.1:" + std::to_string(server.port()) + " HTTP/1.1\r\n"));
  CHECK_FALSE(contains(asked, "hunter2"));
}

TEST_CASE("many threads send through one client at once") {
  const Fixture fixture;
  const TlsServer server(fixture.server_options(), [](ServerConnection& connection) {
    while (const auto request = connection.read_request()) {
      connection.answer(200, "{\"body\":" + request->substr(request->find("\r\n\r\n") + 4) + "}");
    }
  });
  Client client = fixture.client();
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const int number = t * 100 + i;
        const Exchange exchange =
            client.send({{"POST", "/", {}, std::to_string(number), Repeat::never, 20s}, server.url()},
                        i % 2 == 0 ? Repeat::allowed : Repeat::never);
        const auto* response = std::get_if<Response>(&exchange);
        if (response != nullptr && Json::parse(response->body).at("body").as_integer() == number) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 40);
}

TEST_CASE("what anybody may read comes by plain http, with nothing sent along and nothing followed") {
  std::string asked;
  TlsServer server({}, [&](ServerConnection& connection) {
    asked = connection.read_request().value_or("");
    if (asked.find("GET /moved") == 0) {
      connection.answer(302, "", "text/plain", "Location: /crl\r\n");
    } else if (asked.find("GET /slow") == 0) {
      connection.hang();
    } else {
      connection.answer(200, std::string("\x30\x00\xff", 3), "application/pkix-crl");
    }
  });
  const auto fetch = [&](const std::string& path, const PublicLimits& limits = {}) {
    return fetch_public(PublicUrl::parse("http://127.0.0.1:" + std::to_string(server.port()) + path), limits);
  };
  const auto good = std::get<Response>(fetch("/crl"));
  CHECK(good.status == 200);
  CHECK(good.body == std::string("\x30\x00\xff", 3));
  CHECK(asked.find("GET /crl HTTP/1.1\r\n") == 0);
  for (const char* header : {"Authorization", "Cookie", "Referer"}) CHECK(asked.find(header) == std::string::npos);
  CHECK(std::get<Response>(fetch("/moved")).status == 302);
  CHECK(asked.find("GET /moved") == 0);
  CHECK(std::get<OutcomeUnknown>(fetch("/crl", {5s, 2})).too_large);
  CHECK(std::holds_alternative<OutcomeUnknown>(fetch("/slow", {300ms, 100})));
  CHECK(std::holds_alternative<NotSent>(fetch_public(PublicUrl::parse("http://127.0.0.1:1/"), {5s, 100})));
}
