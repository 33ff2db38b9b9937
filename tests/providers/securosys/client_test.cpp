#include "providers/securosys/client.h"

#include "base/error.h"
#include "support/error_of.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "tsb_answers.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace std::chrono_literals;
using hsmbridge::test::error_of;
using test::FakeTransport;
using test::tsb_refusal;

namespace {

struct Rig {
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  test::FakeClock clock;
  ClientOptions options;
  std::unique_ptr<Client> made;

  void key(Role role, const std::string& value) {
    options.api_keys[role].push_back({[value] { return Secret(value); }});
  }
  Client& client() {
    if (!made) made = std::make_unique<Client>(transport, options, clock);
    return *made;
  }
  std::string key_of(std::size_t call) const { return FakeTransport::header(transport->sent.at(call), "X-API-KEY"); }
};

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
  rig.client().submit(Client::Creates::signature, "{}", 1s);
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
      .then(200, "")
      .then(200, R"({"label":"sub","certificate":"MAA="})")
      .then(200, "");
  rig.client().submit(Client::Creates::signature, "{}", 1s);
  rig.client().submit(Client::Creates::certificate, "{}", 1s);
  rig.client().request("a", 1s);
  rig.client().approve({}, 1s);
  rig.client().reject({}, "t", 1s);
  rig.client().import_certificate("sub", from_hex("3000"), 1s);
  rig.client().delete_request("a", 1s);
  std::vector<bool> never;
  for (const net::Request& request : rig.transport->sent) never.push_back(request.repeat == net::Repeat::never);
  CHECK(never == std::vector<bool>{true, true, false, true, true, true, false});
}

TEST_CASE("a refused API key is followed by the next one and the next call starts there") {
  Rig rig;
  rig.key(Role::key_operation, "old");
  rig.key(Role::key_operation, "new");
  rig.transport->then(tsb_refusal(401, 631))
      .then(200, R"({"id":"a","status":"PENDING"})")
      .then(200, R"({"id":"a","status":"PENDING"})");
  rig.client().request("a", 1s);
  rig.client().request("a", 1s);
  REQUIRE(rig.transport->sent.size() == 3);
  CHECK(rig.key_of(0) == "old");
  CHECK(rig.key_of(1) == "new");
  CHECK(rig.key_of(2) == "new");
}

TEST_CASE("what creates something is one request, and the next one uses the next API key") {
  Rig rig;
  rig.key(Role::key_operation, "old");
  rig.key(Role::key_operation, "new");
  rig.transport->then(tsb_refusal(401, 631))
      .then(201, R"({"signRequestId":"a"})")
      .then(201, R"({"signRequestId":"b"})");
  const Verdict first = rig.client().submit(Client::Creates::signature, "{}", 1s);
  REQUIRE(rig.transport->sent.size() == 1);
  const Error& error = std::get<workflow::NotAccepted>(first).error;
  CHECK(error.detail("errorCode") == "631");
  CHECK(error.hint() == "the next attempt uses another configured credential");
  CHECK(std::holds_alternative<Taken>(rig.client().submit(Client::Creates::signature, "{}", 1s)));
  CHECK(std::holds_alternative<Taken>(rig.client().submit(Client::Creates::certificate, "{}", 1s)));
  REQUIRE(rig.transport->sent.size() == 3);
  CHECK(rig.key_of(0) == "old");
  CHECK(rig.key_of(1) == "new");
  CHECK(rig.key_of(2) == "new");
}

TEST_CASE("an API key is read again when each one was refused since one was taken") {
  Rig rig;
  int reads = 0;
  for (const std::string name : {"a", "b"}) {
    rig.options.api_keys[Role::key_operation].push_back({[&reads, name] {
      ++reads;
      return Secret(name);
    }});
  }
  const auto sign = [&](const net::Exchange& answer) {
    rig.transport->then(answer);
    return rig.client().submit(Client::Creates::signature, "{}", 1s);
  };
  const net::Response taken = test::response(201, R"({"signRequestId":"a"})");
  sign(tsb_refusal(401, 631));
  sign(taken);
  sign(tsb_refusal(401, 631));
  sign(taken);
  CHECK(reads == 2);
  sign(tsb_refusal(401, 631));
  const Verdict last = sign(tsb_refusal(401, 631));
  CHECK(std::get<workflow::NotAccepted>(last).error.hint().find("every configured API key") == 0);
  CHECK(reads == 2);
  sign(taken);
  CHECK(reads == 3);
}

