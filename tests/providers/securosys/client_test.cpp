#include "providers/securosys/client.h"

#include "base/error.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "tsb_answers.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace std::chrono_literals;
using test::FakeTransport;

namespace {

struct Rig {
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  test::FakeClock clock;
  ClientOptions options;
  std::unique_ptr<Client> made;

  void key(Role role, const std::string& value) {
    options.api_keys[role].push_back([value] { return Secret(value); });
  }
  Client& client() {
    if (!made) made = std::make_unique<Client>(transport, options, clock);
    return *made;
  }
  std::string key_of(std::size_t call) const { return FakeTransport::header(transport->sent.at(call), "X-API-KEY"); }
};

template <class Act>
Error error_of(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::internal, "nothing was thrown");
}

}  // namespace

TEST_CASE("each endpoint is called with the key of its role") {
  Rig rig;
  rig.key(Role::key_operation, "ko");
  rig.key(Role::key_management, "km");
  rig.key(Role::service, "sv");
  rig.key(Role::approver, "ap");
  rig.options.roles[Endpoint::certificate] = Role::key_management;
  rig.transport->then(200, R"({"Version":"2.5.1"})")
      .then(201, R"({"signRequestId":"a"})")
      .then(200, R"({"id":"a","status":"PENDING"})")
      .then(200, R"({"tasks":[]})")
      .then(tsb_refusal(400, 402));
  rig.client().version_info(1s);
  rig.client().sign("{}", 1s);
  rig.client().request("a", 1s);
  rig.client().tasks({}, {}, 1s);
  CHECK_THROWS_AS(rig.client().certificate("ca/key", 1s), Error);
  CHECK(rig.transport->lines() == std::vector<std::string>{"GET /v1/versionInfo", "POST /v1/sign", "GET /v1/request/a",
                                                           "POST /v1/filteredAllApprovalTask",
                                                           "GET /v1/certificate/ca%2Fkey"});
  CHECK(rig.key_of(0) == "sv");
  CHECK(rig.key_of(1) == "ko");
  CHECK(rig.key_of(2) == "ko");
  CHECK(rig.key_of(3) == "ap");
  CHECK(rig.key_of(4) == "km");
}

TEST_CASE("only calls that create something are forbidden to go out twice") {
  Rig rig;
  rig.transport->then(201, R"({"signRequestId":"a"})")
      .then(201, R"({"signRequestId":"a"})")
      .then(200, R"({"id":"a","status":"PENDING"})")
      .then(200, "")
      .then(200, "");
  rig.client().sign("{}", 1s);
  rig.client().certificate_sign("{}", 1s);
  rig.client().request("a", 1s);
  rig.client().approve({}, 1s);
  rig.client().delete_request("a", 1s);
  std::vector<bool> never;
  for (const HttpRequest& request : rig.transport->sent) never.push_back(request.repeat == HttpRequest::Repeat::never);
  CHECK(never == std::vector<bool>{true, true, false, true, false});
}

TEST_CASE("a refused API key is followed by the next one and the next call starts there") {
  Rig rig;
  rig.key(Role::key_operation, "old");
  rig.key(Role::key_operation, "new");
  rig.transport->then(tsb_refusal(401, 631))
      .then(201, R"({"signRequestId":"a"})")
      .then(200, R"({"id":"a","status":"PENDING"})");
  CHECK(std::holds_alternative<Taken>(rig.client().sign("{}", 1s)));
  rig.client().request("a", 1s);
  REQUIRE(rig.transport->sent.size() == 3);
  CHECK(rig.key_of(0) == "old");
  CHECK(rig.key_of(1) == "new");
  CHECK(rig.key_of(2) == "new");
}

TEST_CASE("when every API key is refused the call is denied and the next reads them anew") {
  Rig rig;
  int reads = 0;
  rig.options.api_keys[Role::key_operation].push_back([&reads] { return Secret("key" + std::to_string(++reads)); });
  rig.transport->then(tsb_refusal(401, 631)).then(200, R"({"id":"a","status":"PENDING"})");
  const Verdict verdict = rig.client().sign("{}", 1s);
  CHECK(std::get<workflow::RefusedForGood>(verdict).error.kind() == ErrorKind::denied);
  CHECK(rig.transport->sent.size() == 1);
  rig.client().request("a", 1s);
  CHECK(rig.key_of(1) == "key2");
}

TEST_CASE("a 401 without the code of a wrong key moves nothing on") {
  Rig rig;
  rig.key(Role::key_operation, "one");
  rig.key(Role::key_operation, "two");
  rig.transport->then(401, "Unauthorized", "text/plain");
  const Verdict verdict = rig.client().sign("{}", 1s);
  CHECK(std::holds_alternative<workflow::OutcomeUnknown>(verdict));
  CHECK(rig.transport->sent.size() == 1);
}

