#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>

// What must hold whenever and wherever the program dies: never more than one submission, exactly one certificate or an
// Unresolved request that a person can finish, one key pair and no orphan.
namespace hsmbridge::test {
namespace {

constexpr int kKilled = 128 + SIGKILL;

// `enroll --wait` for a new key, in a process that dies at the named place the n-th time it gets there.
int enroll_dying_at(Bench& bench, const std::string& label, const std::string& failpoint) {
  bench.cli().set("HSMBRIDGE_FAILPOINT", failpoint);
  const auto result =
      bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--wait", "--timeout", "20s"});
  bench.cli().unset("HSMBRIDGE_FAILPOINT");
  return result.status;
}

std::optional<std::string> request_for(const Bench& bench, const std::string& label) {
  const auto listed = bench.run({"--json", "request", "list"});
  REQUIRE(listed.status == 0);
  const auto answer = listed.json();
  for (const auto& row : answer.at("requests").as_array()) {
    if (row.at("key").as_string() == "web/" + label) return row.at("id").as_string();
  }
  return std::nullopt;
}

// The simulator's own word on what it holds for our request: the reference, by the metaData that travelled with it.
std::vector<std::string> references_for(const Bench& bench, const std::string& id) {
  std::vector<std::string> references;
  const auto held = bench.rig({"requests"});
  REQUIRE(held.status == 0);
  std::size_t begin = 0;
  while (begin < held.out.size()) {
    const auto end = held.out.find('\n', begin);
    const auto request = Json::parse(std::string_view(held.out).substr(begin, end - begin));
    const auto meta = request.at("body").at("signRequest").string_or("metaData", "");
    if (!meta.empty() && to_text(from_base64(meta)).find(id) != std::string::npos) {
      references.push_back(request.at("id").as_string());
    }
    begin = end + 1;
  }
  return references;
}

// Goes on after the crash as a person would, until the request is final.
void finish(const Bench& bench, const std::string& id) {
  auto waited = bench.run({"request", "wait", id, "--timeout", "30s"});
  if (waited.status == 6) {
    const auto references = references_for(bench, id);
    REQUIRE(references.size() <= 1);
    const auto resolved =
        references.empty()
            ? bench.run({"request", "resolve", id, "--not-there", "--reason", "the TSB's own list does not show it"})
            : bench.run({"request", "resolve", id, "--reference", references.front()});
    INFO(resolved.err);
    REQUIRE(resolved.status == 3);
    waited = bench.run({"request", "wait", id, "--timeout", "30s"});
  }
  INFO(waited.out << waited.err << bench.run({"request", "history", id}).out);
  REQUIRE(waited.status == 0);
}

void check_end(const Bench& bench, const std::string& id, const std::string& label, unsigned submissions_before) {
  INFO(bench.run({"request", "history", id}).out);
  CHECK(bench.state_of(id) == "Completed");
  CHECK(bench.count("POST /v1/sign") == submissions_before + 1);
  CHECK(references_for(bench, id).size() == 1);
  const auto objects = bench.objects(label);
  CHECK(objects.private_keys == 1);
  CHECK(objects.public_keys == 1);
  CHECK(objects.certificates == 1);
}

// Dies at every N-th passing of a place until it is passed no more, each time with a new request, and finishes it.
void die_everywhere(const std::string& failpoint, unsigned step) {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  constexpr unsigned kMostPassings = 200;
  for (unsigned passing = 1; passing < kMostPassings; passing += step) {
    const auto label = "key-" + std::to_string(passing);
    const auto before = bench.count("POST /v1/sign");
    const auto place = failpoint + ":" + std::to_string(passing);
    INFO(place);
    const int status = enroll_dying_at(bench, label, place);
    if (status != kKilled) {
      REQUIRE(status == 0);
      REQUIRE(passing > 1);
      return;
    }
    auto id = request_for(bench, label);
    if (!id) {
      // It died before the request was on disk: nothing may have happened, and the command is simply typed again.
      CHECK(bench.objects(label).private_keys == 0);
      CHECK(bench.count("POST /v1/sign") == before);
      id = Bench::id_in(bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--wait"}));
    }
    finish(bench, *id);
    check_end(bench, *id, label, before);
  }
  FAIL("the program passes this place more often than it should");
}

// Every passing in long runs; in CI every third of the places that every commit passes.
unsigned step_of(std::string_view failpoint) {
  if (std::getenv("HSMBRIDGE_CRASH_EVERYWHERE") != nullptr) return 1;
  return failpoint.starts_with("store.") ? 3 : 1;
}

}  // namespace

TEST_CASE("killed at engine.after-claim nothing is lost and nothing is ordered twice") {
  die_everywhere("engine.after-claim", step_of("engine"));
}
TEST_CASE("killed at engine.before-start nothing is lost and nothing is ordered twice") {
  die_everywhere("engine.before-start", 1);
}
TEST_CASE("killed at engine.after-start nothing is lost and nothing is ordered twice") {
  die_everywhere("engine.after-start", 1);
}
TEST_CASE("killed at engine.before-run nothing is lost and nothing is ordered twice") {
  die_everywhere("engine.before-run", step_of("engine"));
}
TEST_CASE("killed at engine.after-run nothing is lost and nothing is ordered twice") {
  die_everywhere("engine.after-run", step_of("engine"));
}
TEST_CASE("killed at engine.before-outcome nothing is lost and nothing is ordered twice") {
  die_everywhere("engine.before-outcome", step_of("engine"));
}
TEST_CASE("killed at engine.after-outcome nothing is lost and nothing is ordered twice") {
  die_everywhere("engine.after-outcome", step_of("engine"));
}
TEST_CASE("killed at store.before-commit nothing is lost and nothing is ordered twice") {
  die_everywhere("store.before-commit", step_of("store"));
}
TEST_CASE("killed at store.after-commit nothing is lost and nothing is ordered twice") {
  die_everywhere("store.after-commit", step_of("store"));
}

TEST_CASE("this list of places is complete") {
  CHECK(hsmbridge_failpoint_names.size() == 9);
}

}  // namespace hsmbridge::test
