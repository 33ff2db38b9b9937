#include "workflow/codec.h"

#include "base/error.h"
#include "samples.h"

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
