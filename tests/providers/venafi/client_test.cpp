#include "providers/venafi/client.h"

#include "base/error.h"
#include "cloud_answers.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/software_signer.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using test::FakeTransport;

namespace {

constexpr Duration kLimit = std::chrono::seconds{30};

struct Bench {
  // A key that somebody may replace.
  Client with_key(bool reread = true) {
    return {transport, stored_access(Access::Kind::api_key, {[this] { return ++reads, Secret(key); }, reread}), clock};
  }
  Client with_tokens() {
    return {transport,
            token_access(transport, federated_order("/v1/oauth2/v2.0/c/token", [] { return Secret("jwt"); }), clock),
            clock};
  }
  Bench& token(const std::string& value, int seconds = 900) {
    transport->then(200, R"({"access_token":")" + value + R"(","expires_in":)" + std::to_string(seconds) +
                             R"(,"token_type":"bearer"})");
    return *this;
  }
  std::string header(std::size_t at, const std::string& name) {
    return FakeTransport::header(transport->sent.at(at), name);
  }

  test::FakeClock clock;
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  std::string key = "first";
  int reads = 0;
};

template <class Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "no error"};
}

template <class Call>
ErrorKind kind_of(Call call) {
  return error_of(call).kind();
}

// Everything that a person or a log may get to see of it.
std::string shown(const Error& error) {
  std::string text = error.message() + " " + error.hint();
  for (const auto& [name, value] : error.details()) text += " " + name + "=" + value;
  return text;
}

}  // namespace

TEST_CASE("an API key goes into its own header, and a token into Authorization") {
  Bench bench;
  bench.transport->then(200, R"({"user":{"username":"a@x"},"company":{"id":"c"}})");
  Client client = bench.with_key();
  CHECK(client.has_user_account());
  CHECK(client.user_account(kLimit).company == "c");
  CHECK(bench.header(0, "tppl-api-key") == "first");
  CHECK(bench.header(0, "Authorization").empty());

  Bench other;
  other.token("T").transport->then(200, test::application_answer());
  Client bearer = other.with_tokens();
  CHECK_FALSE(bearer.has_user_account());
  bearer.application("My App/1", kLimit);
  CHECK(other.transport->lines() == std::vector<std::string>{"POST /v1/oauth2/v2.0/c/token",
                                                             "GET /outagedetection/v1/applications/name/My%20App%2F1"});
  CHECK(other.header(0, "Content-Type") == "application/x-www-form-urlencoded");
  CHECK(other.header(0, "Authorization").empty());
  CHECK(other.header(1, "Authorization") == "Bearer T");
  CHECK(other.header(1, "tppl-api-key").empty());
}

TEST_CASE("a token is used until shortly before it ends, and then renewed") {
  Bench bench;
  Client client = bench.with_tokens();
  bench.token("A").transport->then(200, test::application_answer()).then(200, test::application_answer());
  client.application("x", kLimit);
  bench.clock.advance(std::chrono::seconds{779});
  client.application("x", kLimit);
  CHECK(bench.transport->sent.size() == 3);
  bench.clock.advance(std::chrono::seconds{2});
  bench.token("B").transport->then(200, test::application_answer());
  client.application("x", kLimit);
  CHECK(bench.header(4, "Authorization") == "Bearer B");
}

TEST_CASE("a short token is renewed after three quarters of its life") {
  Bench bench;
  Client client = bench.with_tokens();
  bench.token("A", 40).transport->then(200, test::application_answer());
  client.application("x", kLimit);
  bench.clock.advance(std::chrono::seconds{31});
  bench.token("B", 40).transport->then(200, test::application_answer());
  client.application("x", kLimit);
  CHECK(bench.header(3, "Authorization") == "Bearer B");
}

TEST_CASE("a token refused in mid-poll is replaced once, and only once") {
  Bench bench;
  Client client = bench.with_tokens();
  bench.token("A").transport->then(401, "expired", "text/plain");
  bench.token("B").transport->then(200, test::request_json("PENDING").dump());
  CHECK(client.request(test::kRequestId, kLimit).request->status == "PENDING");
  CHECK(bench.header(3, "Authorization") == "Bearer B");

  bench.transport->then(401, "expired", "text/plain");
  bench.token("C").transport->then(401, "expired", "text/plain");
  CHECK_THROWS_AS(client.request(test::kRequestId, kLimit), Error);
  CHECK(bench.transport->answers.empty());
}

