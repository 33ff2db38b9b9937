#include "base/error.h"
#include "bench.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::TlmBench;
using test::TlmPending;

TEST_CASE("a pending request cannot be taken back and that is said in plain words") {
  TlmPending bench;
  const CancelAnswer answer = bench.provider().cancel(bench.call());
  CHECK(std::get<CancelNotPossible>(answer).why.find("has no call that takes request r-1 back") != std::string::npos);
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a test proves address, credentials and profile") {
  TlmBench bench;
  bench.transport->then(200, "Hello from DigiCert ONE - Trust Lifecycle Manager REST API!", "text/plain")
      .then(200, R"({"name":"svc","roles":["EM_EPKI_USER_&_CERT_MANAGER"]})");
  bench.then_profile();
  CHECK(bench.provider().test() ==
        std::vector<std::string>{"Hello from DigiCert ONE - Trust Lifecycle Manager REST API!",
                                 "we are svc; roles: EM_EPKI_USER_&_CERT_MANAGER",
                                 "profile \"Web\" is active and issues at once"});
}

TEST_CASE("a test survives a user page that is not shown, and no unusable profile") {
  TlmBench bench;
  bench.transport->then(200, "Hello from DigiCert ONE", "text/plain").then(403, test::tlm_error("no_access", "no"));
  Json profile = test::tlm_profile();
  profile.set("enrollment_method", "est");
  bench.then_profile(profile);
  try {
    bench.provider().test();
    FAIL("it passed");
  } catch (const Error& error) {
    CHECK(error.detail("because") == "its enrollment method is est, not rest_api");
  }
  bench.transport->then(200, "Hello from DigiCert ONE", "text/plain")
      .then(401, test::tlm_error("AUTHORIZATION_ERROR", "no"));
  CHECK_THROWS_WITH(bench.provider().test(), Catch::Contains("credentials"));
}

TEST_CASE("the catalogue marks what can be ordered and says why not") {
  TlmBench bench;
  Json old = test::tlm_profile();
  old.set("status", "Deleted");
  old.set("id", "00000000-0000-4000-8000-000000000000");
  bench.transport->then(200, Json::array({test::tlm_profile(), old}).dump());
  const auto entries = bench.provider().profiles(5s);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].obstacles.empty());
  CHECK(entries[1].obstacles == std::vector<std::string>{"its status is Deleted, not Active"});
  CHECK(entries[0].facts.front() == std::pair<std::string, std::string>{"issues", "at once"});
}

TEST_CASE("how far the service's clock is ahead of ours is known from its last answer") {
  test::TlmBench bench;
  bench.freeze();
  bench.clock.set_wall(parse_rfc3339("2026-06-01T12:00:00Z"));  // the header tells whole seconds
  CHECK_FALSE(bench.provider().server_ahead());
  const auto answer = [&](std::optional<Instant> date) {
    net::Headers headers;
    if (date) headers.push_back(test::date_header(*date));
    bench.transport->then(test::response(200, test::tlm_profile().dump(), "application/json", headers));
    bench.provider().check(bench.call());
    return bench.provider().server_ahead();
  };
  CHECK(answer(bench.clock.now() + std::chrono::hours{1}) == Duration(std::chrono::hours{1}));
  // An answer without a date tells nothing new.
  CHECK(answer({}) == Duration(std::chrono::hours{1}));
  CHECK(answer(bench.clock.now() - std::chrono::minutes{10}) == -Duration(std::chrono::minutes{10}));
  bench.transport->then(net::NotSent{"no route"});
  CHECK_THROWS_AS(bench.provider().check(bench.call()), Error);
  CHECK(bench.provider().server_ahead() == -Duration(std::chrono::minutes{10}));
}
