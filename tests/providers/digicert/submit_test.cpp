#include "base/error.h"
#include "bench.h"
#include "support/orders.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::accepted;
using test::kWrongForm;
using test::TlmBench;

TEST_CASE("a draft is nothing beyond the CSR, and only what can be carried out is drafted") {
  TlmBench bench;
  bench.freeze();
  bench.then_profile();
  bench.then_me();
  const ProviderDraft draft = bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now());
  CHECK(draft.to_be_signed.empty());
  CHECK(pinned_from(draft.provider_state).account == "user u-1, account a-1");
  CHECK(pinned_from(draft.provider_state).issued_at_once);
  CHECK(pinned_from(draft.provider_state).profile == test::kTlmProfileId);
  CHECK(pinned_from(draft.provider_state).seat == "ops@example.com");
  test::make_revocation(bench.order, {}, "superseded");
  CHECK_NOTHROW(bench.provider().draft(bench.order, {}, bench.clock.now()));
}

TEST_CASE("a draft of a profile that makes wait does not say that it issues at once, and one not shown is waited for") {
  TlmBench bench;
  bench.freeze();
  Json profile = test::tlm_profile();
  profile.set("authentication_method", "manual_approval");
  bench.then_profile(profile);
  bench.then_me();
  bench.transport->then(403, test::tlm_error("no_access", "Not enough permissions"));
  const ProviderDraft draft = bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now());
  CHECK_FALSE(pinned_from(draft.provider_state).issued_at_once);
  CHECK_THROWS_AS(bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now()), Error);
}

TEST_CASE("a profile that is not active is waited for, before anything is drafted and before anything is sent") {
  TlmBench bench;
  bench.freeze();
  Json profile = test::tlm_profile();
  profile.set("status", "Suspended");
  bench.then_profile(profile);
  bench.then_profile(profile);
  const auto thrown = [](auto call) {
    try {
      call();
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::unavailable);
      return error.message();
    }
    return std::string("nothing");
  };
  const std::string words = "its status is Suspended, not Active";
  CHECK_THAT(thrown([&] { bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now()); }),
             Catch::EndsWith(words));
  CHECK_THAT(thrown([&] { bench.provider().check(bench.call()); }), Catch::EndsWith(words));
}

TEST_CASE("nothing is drafted while the profile or our account cannot be read, since a lost order hangs on them") {
  TlmBench bench;
  bench.freeze();
  const auto kind = [&] {
    try {
      bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now());
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };
  bench.transport->then(503, "");
  CHECK(kind() == ErrorKind::unavailable);
  bench.then_profile();
  bench.transport->then(502, "<html>", "text/html");
  CHECK(kind() == ErrorKind::unavailable);
}

TEST_CASE("an account that is not shown is not pinned, and nothing is sent under another than the pinned one") {
  TlmBench bench;
  bench.freeze();
  bench.then_profile();
  bench.transport->then(403, test::tlm_error("no_access", "Not enough permissions"));
  CHECK(pinned_from(bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now()).provider_state).account ==
        "");
  bench.made.reset();
  bench.account = "user u-1, account a-1";
  bench.freeze();
  bench.then_profile();
  bench.then_me("U-2");
  const SubmitAnswer answer = bench.submit();
  const Error& error = std::get<NotAccepted>(answer).error;
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message() ==
        "provider tlm has the credentials of user u-2, account a-1 now, and this request was drafted under those of "
        "user u-1, account a-1: nothing was sent");
  CHECK(bench.transport->lines().back() == "GET /account/api/v1/user/me");
  // Those of the draft are back.
  bench.clock.advance(2min);
  bench.then_me();
  bench.transport->then(201, TlmBench::issued_body(bench.issue()));
  CHECK(accepted(bench.submit()).status == RequestStatus::handed_out);
}