TEST_CASE("a submission is sent once, and a refused token serves no other") {
  Bench bench;
  Client client = bench.with_tokens();
  const Duration until = bench.clock.since_boot() + std::chrono::seconds{7};
  bench.token("A").transport->then(401, "expired", "text/plain");
  CHECK(std::holds_alternative<workflow::NotAccepted>(client.submit("{}", "", kLimit, until)));
  CHECK(bench.transport->sent.size() == 2);
  // The next attempt, with a token of its own.
  bench.token("B").transport->then(201, test::created_answer("NEW"));
  CHECK(std::holds_alternative<Taken>(client.submit("{}", "", kLimit, until)));
  for (const auto& request : bench.transport->sent) CHECK(request.repeat == net::Repeat::never);
  // Past the deadline that was journalled with the intent neither may leave.
  CHECK(bench.transport->sent.at(1).call_until == until);
  CHECK(bench.transport->sent.at(3).call_until == until);

  for (const net::Exchange& trouble : std::vector<net::Exchange>{
           net::OutcomeUnknown{"cut"}, net::NotSent{"no route"}, test::response(500, test::errors_answer(1000, "x")),
           test::response(401, test::kProxyPage, "text/html"), test::response(403, "", ""), test::response(408, "", ""),
           test::response(429, "", "")}) {
    const std::size_t before = bench.transport->sent.size();
    bench.transport->then(trouble);
    CHECK_FALSE(std::holds_alternative<Taken>(client.submit("{}", "", kLimit)));
    CHECK(bench.transport->sent.size() == before + 1);
  }
}

TEST_CASE("a refused API key is read again, and tried again only when it differs") {
  Bench bench;
  Client client = bench.with_key();
  bench.transport->then(401, "Invalid api key", "text/plain");
  CHECK_THROWS_AS(client.application("x", kLimit), Error);
  CHECK(bench.transport->sent.size() == 1);
  CHECK(bench.reads == 2);

  bench.key = "second";
  bench.transport->then(401, "Invalid api key", "text/plain").then(200, test::application_answer());
  client.application("x", kLimit);
  CHECK(bench.header(2, "tppl-api-key") == "second");

  Bench asked;
  Client person = asked.with_key(false);
  asked.transport->then(401, "Invalid api key", "text/plain");
  CHECK_THROWS_AS(person.application("x", kLimit), Error);
  CHECK(asked.reads == 1);
}

TEST_CASE("a token endpoint that refuses says so as denied, and nothing is sent to the service") {
  Bench bench;
  Client client = bench.with_tokens();
  bench.transport->then(400, R"({"error":"invalid_client","error_description":"token_signature_verification_error"})");
  const Verdict refused = client.submit("{}", "", kLimit);
  const Error& error = std::get<workflow::NotAccepted>(refused).error;
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.message().find("token_signature_verification_error") != std::string::npos);
  CHECK(error.hint().find("jwksURI") != std::string::npos);
  bench.transport->then(502, test::kProxyPage, "text/html");
  const Verdict unreachable = client.submit("{}", "", kLimit);
  CHECK(std::get<workflow::NotAccepted>(unreachable).error.kind() == ErrorKind::unavailable);
  CHECK(bench.transport->sent.size() == 2);
}