TEST_CASE("no answer keeps a secret that the server was told in this or an earlier call") {
  Rig rig;
  rig.key(Role::key_operation, "key-operation-0123456789");
  rig.key(Role::key_management, "key-management-0123456789");
  rig.options.bearer_token = {[] { return Secret("bearer-0123456789"); }};
  const std::string echo = R"("message":"key-operation-0123456789 key-management-0123456789 bearer-0123456789 )"
                           R"(Pass-of-the-key [\"P\",\"a\",\"s\",\"s\",\"-\",\"o\",\"f\",\"-\",\"t\")"
                           R"(,\"h\",\"e\",\"-\",\"k\",\"e\",\"y\"]")";
  rig.transport->then(200, R"({"json":{}})")
      .then(403, R"({"errorCode":620,)" + echo + "}")
      .then(200, R"({"id":"a","status":"PENDING",)" + echo + "}");
  rig.client().key_attributes("ca", Secret("Pass-of-the-key"), 1s);
  const Verdict refused = rig.client().submit(Client::Creates::signature, "{}", 1s);
  const std::string words = std::get<workflow::RefusedForGood>(refused).error.message();
  const std::string kept = rig.client().request("a", 1s).body;
  for (const std::string& text : {words, kept}) {
    CAPTURE(text);
    for (const char* secret : {"key-operation", "key-management", "bearer-", "Pass", R"(s\")"}) {
      CHECK(text.find(secret) == std::string::npos);
    }
    CHECK(text.find("(left out)") != std::string::npos);
  }
  CHECK_NOTHROW(Json::parse(kept));
}

TEST_CASE("when every API key is refused the call is denied and the next reads them anew") {
  Rig rig;
  int reads = 0;
  rig.options.api_keys[Role::key_operation].push_back({[&reads] { return Secret("key" + std::to_string(++reads)); }});
  rig.transport->then(tsb_refusal(401, 631)).then(200, R"({"id":"a","status":"PENDING"})");
  const Verdict verdict = rig.client().submit(Client::Creates::signature, "{}", 1s);
  // Somebody may renew it: the request, and the key born for it, must not end.
  CHECK(std::get<workflow::NotAccepted>(verdict).error.kind() == ErrorKind::denied);
  CHECK(rig.transport->sent.size() == 1);
  rig.client().request("a", 1s);
  CHECK(rig.key_of(1) == "key2");
}

TEST_CASE("a 401 without the code of a wrong key moves nothing on") {
  Rig rig;
  rig.key(Role::key_operation, "one");
  rig.key(Role::key_operation, "two");
  rig.transport->then(401, "Unauthorized", "text/plain");
  const Verdict verdict = rig.client().submit(Client::Creates::signature, "{}", 1s);
  CHECK(std::holds_alternative<workflow::OutcomeUnknown>(verdict));
  CHECK(rig.transport->sent.size() == 1);
}

TEST_CASE("a refused credential that every request needs pauses the provider, another role's key does not") {
  Rig rig;
  rig.key(Role::key_operation, "ko");
  rig.key(Role::key_management, "km");
  rig.key(Role::service, "sv");
  const auto lane_after = [&](const net::Exchange& answer, auto call) {
    rig.transport->then(answer);
    try {
      call();
      return std::string("no error");
    } catch (const Error& error) {
      return std::string(error.detail("lane"));
    }
  };
  const auto request = [&] { rig.client().request("a", 1s); };
  const auto version = [&] { rig.client().version_info(1s); };
  CHECK(lane_after(tsb_refusal(401, 631), request) == "down");
  CHECK(lane_after(tsb_refusal(400, 416), request) == "down");
  CHECK(lane_after(test::response(401, "Unauthorized", "text/plain"), request) == "down");
  CHECK(lane_after(tsb_refusal(400, 617), request) == "down");
  CHECK(lane_after(tsb_refusal(403, 400), request) == "");
  CHECK(lane_after(test::response(403, "Forbidden", "text/plain"), request) == "");
  CHECK(lane_after(tsb_refusal(401, 631), version) == "");
  rig.transport->then(tsb_refusal(401, 631));
  CHECK(
      std::get<workflow::NotAccepted>(rig.client().submit(Client::Creates::signature, "{}", 1s)).error.detail("lane") ==
      "down");
}