TEST_CASE("a key that was read again since its user was asked for orders nothing for another user") {
  TlmBench bench;
  int reads = 0;
  bench.options.get = [&reads] { return Secret("key-" + std::to_string(++reads)); };
  bench.account = "user u-1, account a-1";
  bench.freeze();
  bench.then_profile();
  bench.then_me();
  bench.transport->then(429, "");
  CHECK(std::holds_alternative<NotAccepted>(bench.submit()));
  // Another call finds the key refused. By now the file holds somebody else's.
  bench.transport->then(401, test::tlm_error("AUTHORIZATION_ERROR", "no"))
      .then(404, test::tlm_error("resource_not_found", "no"));
  bench.provider().find_by_serial(bench.call(), "0A");
  // Who we are was asked a moment ago, but not of this key.
  bench.then_me("U-2");
  const SubmitAnswer answer = bench.submit();
  CHECK(std::get<NotAccepted>(answer).error.message().find("the credentials of user u-2, account a-1 now") !=
        std::string::npos);
  CHECK(bench.transport->lines().back() == "GET /account/api/v1/user/me");
}

TEST_CASE("what was fixed while drafting counts, whatever the configuration says by then") {
  TlmBench bench;
  bench.freeze();
  bench.then_profile();
  bench.then_me();
  bench.draft.provider_state = bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now()).provider_state;
  // Somebody edits the configuration, and the process starts again.
  bench.settings.profile = "11111111-0000-4000-8000-000000000000";
  bench.settings.seat = "others@example.com";
  bench.made.reset();
  bench.then_profile();
  bench.then_me();
  bench.transport->then(net::OutcomeUnknown{"cut"});
  CHECK(std::holds_alternative<OutcomeUnknown>(bench.submit()));
  CHECK(bench.transport->lines().at(2) == "GET /mpki/api/v2/profile/" + test::kTlmProfileId);
  CHECK(bench.sent_json(4).at("profile").at("id").as_string() == test::kTlmProfileId);
  CHECK(bench.sent_json(4).at("seat").at("seat_id").as_string() == "ops@example.com");

  bench.transport->then(200, TlmBench::found({}));
  bench.then_profile();
  bench.transport->then(200, TlmBench::found({}));
  bench.then_me();
  ProviderCall lost = bench.call();
  lost.submission = nullptr;
  CHECK(std::holds_alternative<Absent>(bench.provider().look_up(lost)));
  for (const std::size_t i : {5U, 7U}) {
    CHECK(bench.transport->lines().at(i).find("seat_id=ops%40example.com") != std::string::npos);
  }
  CHECK(bench.transport->lines().at(6) == "GET /mpki/api/v2/profile/" + test::kTlmProfileId);
}

TEST_CASE("a draft fixes the validity and the tags, and another one is made where they are others by now") {
  TlmBench bench;
  bench.ask.validity = 30 * 24h;
  bench.settings.tags = {"prod"};
  bench.freeze();
  bench.then_profile();
  bench.then_me();
  bench.draft.provider_state = bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now()).provider_state;
  const Pinned pinned = pinned_from(bench.draft.provider_state);
  CHECK(pinned.validity == "30 days");
  CHECK(pinned.tags == std::vector<std::string>{"prod"});
  bench.made.reset();
  // By the check and by the submission, which orders nothing.
  const auto outdated = [&](const Json& profile, const std::string& why) {
    bench.then_profile(profile);
    CHECK_THROWS_WITH(bench.provider().check(bench.call()), Catch::Contains(why));
    const SubmitAnswer answer = bench.submit();
    REQUIRE(std::holds_alternative<NotAccepted>(answer));
    CHECK(says_draft_is_outdated(std::get<NotAccepted>(answer).error));
    CHECK(std::get<NotAccepted>(answer).error.message() == why);
    CHECK(bench.transport->lines().back() == "GET /mpki/api/v2/profile/" + test::kTlmProfileId);
  };
  const auto ordered = [&] {
    bench.then_profile();
    bench.then_me();
    bench.transport->then(201, TlmBench::issued_body(bench.issue()));
    return std::holds_alternative<Accepted>(bench.submit());
  };
  const std::string leaves_it = R"(the draft asks for the validity "30 days", and now it would be "of the profile")";
  SECTION("nothing changed") {
    CHECK(ordered());
  }
  SECTION("the configuration leaves the validity to the profile") {
    bench.settings.validity = Settings::Validity::of_profile;
    outdated(test::tlm_profile(), leaves_it);
  }
  SECTION("the profile takes no validity any more") {
    Json profile = test::tlm_profile();
    profile.set("override_cert_validity_via_api", false);
    outdated(profile, leaves_it);
  }
  SECTION("the tags") {
    bench.settings.tags = {"test", "web"};
    outdated(test::tlm_profile(), R"(the draft has the tags "prod", and provider tlm has "test, web" now)");
  }
  SECTION("a draft of an earlier version fixes neither") {
    Pinned before = pinned;
    before.validity.clear();
    before.tags.clear();
    bench.draft.provider_state = to_text(before);
    bench.settings.tags = {"test"};
    CHECK(ordered());
  }
}

