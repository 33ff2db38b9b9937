#include "approval/policy.h"

#include "base/error.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::approval;
using namespace std::chrono_literals;

namespace {

const SpkiHash kAnna{"aa"}, kBen{"bb"}, kCleo{"cc"}, kDora{"dd"};

Group ops() {
  return {"ops", 2, {{"anna", kAnna}, {"ben", kBen}, {"cleo", kCleo}}};
}
Group audit() {
  return {"audit", 1, {{"dora", kDora}, {"anna", kAnna}}};
}

Policy two_of_three() {
  return {{{"", 0s, 24h, {ops()}}}};
}

}  // namespace

TEST_CASE("two of three are enough and one is not") {
  const Policy policy = two_of_three();
  CHECK(judge(policy, {}, 0s) == Outcome::open);
  CHECK(judge(policy, {{kAnna}, {}}, 1h) == Outcome::open);
  CHECK(judge(policy, {{kAnna, kCleo}, {}}, 1h) == Outcome::met);
  CHECK(judge(policy, {{kAnna, kDora}, {}}, 1h) == Outcome::open);
}

TEST_CASE("a refusal is final only when the quorum cannot be reached any more") {
  const Policy policy = two_of_three();
  CHECK(judge(policy, {{}, {kAnna}}, 1h) == Outcome::open);
  CHECK(judge(policy, {{}, {kAnna, kBen}}, 1h) == Outcome::impossible);
  CHECK(judge(policy, {{kAnna, kBen}, {kAnna}}, 1h) == Outcome::open);
}

TEST_CASE("every group of an alternative must be complete") {
  const Policy policy{{{"", 0s, 0s, {ops(), audit()}}}};
  CHECK(judge(policy, {{kBen, kCleo}, {}}, 1h) == Outcome::open);
  CHECK(judge(policy, {{kBen, kCleo, kDora}, {}}, 1h) == Outcome::met);
  CHECK(judge(policy, {{kBen, kAnna}, {}}, 1h) == Outcome::met);  // anna is in both groups
}

TEST_CASE("any one alternative is enough") {
  const Policy policy{{{"ordinary", 0s, 1h, {ops()}}, {"emergency", 2h, 10h, {audit()}}}};
  CHECK(judge(policy, {{kDora}, {}}, 30min) == Outcome::timelocked);
  CHECK(judge(policy, {{kDora}, {}}, 2h) == Outcome::met);
  CHECK(judge(policy, {{kAnna, kBen}, {}}, 30min) == Outcome::met);
  // the ordinary way is over after an hour; anna's approval also opened the emergency way
  CHECK(judge(policy, {{kBen, kCleo}, {}}, 90min) == Outcome::open);
  CHECK(judge(policy, {{kBen, kCleo}, {}}, 10h) == Outcome::impossible);
}

TEST_CASE("no groups need no approval and no alternatives can never be met") {
  CHECK(judge({{{"", 0s, 0s, {}}}}, {}, 0s) == Outcome::met);
  CHECK(judge({{{"", 1min, 0s, {}}}}, {}, 0s) == Outcome::timelocked);
  CHECK(judge({}, {}, 0s) == Outcome::impossible);
}

TEST_CASE("the end is that of the last alternative that can still be satisfied") {
  const Instant created = parse_rfc3339("2026-01-01T00:00:00Z");
  const Policy policy{{{"", 0s, 1h, {ops()}}, {"", 0s, 5h, {audit()}}}};
  CHECK(ends_at(policy, {}, created) == created + 5h);
  CHECK(ends_at(policy, {{}, {kDora, kAnna}}, created) == created + 1h);
  CHECK(ends_at(policy, {{}, {kDora, kAnna, kBen}}, created) == std::nullopt);
  CHECK(ends_at({{{"", 0s, 1h, {ops()}}, {"", 0s, 0s, {audit()}}}}, {}, created) == std::nullopt);
}

TEST_CASE("the timelock counts from the creation") {
  const Instant created = parse_rfc3339("2026-01-01T00:00:00Z");
  const Policy policy{{{"", 3h, 5h, {ops()}}, {"", 1h, 5h, {audit()}}}};
  CHECK(usable_from(policy, {{kAnna}, {}}, created, created) == created + 1h);
  CHECK(usable_from(policy, {{kBen, kCleo}, {}}, created, created) == created + 3h);
  CHECK(usable_from(policy, {{kBen}, {}}, created, created) == std::nullopt);
  // What is over is not what is waited for.
  const Policy two{{{"", 0s, 1h, {audit()}}, {"", 3h, 9h, {audit()}}}};
  CHECK(usable_from(two, {{kAnna}, {}}, created, created + 59min) == created);
  CHECK(usable_from(two, {{kAnna}, {}}, created, created + 1h) == created + 3h);
  CHECK(usable_from(two, {{kAnna}, {}}, created, created + 9h) == std::nullopt);
}

TEST_CASE("the quorum is told in words") {
  CHECK(quorum_text(two_of_three()) == "2 of 3 in group ops");
  CHECK(quorum_text({{{"", 0s, 0s, {ops(), audit()}}, {"", 0s, 0s, {{"", 1, {{"x", kDora}}}}}}}) ==
        "2 of 3 in group ops and 1 of 2 in group audit, or 1 of 1");
  CHECK(quorum_text({}) == "can never be met");
  CHECK(quorum_text({{{"", 0s, 0s, {}}}}) == "no approval needed");
}

TEST_CASE("the progress is told in words") {
  const Policy policy{{{"", 0s, 0s, {ops(), audit()}}}};
  CHECK(progress_text(policy, {{kAnna}, {}}) == "group ops: 1 of 2 approvals given; group audit: complete");
  CHECK(progress_text(policy, {{kBen, kCleo}, {kDora, kAnna}}) ==
        "group ops: complete; group audit: cannot be reached any more");
}

TEST_CASE("a person in two groups is listed once with both") {
  const auto list = members({{{"", 0s, 0s, {ops(), audit()}}}});
  REQUIRE(list.size() == 4);
  CHECK(list[0].person.name == "anna");
  CHECK(list[0].groups == std::vector<std::string>{"ops", "audit"});
  CHECK(list[3].person.name == "dora");
  CHECK(list[3].groups == std::vector<std::string>{"audit"});
}

TEST_CASE("a policy that contradicts itself is refused") {
  CHECK_THROWS_AS(validate({{{"", 0s, 0s, {{"ops", 0, {{"anna", kAnna}}}}}}}), Error);
  CHECK_THROWS_AS(validate({{{"", 0s, 0s, {{"ops", 2, {{"anna", kAnna}}}}}}}), Error);
  CHECK_THROWS_AS(validate({{{"", 0s, 0s, {{"ops", 1, {{"anna", kAnna}, {"again", kAnna}}}}}}}), Error);
  CHECK_THROWS_AS(validate({{{"", 2h, 1h, {ops()}}}}), Error);
  CHECK_NOTHROW(validate(two_of_three()));
}

TEST_CASE("a policy reads back from JSON as it was written") {
  const Policy policy{{{"ordinary", 0s, 1h, {ops(), audit()}}, {"", 2h, 0s, {}}}};
  CHECK(policy_from(Json::parse(to_json(policy).dump())) == policy);
  CHECK_THROWS_AS(policy_from(Json::parse(R"({"alternatives":[{"name":"","timelock":"0s"}]})")), Error);
}