TEST_CASE("a bearer token goes with every call") {
  Rig rig;
  rig.options.bearer_token = {[] { return Secret("jwt"); }};
  rig.transport->then(200, R"({"Version":"2.5.1"})");
  rig.client().version_info(1s);
  CHECK(FakeTransport::header(rig.transport->sent[0], "Authorization") == "Bearer jwt");
  CHECK(FakeTransport::header(rig.transport->sent[0], "X-API-KEY").empty());
}

TEST_CASE("a secret that cannot be read sends nothing") {
  Rig rig;
  rig.options.api_keys[Role::key_operation].push_back({[]() -> Secret {
    throw Error{ErrorKind::denied, "others may read it"};
  }});
  CHECK(std::get<workflow::NotAccepted>(rig.client().submit(Client::Creates::signature, "{}", 1s)).error.kind() ==
        ErrorKind::denied);
  CHECK(error_of([&] { rig.client().request("a", 1s); }).kind() == ErrorKind::denied);
  CHECK(rig.transport->sent.empty());
}

TEST_CASE("rolling over does not outlive the time limit") {
  Rig rig;
  rig.key(Role::key_operation, "old");
  rig.key(Role::key_operation, "new");
  rig.transport->answers.push_back([&rig](const net::Request&) {
    rig.clock.advance(2s);
    return test::response(401, R"({"errorCode":631,"reason":"r","message":"m"})");
  });
  const Verdict verdict = rig.client().submit(Client::Creates::signature, "{}", 1s);
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
  const auto task = [](const std::string& id) { return R"({"tasks":[{"id":")" + id + R"("}]})"; };
  rig.transport->then(404, spring);
  for (int round = 0; round < 2; ++round) {
    rig.transport->then(200, task("s"))
        .then(200, task("d"))
        .then(404, spring)
        .then(200, task("m"))
        .then(200, R"({"tasks":[]})")
        .then(200, task("u"));
  }
  std::vector<std::string> ids;
  for (const Task& one : rig.client().tasks({}, {}, 1s)) ids.push_back(one.id);
  CHECK(ids == std::vector<std::string>{"s", "d", "m", "u"});
  rig.client().tasks({}, {}, 1s);
  std::vector<std::string> expected{"POST /v1/filteredAllApprovalTask"};
  for (int round = 0; round < 2; ++round) {
    for (const char* kind : {"Sign", "Decrypt", "UnwrapKey", "ModifyKey", "BlockKey", "UnblockKey"}) {
      expected.push_back(std::string("POST /v1/filtered") + kind + "ApprovalTask");
    }
  }
  CHECK(rig.transport->lines() == expected);
}

TEST_CASE("an older server's task that no kind of filter has is not there") {
  Rig rig;
  const std::string spring = R"({"timestamp":"t","status":404,"error":"Not Found","path":"/v1/x"})";
  rig.transport->then(404, spring);
  for (int kind = 0; kind < 6; ++kind) rig.transport->then(tsb_refusal(404, 652));
  CHECK(error_of([&] { rig.client().tasks({}, {"t", 2, 0, 1}, 1s); }).detail("errorCode") == "652");
}