TEST_CASE("a certificate to be signed that was approved is not ordered by its CSR") {
  TlmBench bench;
  bench.freeze();
  bench.draft.to_be_signed = {0x30, 0x00};
  const SubmitAnswer answer = bench.submit();
  REQUIRE(std::holds_alternative<NotAccepted>(answer));
  CHECK(says_draft_is_outdated(std::get<NotAccepted>(answer).error));
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a seat that wants a common name is drafted without one and complained about by the check") {
  TlmBench bench;
  bench.settings.seat = "{cn}";
  bench.ask.content.subject = x509::Name::parse("C=CH");
  bench.freeze();
  bench.then_profile();
  bench.then_me();
  bench.draft.provider_state = bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now()).provider_state;
  bench.then_profile();
  const std::vector<std::string> problems = bench.provider().check(bench.call());
  CHECK(std::count_if(problems.begin(), problems.end(), [](const std::string& one) {
          return one.find("the request has no common name") != std::string::npos;
        }) == 1);
}

TEST_CASE("the deadline that was journalled goes with every request that creates something") {
  TlmBench bench;
  bench.freeze();
  ProviderCall call = bench.call();
  call.call_until = bench.clock.since_boot() + 7s;
  bench.then_profile();
  bench.transport->then(400, kWrongForm);
  bench.provider().submit(call);
  REQUIRE(bench.transport->sent.size() == 2);
  CHECK(bench.transport->sent[1].call_until == call.call_until);
}

TEST_CASE("an API key that the service quotes is in no message") {
  TlmBench bench;
  bench.options.get = [] { return Secret("c0ffee_secret"); };
  bench.freeze();
  bench.then_profile();
  const auto [status, body, type] = GENERATE(table<long, std::string, std::string>(
      {{401L, "invalid key c0ffee_secret", "text/plain"},
       {502L, "no upstream for x-api-key: c0ffee_secret", "text/plain"},
       {403L, R"({"errors":[{"code":"no_access","message":"key c0ffee_secret, again c0ffee_secret"}]})",
        "application/json"}}));
  bench.transport->then(status, body, type);
  const SubmitAnswer answer = bench.submit();
  std::string said;
  if (const auto* unknown = std::get_if<OutcomeUnknown>(&answer)) said = unknown->why;
  if (const auto* refused = std::get_if<RefusedForGood>(&answer)) said = refused->error.message();
  if (const auto* again = std::get_if<NotAccepted>(&answer)) said = again->error.message();
  CHECK(said.find("c0ffee") == std::string::npos);
  CHECK(said.find("(left out)") != std::string::npos);
}

TEST_CASE("a check reads the profile and tells everything that is wrong in one list") {
  TlmBench bench;
  bench.settings.seat = "{cn}";
  bench.ask.content.subject = x509::Name::parse("C=CH, 1.2.3.4=odd");
  bench.ask.content.subject_alternative_names.push_back(x509::GeneralName::parse("dirname:CN=z"));
  bench.freeze();
  Json profile = test::tlm_profile();
  profile.set("status", "Deleted");
  bench.then_profile(profile);
  const std::vector<std::string> problems = bench.provider().check(bench.call());
  CHECK(problems.size() == 4);
  CHECK(bench.transport->lines() == std::vector<std::string>{"GET /mpki/api/v2/profile/" + test::kTlmProfileId});
}

TEST_CASE("without the local check only what cannot be written is refused") {
  TlmBench bench;
  bench.settings.check = Settings::LocalCheck::none;
  bench.freeze();
  Json profile = test::tlm_profile();
  profile.set("status", "Deleted");
  bench.then_profile(profile);
  CHECK(bench.provider().check(bench.call()).empty());
}

