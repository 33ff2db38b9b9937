#include "providers/api_client.h"

#include "orchard.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::providers;
using namespace std::chrono_literals;
using hsmbridge::test::FakeTransport;
using hsmbridge::test::response;

namespace {

struct Bench {
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  test::FakeClock clock;
  std::string token = "token-0123456789";
  std::shared_ptr<Credentials> credentials = stored_credentials({{[this] { return Secret(token); }}});
  ApiClient api{transport, orchard::dialect(), {{"Authorization", "Bearer ", credentials}}, clock};

  Answer get(Duration limit = 5s, const Terms& terms = {}) {
    return api.call({"GET", "/orders/1?x=y", {}, "", net::Repeat::allowed}, limit, terms);
  }
  Answer post(const Terms& terms = {}) { return api.call({"POST", "/orders", {}, "{}"}, 5s, terms); }
  std::string header(std::size_t at, const std::string& name) {
    return FakeTransport::header(transport->sent.at(at), name);
  }
};

const std::string kRefused = R"({"fault":"bad-token"})";

Error refused(const Answer& answer) {
  const auto trouble = answer.trouble();
  REQUIRE(trouble);
  return std::get<workflow::NotAccepted>(*trouble).error;
}

}  // namespace

TEST_CASE("a call has the headers of its dialect and those of its own") {
  Bench bench;
  bench.transport->then(200, "{}").then(200, "{}").then(200, "{}");
  bench.get().success();
  CHECK(bench.header(0, "Accept") == "application/json");
  CHECK(bench.header(0, "Content-Type").empty());
  CHECK(bench.header(0, "Authorization") == "Bearer token-0123456789");
  bench.post().success();
  CHECK(bench.header(1, "Content-Type") == "application/json");
  bench.api.call({"POST", "/t", {{"Accept", "*/*"}, {"Content-Type", "text/plain"}}, "x"}, 5s).success();
  CHECK(bench.header(2, "Accept") == "*/*");
  CHECK(bench.header(2, "Content-Type") == "text/plain");
}

TEST_CASE("a repeatable call is made again with another credential, one that is made once is not") {
  Bench bench;
  bench.transport->then(401, kRefused).then(200, "{}");
  bench.transport->answers.push_front([&bench](const net::Request&) {
    bench.token = "another-0123456789";
    return response(401, kRefused);
  });
  bench.transport->answers.erase(bench.transport->answers.begin() + 1);
  bench.get().success();
  CHECK(bench.header(1, "Authorization") == "Bearer another-0123456789");

  bench.token = "third-0123456789";
  bench.transport->then(401, kRefused);
  const Error error = refused(bench.post());
  CHECK(bench.transport->sent.size() == 3);
  CHECK(error.hint() == "the next attempt uses another configured credential");
  CHECK(error.detail("lane").empty());
  bench.transport->then(401, kRefused);
  CHECK(refused(bench.post()).detail("lane") == "down");
  CHECK(bench.header(3, "Authorization") == "Bearer third-0123456789");
}

TEST_CASE("a credential that could not be fetched sends nothing, and is not accepted rather than unknown") {
  auto transport = std::make_shared<FakeTransport>();
  const test::FakeClock clock;
  const auto gone = stored_credentials({{[]() -> Secret { throw Error{ErrorKind::denied, "others may read it"}; }}});
  ApiClient api(transport, orchard::dialect(), {{"Authorization", "", gone}}, clock);
  const Error error = refused(api.call({"POST", "/orders", {}, "{}"}, 5s));
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.detail("lane") == "down");
  CHECK(transport->sent.empty());
}

TEST_CASE("a client key that cannot sign has sent nothing, a mistake of ours is told as one") {
  Bench bench;
  bench.transport->answers.push_back([](const net::Request&) -> net::Exchange {
    throw Error{ErrorKind::denied, "the PIN is wrong"};
  });
  CHECK(refused(bench.post()).message() == "the PIN is wrong");
  CHECK_THROWS_AS(bench.post(), Error);  // the fake has no answer left: internal
}

TEST_CASE("a call whose time is over is not sent, and no lane is to blame") {
  Bench bench;
  const Error error = refused(bench.api.call({"POST", "/orders", {}, "{}"}, 0s));
  CHECK(error.message() == "POST /orders: the time limit was over before it was sent");
  CHECK(error.detail("lane").empty());
  CHECK(bench.transport->sent.empty());
  // Trying another credential does not outlive the limit either.
  bench.transport->answers.push_back([&bench](const net::Request&) {
    bench.clock.advance(6s);
    bench.token = "another-0123456789";
    return response(401, kRefused);
  });
  CHECK_THROWS_WITH(bench.get().success(), "GET /orders/1: the time limit was over before it was sent");
  CHECK(bench.transport->sent.size() == 1);
}

TEST_CASE("an order goes out under the account that was looked at or not at all") {
  Bench bench;
  int asked = 0;
  const auto ask = [&](Duration) { return "account " + std::to_string(++asked); };
  const std::string account = bench.api.asked_account(1min, 5s, ask);
  CHECK(bench.api.asked_account(1min, 5s, ask) == account);
  CHECK(asked == 1);
  bench.transport->then(200, "{}");
  bench.post({.account = account}).success();
  // Refused, read again, and somebody else's by now.
  bench.token = "another-0123456789";
  bench.transport->then(401, kRefused).then(200, "{}");
  bench.get().success();
  const Error error = refused(bench.post({.account = account}));
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message() ==
        "the credentials are other ones now, and were those of account 1 when the account was read: "
        "nothing was sent");
  CHECK(bench.transport->sent.size() == 3);
  // What was said of the other ones is not believed of these, however fresh it is.
  const std::string other = bench.api.asked_account(1min, 5s, ask);
  CHECK(other == "account 2");
  bench.transport->then(200, "{}");
  bench.post({.account = other}).success();
  bench.clock.advance(2min);
  CHECK(bench.api.asked_account(1min, 5s, ask) == "account 3");
}

TEST_CASE("a foreign 401 has the credentials read again, and moves nothing on in this call") {
  Bench bench;
  bench.transport->then(401, "<html>", "text/html").then(200, "{}");
  bench.token = "one-0123456789";
  CHECK_THROWS_AS(bench.get().success(), Error);
  CHECK(bench.transport->sent.size() == 1);
  bench.token = "two-0123456789";
  bench.get().success();
  CHECK(bench.header(1, "Authorization") == "Bearer two-0123456789");
}

TEST_CASE("no answer keeps a secret that the service was told in any call") {
  Bench bench;
  bench.api.leave_out(Secret("Password-0123456789"));
  const auto other = stored_credentials({{[] { return Secret("other-0123456789"); }}});
  const std::vector<CredentialHeader> only{{"X-Key", "", other}};
  bench.transport->then(200, "{}").then(500, "token-0123456789 Password-0123456789 other-0123456789");
  bench.get().success();
  const Answer answer = bench.get(5s, {.credentials = &only});
  CHECK(answer.response()->body == "(left out) (left out) (left out)");
  CHECK(bench.header(1, "Authorization").empty());
}

TEST_CASE("the service's clock is known from its last answer that tells") {
  Bench bench;
  CHECK_FALSE(bench.api.server_ahead());
  bench.clock.set_wall(parse_rfc3339("2026-06-01T12:00:00Z"));
  bench.transport->then(response(200, "{}", "", {test::date_header(parse_rfc3339("2026-06-01T12:00:05Z"))}))
      .then(200, "{}");
  bench.get().success();
  bench.get().success();
  CHECK(bench.api.server_ahead() == Duration(5s));
}