TEST_CASE("a proxy's 404 does not make a newer server an older one") {
  Rig rig;
  rig.transport->then(404, "<html>", "text/html").then(200, R"({"tasks":[]})");
  CHECK_THROWS_AS(rig.client().tasks({}, {}, 1s), Error);
  rig.client().tasks({}, {}, 1s);
  CHECK(rig.transport->lines() ==
        std::vector<std::string>{"POST /v1/filteredAllApprovalTask", "POST /v1/filteredAllApprovalTask"});
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
  rig.transport->then(test::response(400, R"({"errorCode":404,"reason":"res.error.input.timestamp.off"})",
                                     "application/json", {test::date_header(date)}));
  const Error error = error_of([&] { rig.client().tasks({}, {}, 1s); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.detail("server-date") == "2026-05-01T10:00:00Z");
}

TEST_CASE("an approval without a complete answer is told as such") {
  Rig rig;
  rig.transport->then(net::OutcomeUnknown{"cut"}).then(net::NotSent{"refused"}).then(tsb_refusal(404, 652));
  CHECK(error_of([&] { rig.client().approve({}, 1s); }).kind() == ErrorKind::outcome_unknown);
  CHECK(error_of([&] { rig.client().approve({}, 1s); }).kind() == ErrorKind::unavailable);
  CHECK(error_of([&] { rig.client().approve({}, 1s); }).kind() == ErrorKind::not_found);
}

TEST_CASE("what is no clear answer to a decision is told as unknown") {
  const std::vector<std::pair<net::Exchange, ErrorKind>> rows{
      {test::response(200, "<html>Please log in</html>", "text/html"), ErrorKind::outcome_unknown},
      {test::response(200, R"({"errorCode":600})"), ErrorKind::outcome_unknown},
      {test::response(201, "", ""), ErrorKind::outcome_unknown},
      {test::response(202, "", ""), ErrorKind::outcome_unknown},
      {test::response(302, "", ""), ErrorKind::outcome_unknown},
      {test::response(401, "Unauthorized", "text/plain"), ErrorKind::outcome_unknown},
      {test::response(404, "<html>", "text/html"), ErrorKind::outcome_unknown},
      {test::response(408, "", ""), ErrorKind::outcome_unknown},
      {tsb_refusal(408, 600), ErrorKind::outcome_unknown},
      // the last approval executes the request: it may be recorded although the execution failed
      {tsb_refusal(500, 701), ErrorKind::outcome_unknown},
      {test::response(502, "<html>", "text/html"), ErrorKind::outcome_unknown},
      {test::response(503, "", ""), ErrorKind::outcome_unknown},
      {test::response(429, "", ""), ErrorKind::unavailable},
      {tsb_refusal(400, 403), ErrorKind::denied},
  };
  for (const auto& [exchange, kind] : rows) {
    Rig rig;
    rig.transport->then(exchange).then(exchange);
    const Error approved = error_of([&] { rig.client().approve({}, 1s); });
    const Error rejected = error_of([&] { rig.client().reject({}, "t", 1s); });
    CAPTURE(approved.message(), rejected.message());
    CHECK(approved.kind() == kind);
    CHECK(rejected.kind() == kind);
    if (kind == ErrorKind::outcome_unknown) CHECK(approved.hint().find("list the tasks again") == 0);
  }
  for (const char* body : {"", " \n", "{}", R"({"id":"t"})"}) {
    CAPTURE(body);
    Rig rig;
    rig.transport->then(200, body).then(204, "");
    CHECK_NOTHROW(rig.client().approve({}, 1s));
    CHECK_NOTHROW(rig.client().reject({}, "t", 1s));
  }
}

TEST_CASE("an import is done only when the TSB says so about this certificate") {
  const auto kind = [](long status, const std::string& body) {
    Rig rig;
    rig.transport->then(status, body, body.starts_with("<") ? "text/html" : "application/json");
    return error_of([&] { rig.client().import_certificate("sub", from_hex("3000"), 1s); }).kind();
  };
  Rig rig;
  rig.transport->then(200, R"({"label":"sub","certificate":"MAA="})");
  CHECK_NOTHROW(rig.client().import_certificate("sub", from_hex("3000"), 1s));
  CHECK(kind(200, "<html>Please log in</html>") == ErrorKind::unavailable);
  CHECK(kind(200, "") == ErrorKind::unavailable);
  CHECK(kind(200, "{}") == ErrorKind::corrupt);
  CHECK(kind(200, R"({"label":"other","certificate":"MAA="})") == ErrorKind::corrupt);
  CHECK(kind(200, R"({"label":"sub","certificate":"MAEA"})") == ErrorKind::corrupt);
}

TEST_CASE("what a missing certificate means depends on the call") {
  Rig rig;
  rig.transport->then(tsb_refusal(400, 402)).then(tsb_refusal(400, 402)).then(tsb_refusal(400, 402));
  CHECK(error_of([&] { rig.client().certificate("ca", 1s); }).hint().find("`issuer`") != std::string::npos);
  CHECK(error_of([&] { rig.client().import_certificate("sub", {}, 1s); }).hint().find("`import_label`") !=
        std::string::npos);
  const Verdict verdict = rig.client().submit(Client::Creates::certificate, "{}", 1s);
  CHECK(std::get<workflow::RefusedForGood>(verdict).error.hint().find("attach a CA certificate") == 0);
}

TEST_CASE("a call makes sense with a key of its role or where no key is asked at all") {
  Rig none;
  CHECK(none.client().may_call(Endpoint::key_attributes));
  Rig some;
  some.key(Role::key_operation, "ko");
  CHECK(some.client().may_call(Endpoint::sign));
  CHECK_FALSE(some.client().may_call(Endpoint::key_attributes));
  some.made.reset();
  some.key(Role::key_management, "km");
  CHECK(some.client().may_call(Endpoint::key_attributes));
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