TEST_CASE("a profile that is another one than asked is not taken") {
  TlmBench bench;
  bench.freeze();
  Json profile = test::tlm_profile();
  profile.set("id", "00000000-0000-4000-8000-000000000000");
  bench.then_profile(profile);
  CHECK_THROWS_WITH(bench.provider().check(bench.call()), Catch::Contains("answered with"));
}

TEST_CASE("a certificate issued at once is handed out with the body as it came") {
  TlmBench bench;
  bench.ask.validity = 30 * 24h;
  bench.settings.tags = {"prod"};
  bench.settings.delivery_format = "x509";
  bench.freeze();
  const x509::Certificate certificate = bench.issue();
  const std::string body = TlmBench::issued_body(certificate);
  bench.then_profile();
  bench.transport->then(201, body);
  const Report report = accepted(bench.submit());
  CHECK(report.status == RequestStatus::handed_out);
  REQUIRE(report.result);
  CHECK(hsmbridge::to_text(report.result->raw) == body);
  CHECK(report.reference.str() == "serial:" + TlmBench::serial(certificate));
  CHECK(pinned_from(report.provider_state).profile == test::kTlmProfileId);
  CHECK(pinned_from(report.provider_state).seat == "ops@example.com");
  CHECK(pinned_from(report.provider_state).serial == TlmBench::serial(certificate));

  const Json sent = bench.sent_json(1);
  CHECK(sent.at("profile") == Json::object({{"id", test::kTlmProfileId}}));
  CHECK(sent.at("seat") == Json::object({{"seat_id", "ops@example.com"}}));
  CHECK(sent.at("csr").as_string() == x509::csr_to_pem(bench.draft.csr));
  CHECK(sent.at("validity") == Json::parse(R"({"unit":"days","duration":30})"));
  CHECK(sent.at("delivery_format").as_string() == "x509");
  CHECK(sent.at("attributes") ==
        Json::parse(R"({"subject":{"country":"CH","organization_name":"Example","common_name":"www.example.com"},
                        "extensions":{"san":{"dns_names":["www.example.com"]}}})"));
  CHECK(sent.at("tags") == Json::parse(R"(["prod"])"));
}

TEST_CASE("a request_id awaits approval, and what it waits for is said as far as known") {
  TlmBench bench;
  bench.freeze();
  const auto number = GENERATE(false, true);
  Json profile = test::tlm_profile();
  profile.set("authentication_method", "manual_approval");
  bench.then_profile(profile);
  bench.transport->then(201, number ? R"({"request_id":4711})" : R"({"request_id":"4711","status":"PENDING"})");
  const Report report = accepted(bench.submit());
  CHECK(report.status == RequestStatus::awaiting_approval);
  CHECK(report.provider_status == "PENDING");
  CHECK(report.reference.str() == "4711");
  CHECK(report.progress.note == "it waits for an approval by an administrator");
  CHECK(pinned_from(report.provider_state).profile == test::kTlmProfileId);
}

TEST_CASE("a pending request of an immediate profile says that the service does not say why") {
  TlmBench bench;
  bench.freeze();
  bench.then_profile();
  bench.transport->then(201, R"({"request_id":"r"})");
  CHECK(accepted(bench.submit()).progress.note.find("does not say which") != std::string::npos);
}

TEST_CASE("a serial number without its certificate is fetched") {
  TlmBench bench;
  bench.freeze();
  const x509::Certificate certificate = bench.issue();
  bench.then_profile();
  bench.transport->then(201, R"({"serial_number":")" + TlmBench::serial(certificate) + R"("})");
  const Report report = accepted(bench.submit());
  CHECK(report.status == RequestStatus::ready);
  bench.submission.reference = report.reference;
  bench.submission.provider_state = report.provider_state;
  bench.transport->then(200, TlmBench::details(certificate).dump());
  const Report fetched = bench.provider().retrieve(bench.call());
  REQUIRE(fetched.result);
  CHECK(bench.transport->lines().back() == "GET /mpki/api/v1/certificate/" + TlmBench::serial(certificate));
  bench.settings.chain.reset();
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(issued_by(bench.provider(), bench.call(), *fetched.result).certificate == certificate.der);
}

