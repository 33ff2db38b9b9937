#include "workflow/machine/codec.h"

#include "base/error.h"
#include "samples.h"
#include "workflow/machine/decide.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::workflow;

TEST_CASE("every state reads back as it was written") {
  for (const State& state : samples::every_state()) {
    INFO(to_string(name_of(state)));
    const Json written = Json::parse(to_json(state).dump());
    CHECK(written.at("state").as_string() == to_string(name_of(state)));
    CHECK(state_from(written) == state);
  }
}

TEST_CASE("every event reads back as it was written") {
  for (const EventBody& body : samples::every_event()) {
    INFO(to_string(name_of(body)));
    const Json written = Json::parse(to_json(body).dump());
    CHECK(written.at("event").as_string() == to_string(name_of(body)));
    const EventBody back = event_body_from(written);
    CHECK(name_of(back) == name_of(body));
    CHECK(to_json(back) == to_json(body));
  }
}

TEST_CASE("an order with every optional member reads back as it was written") {
  Order order = samples::order();
  CHECK(order_from(Json::parse(to_json(order).dump())) == order);
  order.deadline = samples::kStart + std::chrono::hours(3);
  order.max_age = std::chrono::hours(24);
  order.local_approvals = 2;
  order.wants_command = true;
  order.kind = Kind::cross_sign;
  CHECK(order_from(Json::parse(to_json(order).dump())) == order);
  for (const Order& one : samples::every_order()) {
    const Json written = Json::parse(to_json(one).dump());
    CHECK(order_from(written) == one);
    CHECK(written.at("kind").as_string() == to_string(one.kind));
  }
}

TEST_CASE("a member from a newer version is corrupt and not dropped") {
  Json json = to_json(State(samples::sample<Rejected>()));
  json.set("vote_count", Json(3));
  CHECK_THROWS_AS(state_from(json), Error);
  try {
    state_from(json);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
  }
}

TEST_CASE("an unknown state or event and a missing member are corrupt") {
  CHECK_THROWS_AS(state_from(Json::parse(R"({"state":"Dreaming"})")), Error);
  CHECK_THROWS_AS(state_from(Json::parse(R"({"state":"Rejected","by":"bob"})")), Error);
  CHECK_THROWS_AS(event_body_from(Json::parse(R"({"event":"Dreamt"})")), Error);
  CHECK_THROWS_AS(event_body_from(Json::parse(R"([])")), Error);
}

TEST_CASE("a time that RFC 3339 cannot write does not make a request unreadable") {
  Order far = samples::order();
  far.deadline = far.created_at + std::chrono::hours{24} * 9'999'999;
  CHECK(order_from(to_json(far)).deadline == parse_rfc3339("9999-12-31T23:59:59.999Z"));
}

TEST_CASE("a count that is negative or too large is corrupt and not cut") {
  for (const char* count : {"-1", "4294967296"}) {
    Json json = to_json(samples::order());
    json.set("local_approvals", Json::parse(count));
    CHECK_THROWS_AS(order_from(json), Error);
  }
}

TEST_CASE("what version 3 of the store did not write reads as what it meant then") {
  const State old = state_from(Json::parse(R"({"state":"Quarantined","certificate":"c0ffee","findings":[]})"));
  CHECK(old == State(Quarantined{"c0ffee", {}}));
  const State verifying = Verifying{samples::dossier(), samples::submission(), samples::handout()};
  const Json written = to_json(verifying);
  Json without = Json::object();
  for (const auto& [name, value] : written.as_object()) {
    if (name != "accepted" && name != "unreadable" && name != "not_yet") without.set(name, value);
  }
  CHECK(without.as_object().size() + 3 == written.as_object().size());
  CHECK(state_from(without) == verifying);
}

TEST_CASE("the words of a server and the findings about a certificate are cut before they are written") {
  const std::string long_word = std::string(5000, 'x') + "\xc3\xa4";
  const EventBody failed = PreparationFailed{{"unavailable", long_word, long_word}};
  const auto back = std::get<PreparationFailed>(event_body_from(to_json(failed)));
  CHECK(back.problem.message.size() <= 4096);
  CHECK(back.problem.message.ends_with("octets more)"));
  CHECK(to_json(EventBody(back)) == to_json(failed));
  // Never in the middle of a character.
  std::string umlauts;
  for (int i = 0; i < 5000; ++i) umlauts += "\xc3\xa4";
  CHECK(as_written(umlauts).size() <= 4096);
  CHECK(well_formed(as_written(umlauts)) == as_written(umlauts));

  Quarantined state = samples::sample<Quarantined>();
  state.findings.assign(1'000'000, Finding{"san-unrequested", true, "dns:x"});
  const Json written = to_json(State(state));
  CHECK(written.dump().size() < 10'000);
  const State once = state_from(written);
  CHECK(std::get<Quarantined>(once).findings.size() == 51);
  CHECK(std::get<Quarantined>(once).findings.back().explanation == "999950 findings more are not listed");
  CHECK(to_json(once) == written);

  AwaitingApproval waiting = samples::sample<AwaitingApproval>();
  waiting.progress.approvers.assign(1000, Approver{"alice", "k", "ops", Approver::Decision::pending});
  waiting.provider_status = long_word;
  Report report = samples::report(RequestStatus::awaiting_approval);
  report.progress = waiting.progress;
  report.provider_status = long_word;
  report.provider_state = waiting.submission.provider_state;
  CHECK(std::get<AwaitingApproval>(state_from(to_json(State(waiting)))).progress.approvers.size() == 51);
  // What was cut is not news at every poll.
  CHECK_FALSE(changes_something(state_from(to_json(State(waiting))), report));
}