TEST_CASE("whose a token is does not change with the JWT that the next one will be got with") {
  test::FakeClock clock;
  auto transport = std::make_shared<FakeTransport>();
  const auto jwt_of = [](const std::string& subject) {
    const auto claims = Json::object({{"iss", "https://ci.example"}, {"sub", subject}}).dump();
    return "e30." + base64(as_bytes(claims)) + ".c2ln";
  };
  std::string jwt = jwt_of("ann");
  Client client(transport, token_access(transport, federated_order("/t", [&] { return Secret(jwt); }), clock), clock);
  const auto token = [&](const char* value) {
    transport->then(200, std::string(R"({"access_token":")") + value + R"(","expires_in":900,"token_type":"bearer"})");
  };
  token("A");
  CHECK(client.account(Duration::zero(), kLimit) == "ann of https://ci.example at /t");
  jwt = jwt_of("ben");
  CHECK(client.account(Duration::zero(), kLimit) == "ann of https://ci.example at /t");
  transport->then(200, test::application_answer());
  client.application("x", kLimit);
  CHECK(FakeTransport::header(transport->sent.back(), "Authorization") == "Bearer A");
  clock.advance(std::chrono::hours{1});
  token("B");
  CHECK(client.account(Duration::zero(), kLimit) == "ben of https://ci.example at /t");
  CHECK(transport->sent.size() == 3);
}

TEST_CASE("an order goes out under the account that was looked at or not at all") {
  test::FakeClock clock;
  auto transport = std::make_shared<FakeTransport>();
  const auto jwt_of = [](const std::string& subject) {
    const auto claims = Json::object({{"iss", "https://ci.example"}, {"sub", subject}}).dump();
    return "e30." + base64(as_bytes(claims)) + ".c2ln";
  };
  std::string jwt = jwt_of("ann");
  Client client(transport, token_access(transport, federated_order("/t", [&] { return Secret(jwt); }), clock), clock);
  transport->then(200, R"({"access_token":"A","expires_in":900,"token_type":"bearer"})");
  const std::string ann = client.account(Duration::zero(), kLimit);
  // The token is over before the POST, and the next one is got with another account's JWT.
  jwt = jwt_of("ben");
  clock.advance(std::chrono::hours{1});
  transport->then(200, R"({"access_token":"B","expires_in":900,"token_type":"bearer"})");
  const Verdict verdict = client.submit("{}", ann, kLimit);
  const Error& error = std::get<workflow::NotAccepted>(verdict).error;
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message().find("those of ben of https://ci.example at /t now, and were those of ann") !=
        std::string::npos);
  CHECK(transport->lines() == std::vector<std::string>{"POST /t", "POST /t"});
  transport->then(201, test::created_answer("NEW"));
  CHECK(std::holds_alternative<Taken>(client.submit("{}", "ben of https://ci.example at /t", kLimit)));
}