TEST_CASE("an attempt sends one request: the other shape is the next attempt's, also after a restart") {
  TlmBench bench;
  bench.freeze();
  const std::string body = TlmBench::issued_body(bench.issue());
  bench.then_profile();
  bench.transport->then(400, kWrongForm);
  const SubmitAnswer first = bench.submit();
  CHECK(bench.transport->sent.size() == 2);
  CHECK(bench.sent_json(1).find("csr") != nullptr);
  const auto& refused = std::get<NotAccepted>(first);
  CHECK(refused.error.message().find("the next attempt sends the other form of a request") != std::string::npos);
  CHECK(remembered_from(refused.remember).refused == 1);

  bench.made.reset();
  ProviderCall second = bench.call();
  second.attempt = 2;
  second.remembered = refused.remember;
  bench.then_profile();
  bench.transport->then(201, body);
  CHECK(accepted(bench.provider().submit(second)).status == RequestStatus::handed_out);
  CHECK(bench.transport->sent.size() == 4);
  CHECK(bench.sent_json(3).find("csr") == nullptr);
  CHECK(bench.sent_json(3).at("profile").at("seat") == Json::object({{"id", "ops@example.com"}}));

  // What one request learnt holds for the next.
  bench.transport->then(201, body);
  accepted(bench.submit());
  CHECK(bench.transport->sent.size() == 5);
  CHECK(bench.sent_json(4).find("csr") == nullptr);
}

TEST_CASE("a shape that was understood is not doubted by a later refusal") {
  TlmBench bench;
  bench.freeze();
  bench.then_profile();
  bench.transport->then(201, TlmBench::issued_body(bench.issue())).then(400, kWrongForm);
  accepted(bench.submit());
  CHECK(std::holds_alternative<RefusedForGood>(bench.submit()));
  CHECK(bench.transport->sent.size() == 3);
}

TEST_CASE("when both shapes are refused the complaint about the usual one is told") {
  TlmBench bench;
  bench.freeze();
  bench.then_profile();
  bench.transport->then(400, test::tlm_error("invalid_input_field", "first", "csr"))
      .then(400, test::tlm_error("invalid_input_field", "second"));
  ProviderCall call = bench.call();
  call.remembered = std::get<NotAccepted>(bench.provider().submit(call)).remember;
  call.attempt = 2;
  const SubmitAnswer answer = bench.provider().submit(call);
  const Error& error = std::get<RefusedForGood>(answer).error;
  CHECK(error.message() ==
        "POST /mpki/api/v1/certificate: DigiCert refuses: first [csr] (invalid_input_field), HTTP 400; the other form "
        "of a request: POST /mpki/api/v1/certificate: DigiCert refuses: second (invalid_input_field), HTTP 400");
  CHECK(error.hint().find("provider show") != std::string::npos);
  CHECK(bench.transport->sent.size() == 3);
}

TEST_CASE("what a refused attempt told and nobody can read is forgotten") {
  for (const char* text : {"", "{", "[]", "{\"refused\":-1}", "{\"usual_form\":\"x\"}"}) {
    CHECK(remembered_from(text).usual_form.empty());
    CHECK(remembered_from(text).refused == 0);
  }
  const Remembered kept = remembered_from(to_text(Remembered{"a", "b", 3}));
  CHECK(kept.usual_form == "a");
  CHECK(kept.renewal == "b");
  CHECK(kept.refused == 3);
}

TEST_CASE("a duplicate after attempts that left nothing speaks of none of them") {
  TlmBench bench;
  bench.freeze();
  ProviderCall call = bench.call();
  call.attempt = 2;
  for (const unsigned refused : {0U, 1U}) {
    bench.made.reset();
    bench.then_profile();
    bench.transport->then(409, test::tlm_error("duplicate_error", "exists"));
    call.remembered = to_text(Remembered{"wrong form", "", refused});
    const SubmitAnswer answer = bench.provider().submit(call);
    CHECK(std::holds_alternative<RefusedForGood>(answer) == (refused == 1));
    CHECK(std::holds_alternative<OutcomeUnknown>(answer) == (refused == 0));
  }
}

