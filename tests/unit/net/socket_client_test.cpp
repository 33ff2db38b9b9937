// A service of this machine behind a Unix socket.
#include "base/error.h"
#include "net/http_client.h"
#include "support/temp_folder.h"
#include "support/tls_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::net;
using hsmbridge::test::ServerConnection;
using hsmbridge::test::TempFolder;
using hsmbridge::test::TlsServer;
using namespace std::chrono_literals;

namespace {

struct Place {
  TempFolder folder;
  std::filesystem::path socket = folder / "web.sock";

  TlsServer serve(TlsServer::Handler handler) const {
    hsmbridge::test::TlsServerOptions options;
    options.socket = socket;
    return TlsServer(std::move(options), std::move(handler));
  }
  Exchange send(Request request) const { return SocketClient(socket).send(request); }
};

Request get(Duration limit = 20s) {
  return {"GET", "/linters?x=1", {}, "", Repeat::allowed, limit};
}
std::string not_sent(const Exchange& exchange) {
  REQUIRE(std::holds_alternative<NotSent>(exchange));
  return std::get<NotSent>(exchange).spoken();
}
std::string unknown(const Exchange& exchange) {
  REQUIRE(std::holds_alternative<OutcomeUnknown>(exchange));
  return std::get<OutcomeUnknown>(exchange).why;
}

}  // namespace

TEST_CASE_METHOD(Place, "a request goes to the socket and its answer comes back") {
  std::vector<std::string> seen;
  const TlsServer server = serve([&](ServerConnection& connection) {
    while (const auto request = connection.read_request()) {
      seen.push_back(*request);
      connection.answer(seen.size() == 1 ? 200 : 503, "[]");
    }
  });
  const Exchange first = send(get());
  REQUIRE(std::holds_alternative<Response>(first));
  CHECK(std::get<Response>(first).status == 200);
  CHECK(std::get<Response>(first).body == "[]");
  CHECK(std::get<Response>(first).content_type() == "application/json");
  const Exchange second = send({"POST",
                                "/linttbscert",
                                {{"Content-Type", "application/x-www-form-urlencoded"}},
                                std::string(200'000, 'x'),
                                Repeat::never,
                                20s});
  REQUIRE(std::holds_alternative<Response>(second));
  CHECK(std::get<Response>(second).status == 503);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].starts_with("GET /linters?x=1 HTTP/1.1\r\nHost: localhost\r\n"));
  CHECK(seen[1].starts_with("POST /linttbscert HTTP/1.1\r\n"));
  CHECK(seen[1].find("Content-Type: application/x-www-form-urlencoded\r\n") != std::string::npos);
  CHECK(seen[1].ends_with("\r\n\r\n" + std::string(200'000, 'x')));
}

TEST_CASE_METHOD(Place, "an answer that does not come to its end is none") {
  const auto answered = [&](const std::string& octets, Duration limit = 20s) {
    std::filesystem::remove(socket);
    const TlsServer server = serve([&](ServerConnection& connection) {
      connection.read_request();
      connection.write(octets);
      if (octets.empty()) connection.hang();
    });
    return send(get(limit));
  };
  CHECK(unknown(answered("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[]")).find("was lost") != std::string::npos);
  CHECK(unknown(answered("HTTP/1.1 200 OK\r\n\r\n[]")).find("does not say where it ends") != std::string::npos);
  CHECK(unknown(answered("", 300ms)).find("did not answer completely within") != std::string::npos);
}

TEST_CASE_METHOD(Place, "nothing is sent to a socket that nobody serves, or that is not there") {
  CHECK(not_sent(send(get())).find("No such file") != std::string::npos);
  {
    const TlsServer gone = serve([](ServerConnection&) {});
  }
  CHECK(not_sent(send(get())).find(socket.string() + " takes no connection") != std::string::npos);
  CHECK(not_sent(send(get(0s))) != "");
}

TEST_CASE_METHOD(Place, "nothing is sent to a socket that somebody else may replace") {
  const TlsServer server = serve([](ServerConnection& connection) {
    while (connection.read_request()) connection.answer(200, "[]");
  });
  CHECK(::chmod(socket.c_str(), 0666) == 0);  // who may write to it talks to us, no more
  CHECK(std::holds_alternative<Response>(send(get())));
  CHECK(::chmod(folder.path().c_str(), 0777) == 0);
  CHECK(not_sent(send(get())).find("may be changed by everybody") != std::string::npos);
  CHECK(::chmod(folder.path().c_str(), 01777) == 0);
  CHECK(std::holds_alternative<Response>(send(get())));
  if (::geteuid() == 0) {
    // As in /tmp, where anybody may have been first.
    CHECK(::chown(socket.c_str(), 4'123'456, 4'123'456) == 0);
    CHECK(not_sent(send(get())).find("belongs to 4123456") != std::string::npos);
  }
}
