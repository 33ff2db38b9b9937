#include "providers/digicert/client.h"

#include "answers.h"
#include "base/error.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace std::chrono_literals;
using test::FakeTransport;

namespace {

struct Bench {
  Bench() {
    options.get = [this] {
      ++reads;
      return Secret("key-" + std::to_string(reads));
    };
  }
  Client& client() {
    if (!made) made = std::make_unique<Client>(transport, options, clock);
    return *made;
  }
  const net::Request& sent(std::size_t i = 0) const { return transport->sent.at(i); }
  int reads = 0;
  test::FakeClock clock;
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  providers::Source options;
  std::unique_ptr<Client> made;
};

}  // namespace

TEST_CASE("each endpoint is called as the reference shows it") {
  Bench bench;
  const std::string details = R"({"serial_number":"AB","status":"issued"})";
  struct Row {
    const char* line;
    const char* answer;
    long status;
    std::function<void(Client&)> call;
    net::Repeat repeat;
    const char* body;
  };
  const auto allowed = net::Repeat::allowed;
  const auto never = net::Repeat::never;
  const std::vector<Row> rows{
      {"GET /mpki/api/v1/hello", "Hello from DigiCert ONE - Trust Lifecycle Manager REST API!", 200,
       [](Client& c) { c.hello(5s); }, allowed, ""},
      {"GET /account/api/v1/user/me", "{}", 200, [](Client& c) { c.who_am_i(5s); }, allowed, ""},
      {"GET /mpki/api/v2/profile/a%2Fb", R"({"id":"a/b"})", 200, [](Client& c) { c.profile("a/b", 5s); }, allowed, ""},
      {"POST /mpki/api/v1/certificate", R"({"request_id":"r"})", 201,
       [](Client& c) {
         c.request_certificate("{\"x\":1}", {5s, 77s});
       },
       never, "{\"x\":1}"},
      {"POST /mpki/api/v1/certificate-pickup/r%2F1", R"({"status":"PENDING"})", 200,
       [](Client& c) { c.pick_up("r/1", "p", 5s); }, never, R"({"profile":{"id":"p"}})"},
      {"GET /mpki/api/v1/certificate/AB", details.c_str(), 200, [](Client& c) { c.certificate("AB", "", 5s); }, allowed,
       ""},
      {"GET /mpki/api/v1/certificate/AB?thumbprint_sha256=FE", details.c_str(), 200,
       [](Client& c) { c.certificate("AB", "fe", 5s); }, allowed, ""},
      {"GET /mpki/api/v1/certificate/AB/additional-formats", "{}", 200,
       [](Client& c) { c.additional_formats("AB", 5s); }, allowed, ""},
      {"POST /mpki/api/v1/certificate/AB/renew?thumbprint_sha256=FE", R"({"request_id":"r"})", 200,
       [](Client& c) {
         c.renew("AB", "fe", "{}", {5s, 77s});
       },
       never, "{}"},
      {"PUT /mpki/api/v1/certificate/AB/revoke?thumbprint_sha256=FE", "", 204,
       [](Client& c) {
         c.revoke("AB", "fe", "superseded", {5s, 77s});
       },
       never, R"({"revocation_reason":"superseded"})"},
      {"GET /mpki/api/v1/certificate-search?offset=10&limit=5&seat_id=a%40b&common_name=x%20y&status=issued",
       R"({"items":[]})", 200,
       [](Client& c) {
         c.search({"a@b", "x y", "issued"}, 10, 5, 5s);
       },
       allowed, ""},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(rows[i].line);
    bench.transport->then(rows[i].status, rows[i].answer);
    CHECK_NOTHROW(rows[i].call(bench.client()));
    CHECK(bench.transport->lines().at(i) == rows[i].line);
    CHECK(bench.sent(i).repeat == rows[i].repeat);
    CHECK(bench.sent(i).body == rows[i].body);
    // A pick-up is sent once at a time too, but nobody else counts on when.
    const bool bounded = rows[i].repeat == never && bench.sent(i).path.find("pickup") == std::string::npos;
    CHECK(bench.sent(i).call_until == (bounded ? std::optional<Duration>(77s) : std::nullopt));
    CHECK(FakeTransport::header(bench.sent(i), "x-api-key") == "key-1");
    CHECK(FakeTransport::header(bench.sent(i), "Accept") == "application/json");
    CHECK(FakeTransport::header(bench.sent(i), "Content-Type") == (rows[i].body[0] == '\0' ? "" : "application/json"));
  }
}

TEST_CASE("with a client certificate alone no key is sent") {
  Bench bench;
  bench.options.get = {};
  bench.transport->then(200, "{}");
  bench.client().who_am_i(5s);
  CHECK(FakeTransport::header(bench.sent(), "x-api-key").empty());
}

TEST_CASE("a refused key is read again, and another one tried where the call may be repeated") {
  Bench bench;
  bench.transport->then(401, test::tlm_error("AUTHORIZATION_ERROR", "no")).then(200, "{}");
  bench.client().who_am_i(5s);
  CHECK(FakeTransport::header(bench.sent(1), "x-api-key") == "key-2");

  bench.transport->then(401, test::tlm_error("AUTHORIZATION_ERROR", "no")).then(201, R"({"request_id":"r"})");
  const Verdict refused = bench.client().request_certificate("{}", {5s});
  CHECK(bench.transport->sent.size() == 3);
  CHECK(std::get<workflow::NotAccepted>(refused).error.message().find("does not accept our credentials") !=
        std::string::npos);
  CHECK(std::holds_alternative<Taken>(bench.client().request_certificate("{}", {5s})));
  CHECK(FakeTransport::header(bench.sent(3), "x-api-key") == "key-3");
}