TEST_CASE("an API key that was replaced since its account was asked for orders nothing until it is asked again") {
  Bench bench;
  Client client = bench.with_key();
  const auto me = [](const char* user) {
    return std::string(R"({"user":{"id":")") + user + R"(","username":"a@x.com"},"company":{"id":"c-1"}})";
  };
  bench.transport->then(200, me("u-1"));
  const std::string first = client.account(Duration::zero(), kLimit);
  bench.key = "second";
  bench.transport->then(401, "Invalid api key", "text/plain").then(200, test::application_answer());
  client.application("x", kLimit);
  const std::size_t before = bench.transport->sent.size();
  const Verdict verdict = client.submit("{}", first, kLimit);
  CHECK(std::get<workflow::NotAccepted>(verdict).error.kind() == ErrorKind::unavailable);
  CHECK(bench.transport->sent.size() == before);
  bench.transport->then(200, me("u-2")).then(201, test::created_answer("NEW"));
  CHECK(std::holds_alternative<Taken>(client.submit("{}", client.account(Duration::zero(), kLimit), kLimit)));
}

TEST_CASE("a refused credential pauses the lane of its provider, what it may not see or do does not") {
  Bench bench;
  Client client = bench.with_key();
  const auto lane_after = [&](long status, const std::string& body, const std::string& type) {
    bench.transport->then(status, body, type);
    const Error error = error_of([&] { client.request(test::kRequestId, kLimit); });
    return std::string(error.detail("lane"));
  };
  CHECK(lane_after(401, "Invalid api key", "text/plain") == "down");
  CHECK(lane_after(400, test::errors_answer(10501, "unknown key"), "application/json") == "down");
  CHECK(lane_after(401, test::kProxyPage, "text/html") == "down");
  CHECK(lane_after(403, test::errors_answer(1002, "forbidden"), "application/json") == "");
  CHECK(lane_after(403, test::kProxyPage, "text/html") == "");

  bench.transport->then(401, "Invalid api key", "text/plain");
  const Verdict verdict = client.submit("{}", "", kLimit);
  CHECK(std::get<workflow::NotAccepted>(verdict).error.detail("lane") == "down");
  Bench tokens;
  Client federated = tokens.with_tokens();
  tokens.transport->then(401, R"({"error":"invalid_client"})");
  CHECK(error_of([&] { federated.request(test::kRequestId, kLimit); }).detail("lane") == "down");
  Client gone(bench.transport, stored_access(Access::Kind::api_key, {[]() -> Secret {
                                               throw Error{ErrorKind::invalid_input, "file:cloud.key is empty"};
                                             }}),
              bench.clock);
  const Error unread = error_of([&] { gone.request(test::kRequestId, kLimit); });
  CHECK(unread.detail("lane") == "down");
  CHECK(unread.kind() == ErrorKind::unavailable);
}

TEST_CASE("a new service account JWT is made for each token") {
  test::FakeClock clock;
  auto transport = std::make_shared<FakeTransport>();
  auto signer = std::make_shared<test::SoftwareSigner>("ec:P-256");
  Client client(transport, token_access(transport, service_account_order(signer, "id", clock), clock), clock);
  for (int i = 0; i < 2; ++i) {
    transport->then(201, R"({"access_token":"t","expires_in":900,"token_type":"bearer"})");
    transport->then(200, test::application_answer());
    client.application("x", kLimit);
    clock.advance(std::chrono::hours{1});
  }
  CHECK(transport->sent.at(0).path == "/v1/oauth/token/serviceaccount");
  CHECK(transport->sent.at(0).body != transport->sent.at(2).body);
  CHECK(transport->sent.at(0).repeat == net::Repeat::never);
}

TEST_CASE("contents are asked in the vendor's own order, and 404 and 409 mean not yet") {
  Bench bench;
  Client client = bench.with_key();
  bench.transport->then(200, "-----BEGIN", "text/plain");
  CHECK(client.contents("c", Client::ChainOrder::leaf_first, kLimit).body == "-----BEGIN");
  CHECK(bench.transport->sent.at(0).path ==
        "/outagedetection/v1/certificates/c/contents?chainOrder=EE_FIRST&format=PEM");
  CHECK(bench.header(0, "Accept") == "*/*");
  bench.transport->then(404, test::errors_answer(10051, "Unable to find Certificate"));
  CHECK(client.contents("c", Client::ChainOrder::leaf_first, kLimit).missing.find("Unable to find") == 0);
  bench.transport->then(409, test::errors_answer(1, "not signed"));
  CHECK_FALSE(client.contents("c", Client::ChainOrder::leaf_only, kLimit).missing.empty());
  bench.transport->then(409, "", "");
  CHECK_FALSE(client.contents("c", Client::ChainOrder::leaf_only, kLimit).missing.empty());
  bench.transport->then(409, test::kProxyPage, "text/html");
  CHECK_THROWS_AS(client.contents("c", Client::ChainOrder::leaf_first, kLimit), Error);
  bench.transport->then(404, test::kProxyPage, "text/html");
  CHECK_THROWS_AS(client.contents("c", Client::ChainOrder::leaf_first, kLimit), Error);
}

TEST_CASE("a decision whose answer was lost is not known, and is not sent twice") {
  Bench bench;
  Client client = bench.with_key();
  const auto decide = [&](const net::Exchange& answer) {
    bench.transport->then(answer);
    const std::size_t before = bench.transport->sent.size();
    const ErrorKind kind = kind_of([&] { client.decide("r", Client::Decision::approve, "ok", kLimit); });
    CHECK(bench.transport->sent.size() == before + 1);
    return kind;
  };
  for (const net::Exchange& unclear : std::vector<net::Exchange>{
           net::OutcomeUnknown{"cut"}, test::response(502, "", ""), test::response(408, test::errors_answer(1, "slow")),
           test::response(302, "", ""), test::response(200, test::kProxyPage, "text/html"),
           test::response(200, "{}", "application/json")}) {
    CHECK(decide(unclear) == ErrorKind::outcome_unknown);
  }
  CHECK(decide(test::response(429, "", "")) == ErrorKind::unavailable);
  CHECK(decide(net::NotSent{"no route"}) == ErrorKind::unavailable);
  CHECK(decide(test::response(403, test::errors_answer(1002, "forbidden"))) == ErrorKind::denied);
  bench.transport->then(200, test::request_json("PENDING").dump());
  CHECK(client.decide("r", Client::Decision::reject, "no", kLimit).status == "PENDING");
  CHECK(bench.transport->sent.back().path == "/v1/certificaterequests/r/approval/REJECT");
  CHECK(bench.transport->sent.back().body == R"({"reason":"no"})");
  CHECK(bench.transport->sent.back().repeat == net::Repeat::never);
}

TEST_CASE("a dry run's objections are told one by one") {
  Bench bench;
  Client client = bench.with_key();
  bench.transport->then(201, R"({"subjectDN":"cn=x"})");
  CHECK(client.validate("{}", kLimit).empty());
  bench.transport->then(412, test::errors_answer(10726, "m", Json::array({"CN", "x", Json::array({"y"})})));
  CHECK(client.validate("{}", kLimit) == std::vector<std::string>{R"(CN "x" is not allowed (allowed: y) [10726])"});
  bench.transport->then(502, test::kProxyPage, "text/html");
  CHECK_THROWS_AS(client.validate("{}", kLimit), Error);
}

TEST_CASE("a dry run that judged nothing does not count as accepted") {
  Bench bench;
  Client client = bench.with_key();
  const auto kind = [&](long status, const std::string& body, const std::string& type = "application/json") {
    bench.transport->then(status, body, type);
    return kind_of([&] { client.validate("{}", kLimit); });
  };
  CHECK(kind(412, test::errors_answer(10501, "Unable to find api key")) == ErrorKind::denied);
  CHECK(kind(400, test::errors_answer(1004, "Invalid or missing request header")) == ErrorKind::denied);
  CHECK(kind(200, test::kProxyPage, "text/html") == ErrorKind::unavailable);
  CHECK(kind(201, "{}") == ErrorKind::corrupt);
}

TEST_CASE("a credential that a refusal repeats is shown nowhere") {
  Bench bench;
  bench.key = "cec682ba-f409-40ce-8c1e-0a2d7d8e9f10";
  Client client = bench.with_key();
  bench.transport->then(
      412, test::errors_answer(10501, "Unable to find api key for key " + bench.key, Json::array({bench.key})));
  const Error refused = error_of([&] { client.application("x", kLimit); });
  CHECK(refused.kind() == ErrorKind::denied);
  CHECK(shown(refused).find("(left out)") != std::string::npos);
  CHECK(shown(refused).find("cec682ba") == std::string::npos);
  bench.transport->then(400, "<" + bench.key + bench.key, "text/plain");
  CHECK(shown(error_of([&] { client.application("x", kLimit); })).find("cec682ba") == std::string::npos);

  Bench tokens;
  Client bearer(
      tokens.transport,
      token_access(tokens.transport, federated_order("/t", [] { return Secret("the-long-jwt"); }), tokens.clock),
      tokens.clock);
  tokens.transport->then(400, R"({"error":"invalid_client","error_description":"not good: the-long-jwt"})");
  const Error jwt = error_of([&] { bearer.application("x", kLimit); });
  CHECK(shown(jwt).find("not good: (left out)") != std::string::npos);
  // An endpoint that answers in a form of its own.
  for (const char* body : {"access_token=the-long-token&expires_in=900", R"({"access_token":"the-long-token",)",
                           R"({"access_token":"the-long-token","expires_in":[]})"}) {
    tokens.transport->then(200, body);
    CHECK(shown(error_of([&] { bearer.application("x", kLimit); })).find("the-long-token") == std::string::npos);
  }
  for (const long status : {207L, 400L, 401L, 404L, 502L}) {
    tokens.transport->then(status, "access_token=the-long-token", "text/plain");
    CHECK(shown(error_of([&] { bearer.application("x", kLimit); })).find("the-long-token") == std::string::npos);
  }
}

TEST_CASE("a token stays out of every text when another one has taken its place") {
  Bench bench;
  Client client = bench.with_tokens();
  bench.token("the-first-token").transport->then(401, "expired", "text/plain");
  bench.token("the-second-token").transport->then(502, "the-second-token the-first-token", "text/plain");
  const std::string said = shown(error_of([&] { client.application("x", kLimit); }));
  CHECK(said.find("(left out) (left out)") != std::string::npos);
}

TEST_CASE("a token's life is counted from when it was asked for, however slow its endpoint is") {
  Bench bench;
  Client client = bench.with_tokens();
  bench.transport->answers.push_back([&bench](const net::Request&) -> net::Exchange {
    bench.clock.advance(std::chrono::seconds{25});
    return test::response(200, R"({"access_token":"A","expires_in":40,"token_type":"bearer"})");
  });
  bench.transport->then(200, test::application_answer());
  client.application("x", kLimit);
  bench.clock.advance(std::chrono::seconds{6});
  bench.token("B").transport->then(200, test::application_answer());
  client.application("x", kLimit);
  CHECK(bench.header(3, "Authorization") == "Bearer B");
}

TEST_CASE("a proxy's 404 is not the service's word on approvals") {
  Bench bench;
  Client client = bench.with_key();
  bench.transport->then(404, test::errors_answer(10051, "none"));
  CHECK_FALSE(client.approval("r", kLimit).has_value());
  bench.transport->then(404, test::kProxyPage, "text/html");
  CHECK_THROWS_AS(client.approval("r", kLimit), Error);
}
