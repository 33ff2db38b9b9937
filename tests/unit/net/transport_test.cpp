#include "net/transport.h"

#include "base/bytes.h"
#include "support/fake_transport.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::net;
using hsmbridge::test::FakeTransport;

namespace {

Request request() {
  Request request{"POST", "/v1/sign", {{"accept", "application/json"}, {"Content-Type", "text/plain"}}, "body"};
  request.headers.emplace_back("X-API-KEY", "api-key-0123456789");
  request.headers.emplace_back("Authorization", "Bearer bearer-0123456789");
  request.secrets.emplace_back("Pass\"word-of-the-key");
  return request;
}

const std::string kEcho =
    R"(api-key-0123456789 Bearer bearer-0123456789 "Pass\"word-of-the-key" application/json text/plain)";
// "Bearer" goes with its token: the header's whole value is one secret.
const std::string kClean = R"x((left out) (left out) "(left out)" application/json text/plain)x";

}  // namespace

TEST_CASE("an answer of any status leaves the transport without the secrets of its call") {
  for (const long status : {200L, 201L, 204L, 302L, 400L, 401L, 403L, 404L, 408L, 409L, 429L, 500L, 503L, 599L}) {
    CAPTURE(status);
    FakeTransport transport;
    transport.then(test::response(status, kEcho, "text/plain; key=api-key-0123456789",
                                  {{"Location", "/login?token=bearer-0123456789"}}));
    const auto answer = std::get<Response>(transport.send(request()));
    CHECK(answer.status == status);
    CHECK(answer.body == kClean);
    CHECK(answer.content_type() == "text/plain; key=(left out)");
    CHECK(answer.header("location") == "/login?token=(left out)");
  }
}

TEST_CASE("the words about an exchange that failed hold no secret of its call") {
  FakeTransport transport;
  transport.then(NotSent{"no route for api-key-0123456789", "replace bearer-0123456789"})
      .then(OutcomeUnknown{"cut in bearer-0123456789", true});
  CHECK(std::get<NotSent>(transport.send(request())).spoken() == "no route for (left out) (replace (left out))");
  const auto lost = std::get<OutcomeUnknown>(transport.send(request()));
  CHECK(lost.why == "cut in (left out)");
  CHECK(lost.too_large);
}

TEST_CASE("the password inside of basic credentials is taken out too") {
  FakeTransport transport;
  const std::string credentials = base64(as_bytes("operator:Passw0rd-of-the-proxy"));
  transport.then(407, "operator may not use Passw0rd-of-the-proxy, " + credentials, "text/plain");
  Request asked{"GET", "/", {{"authorization", "Basic " + credentials}}, ""};
  CHECK(std::get<Response>(transport.send(asked)).body == "operator may not use (left out), (left out)");
}

TEST_CASE("a call without secrets gets its answer as it came") {
  FakeTransport transport;
  transport.then(200, "text/plain", "text/plain");
  Request asked{"GET", "/", {{"Accept", "text/plain"}, {"User-Agent", "text/plain"}}, ""};
  CHECK(std::get<Response>(transport.send(asked)).body == "text/plain");
}

TEST_CASE("each call's own secrets are taken out of its answer, whichever call was before it") {
  FakeTransport transport;
  const std::string echo = "first-secret-0001 second-secret-002 third-secret-0003";
  for (int i = 0; i < 5; ++i) transport.then(200, echo);
  const auto answered = [&](const std::vector<std::string>& secrets) {
    Request asked{"GET", "/", {}, ""};
    for (const std::string& secret : secrets) asked.secrets.emplace_back(secret);
    return std::get<Response>(transport.send(asked)).body;
  };
  CHECK(answered({"first-secret-0001"}) == "(left out) second-secret-002 third-secret-0003");
  CHECK(answered({"first-secret-0001"}) == "(left out) second-secret-002 third-secret-0003");
  CHECK(answered({"second-secret-002", "third-secret-0003"}) == "first-secret-0001 (left out) (left out)");
  CHECK(answered({"second-secret-002"}) == "first-secret-0001 (left out) third-secret-0003");
  CHECK(answered({}) == echo);
}