TEST_CASE("a key that was read again and is still the same is not sent twice") {
  Bench bench;
  bench.options.get = [&bench] { return ++bench.reads, Secret("the-key"); };
  bench.transport->then(401, test::tlm_error("AUTHORIZATION_ERROR", "no")).then(200, "{}");
  CHECK_THROWS_WITH(bench.client().who_am_i(5s), Catch::Contains("does not accept our credentials"));
  CHECK(bench.transport->sent.size() == 1);
  CHECK(bench.reads == 2);
}

TEST_CASE("an order goes out under the account whose key was looked at or not at all") {
  Bench bench;
  const auto me = [](const char* name) { return std::string(R"({"id":")") + name + R"(","email":"x@y.z"})"; };
  bench.transport->then(200, me("ann"));
  const std::string ann = bench.client().account(0s, 5s);
  REQUIRE_FALSE(ann.empty());
  CHECK(bench.client().account(1min, 5s) == ann);  // not asked again
  CHECK(bench.transport->sent.size() == 1);
  // The key is refused, and somebody else's is in the file by now.
  bench.transport->then(401, test::tlm_error("AUTHORIZATION_ERROR", "no")).then(200, R"({"id":"p"})");
  bench.client().profile("p", 5s);
  CHECK(FakeTransport::header(bench.sent(2), "x-api-key") == "key-2");
  const Once once{5s, std::nullopt, ann};
  for (const Verdict& verdict :
       {bench.client().request_certificate("{}", once), bench.client().renew("AB", "", "{}", once)}) {
    const Error& error = std::get<workflow::NotAccepted>(verdict).error;
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.message().find("nothing was sent") != std::string::npos);
  }
  CHECK(bench.transport->sent.size() == 3);
  // What was known of the other key does not count for this one: the service is asked again.
  bench.transport->then(200, me("ben")).then(201, R"({"request_id":"r"})");
  const std::string ben = bench.client().account(1min, 5s);
  CHECK(ben != ann);
  CHECK(std::holds_alternative<Taken>(bench.client().request_certificate("{}", {5s, std::nullopt, ben})));
}

TEST_CASE("a person who typed the key is not asked again on a server's word") {
  Bench bench;
  bench.options.reread = false;
  bench.transport->then(401, test::tlm_error("AUTHORIZATION_ERROR", "no")).then(200, "{}");
  CHECK_THROWS_AS(bench.client().who_am_i(5s), Error);
  bench.client().who_am_i(5s);
  CHECK(FakeTransport::header(bench.sent(1), "x-api-key") == "key-1");
  CHECK(bench.reads == 1);
}

TEST_CASE("the refusal of an older key does not drop the one that was read since") {
  Bench bench;
  bench.transport->answers.push_back([&](const net::Request&) {
    // While this call is on its way, another is refused and reads the new key.
    bench.transport->then(401, test::tlm_error("AUTHORIZATION_ERROR", "no")).then(200, "{}");
    bench.client().who_am_i(5s);
    bench.transport->then(200, "{}");
    return test::response(401, test::tlm_error("AUTHORIZATION_ERROR", "no"));
  });
  bench.client().who_am_i(5s);
  REQUIRE(bench.transport->sent.size() == 4);
  CHECK(FakeTransport::header(bench.sent(3), "x-api-key") == "key-2");
  CHECK(bench.reads == 2);
}

TEST_CASE("profiles are read page by page until one is not full") {
  Bench bench;
  Json page = Json::array();
  for (int i = 0; i < 20; ++i) page.push(Json::object({{"id", "p" + std::to_string(i)}}));
  bench.transport->then(200, page.dump()).then(200, R"([{"id":"last"}])");
  CHECK(bench.client().profiles(5s).size() == 21);
  CHECK(bench.transport->lines() == std::vector<std::string>{"GET /mpki/api/v2/profile?offset=0&limit=20",
                                                             "GET /mpki/api/v2/profile?offset=20&limit=20"});
}

TEST_CASE("a list of profiles that is just full ends with an empty page") {
  Bench bench;
  Json page = Json::array();
  for (int i = 0; i < 20; ++i) page.push(Json::object({{"id", "p" + std::to_string(i)}}));
  bench.transport->then(200, page.dump()).then(200, "[]");
  CHECK(bench.client().profiles(5s).size() == 20);
}

TEST_CASE("a list of profiles that does not page is read once") {
  Bench bench;
  Json page = Json::array();
  for (int i = 0; i < 35; ++i) page.push(Json::object({{"id", "p" + std::to_string(i)}}));
  bench.transport->then(200, page.dump()).then(200, page.dump());
  CHECK(bench.client().profiles(5s).size() == 35);
  CHECK(bench.transport->lines().back() == "GET /mpki/api/v2/profile?offset=35&limit=20");
}

TEST_CASE("another server that answers hello is told") {
  Bench bench;
  bench.transport->then(200, "Hello from nginx", "text/plain");
  CHECK_THROWS_WITH(bench.client().hello(5s), Catch::Contains("not from DigiCert ONE"));
}

TEST_CASE("a call whose time is over is not sent") {
  Bench bench;
  CHECK(std::holds_alternative<workflow::NotAccepted>(bench.client().request_certificate("{}", {0s})));
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("Retry-After beside a pending pick-up is kept") {
  Bench bench;
  bench.transport->then(test::response(200, R"({"status":"PENDING"})", "application/json", {{"Retry-After", "30"}}));
  CHECK(bench.client().pick_up("r", "p", 5s).retry_after == Duration(30s));
}