TEST_CASE("only a complete 400 in the own form is answered with another attempt in the other shape") {
  TlmBench bench;
  bench.freeze();
  struct Row {
    net::Exchange exchange;
    std::size_t meaning;
  };
  const auto answer = [](long status, const std::string& body) { return net::Exchange(test::response(status, body)); };
  const std::vector<Row> rows{
      {answer(400, "<html>"), 3},
      {answer(500, kWrongForm), 3},
      {answer(408, kWrongForm), 3},
      {answer(401, kWrongForm), 1},
      {answer(429, kWrongForm), 1},
      {answer(403, test::tlm_error("no_access", "no")), 2},
      {answer(400, test::tlm_error("invalid_input_field", "missing", "attributes.subject.email")), 2},
      {net::OutcomeUnknown{"cut"}, 3},
      {net::NotSent{"no"}, 1},
  };
  bench.then_profile();
  for (const Row& row : rows) {
    const std::size_t before = bench.transport->sent.size();
    bench.transport->then(row.exchange);
    bench.made.reset();
    if (before != 0) bench.then_profile();
    if (before != 0) std::swap(bench.transport->answers[0], bench.transport->answers[1]);
    CHECK(bench.submit().index() == row.meaning);
    CHECK(bench.transport->sent.size() == before + 2);
  }
}

TEST_CASE("a forced shape is the only one that is sent") {
  TlmBench bench;
  bench.settings.shape = Shape::nested;
  bench.freeze();
  bench.then_profile();
  bench.transport->then(400, kWrongForm);
  CHECK(std::holds_alternative<RefusedForGood>(bench.submit()));
  CHECK(bench.transport->sent.size() == 2);
  CHECK(bench.sent_json(1).find("seat") == nullptr);
}

TEST_CASE("a profile that cannot be read before the submission leaves nothing behind") {
  TlmBench bench;
  bench.freeze();
  bench.transport->then(503, "")
      .then(403, test::tlm_error("no_access", "no"))
      .then(401, test::tlm_error("AUTHORIZATION_ERROR", "no"));
  CHECK(std::holds_alternative<NotAccepted>(bench.submit()));
  CHECK(std::holds_alternative<RefusedForGood>(bench.submit()));
  CHECK(std::holds_alternative<NotAccepted>(bench.submit()));
  CHECK(bench.transport->sent.size() == 3);
  // A page of a proxy passes.
  for (const long status : {400L, 403L, 404L}) {
    bench.transport->then(status, "<html>", "text/html");
    CHECK(std::holds_alternative<NotAccepted>(bench.submit()));
  }
}

TEST_CASE("a duplicate after an earlier attempt may be that attempt's certificate") {
  TlmBench bench;
  bench.freeze();
  bench.then_profile();
  const long status = GENERATE(400L, 409L);
  for (unsigned attempt : {1U, 2U}) {
    CAPTURE(status, attempt);
    bench.transport->then(status, test::tlm_error("duplicate_error", "exists"));
    ProviderCall call = bench.call();
    call.attempt = attempt;
    const SubmitAnswer answer = bench.provider().submit(call);
    CHECK(std::holds_alternative<RefusedForGood>(answer) == (attempt == 1));
    CHECK(std::holds_alternative<OutcomeUnknown>(answer) == (attempt == 2));
  }
}

TEST_CASE("a gateway's 400 lets no second request out") {
  TlmBench bench;
  bench.freeze();
  bench.then_profile();
  bench.transport->then(400, R"({"error":{"message":"Bad Request"}})");
  CHECK(std::holds_alternative<RefusedForGood>(bench.submit()));
  CHECK(bench.transport->sent.size() == 2);
}

TEST_CASE("a secret that cannot be read leaves nothing behind") {
  TlmBench bench;
  bench.options.get = []() -> Secret { throw Error{ErrorKind::denied, "others may read it"}; };
  bench.freeze();
  const SubmitAnswer answer = bench.submit();
  CHECK(std::get<NotAccepted>(answer).error.message() == "others may read it");
  bench.made.reset();
  bench.options.get = []() -> Secret { throw Error{ErrorKind::not_found, "there is no such file"}; };
  CHECK(std::holds_alternative<NotAccepted>(bench.submit()));
}