TEST_CASE("a bearer token goes with every call") {
  Rig rig;
  rig.options.bearer_token = [] { return Secret("jwt"); };
  rig.transport->then(200, R"({"Version":"2.5.1"})");
  rig.client().version_info(1s);
  CHECK(FakeTransport::header(rig.transport->sent[0], "Authorization") == "Bearer jwt");
  CHECK(FakeTransport::header(rig.transport->sent[0], "X-API-KEY").empty());
}

TEST_CASE("a secret that cannot be read sends nothing") {
  Rig rig;
  rig.options.api_keys[Role::key_operation].push_back(
      []() -> Secret { throw Error(ErrorKind::denied, "others may read it"); });
  CHECK(error_of([&] { rig.client().sign("{}", 1s); }).kind() == ErrorKind::denied);
  CHECK(rig.transport->sent.empty());
}

TEST_CASE("rolling over does not outlive the time limit") {
  Rig rig;
  rig.key(Role::key_operation, "old");
  rig.key(Role::key_operation, "new");
  rig.transport->answers.push_back([&rig](const HttpRequest&) {
    rig.clock.advance(2s);
    return HttpAnswer{401, "application/json", R"({"errorCode":631,"reason":"r","message":"m"})", {}, {}};
  });
  const Verdict verdict = rig.client().sign("{}", 1s);
  CHECK(std::holds_alternative<workflow::NotAccepted>(verdict));
  CHECK(rig.transport->sent.size() == 1);
  CHECK(rig.transport->sent[0].time_limit == Duration(1s));
}

TEST_CASE("a request that the TSB does not know is an answer and not an error") {
  Rig rig;
  rig.transport->then(tsb_refusal(404, 651)).then(tsb_refusal(400, 609)).then(404, "<html>", "text/html");
  CHECK_FALSE(rig.client().request("a", 1s).status);
  CHECK_FALSE(rig.client().request("a", 1s).status);
  // a proxy's 404 says nothing about the request
  CHECK(error_of([&] { rig.client().request("a", 1s); }).kind() == ErrorKind::not_found);
}

TEST_CASE("an older server is asked with the older filter from then on") {
  Rig rig;
  const std::string spring = R"({"timestamp":"t","status":404,"error":"Not Found","path":"/v1/x"})";
  rig.transport->then(404, spring).then(200, R"({"tasks":[]})").then(200, R"({"tasks":[]})");
  rig.client().tasks({}, {}, 1s);
  rig.client().tasks({}, {}, 1s);
  CHECK(rig.transport->lines() == std::vector<std::string>{"POST /v1/filteredAllApprovalTask",
                                                           "POST /v1/filteredSignApprovalTask",
                                                           "POST /v1/filteredSignApprovalTask"});
}

TEST_CASE("a task filter that the TSB itself refuses is not asked elsewhere") {
  Rig rig;
  rig.transport->then(tsb_refusal(404, 652));
  CHECK(error_of([&] { rig.client().tasks({}, {}, 1s); }).detail("errorCode") == "652");
  CHECK(rig.transport->sent.size() == 1);
}

TEST_CASE("a refused time stamp tells the server's time") {
  Rig rig;
  const Instant date = parse_rfc3339("2026-05-01T10:00:00Z");
  rig.transport->then(
      HttpAnswer{400, "application/json", R"({"errorCode":404,"reason":"res.error.input.timestamp.off"})", {}, date});
  const Error error = error_of([&] { rig.client().tasks({}, {}, 1s); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.detail("server-date") == "2026-05-01T10:00:00Z");
}

TEST_CASE("an approval without a complete answer is told as such") {
  Rig rig;
  rig.transport->then(AnswerLost{"cut"}).then(NotSent{"refused"}).then(tsb_refusal(404, 652));
  CHECK(error_of([&] { rig.client().approve({}, 1s); }).kind() == ErrorKind::outcome_unknown);
  CHECK(error_of([&] { rig.client().approve({}, 1s); }).kind() == ErrorKind::unavailable);
  CHECK(error_of([&] { rig.client().approve({}, 1s); }).kind() == ErrorKind::not_found);
}

TEST_CASE("rejecting uses the verb of the configuration") {
  Rig rig;
  rig.options.reject_verb = ClientOptions::RejectVerb::patch_task;
  rig.transport->then(200, "");
  rig.client().reject({}, "t", 1s);
  CHECK(rig.transport->lines() == std::vector<std::string>{"PATCH /v1/task"});
}

TEST_CASE("every endpoint has one row and one name") {
  std::vector<std::string_view> names;
  for (const EndpointRow& row : endpoints()) {
    CHECK(std::count(names.begin(), names.end(), row.name) == 0);
    names.push_back(row.name);
  }
  CHECK(names.size() == 12);
}
