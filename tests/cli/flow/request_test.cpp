#include "base/json.h"
#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <cctype>
#include <csignal>
#include <string>

namespace hsmbridge::test {
namespace {

std::string pending(const Bench& bench, const std::string& label) {
  const auto asked = bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com"});
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  return Bench::id_in(asked);
}

}  // namespace

TEST_CASE("requests are listed and found by the beginning of their ids") {
  Bench bench;
  const auto first = pending(bench, "a");
  const auto second = pending(bench, "b");
  const auto listed = bench.run({"--json", "request", "list", "--open"});
  REQUIRE(listed.status == 0);
  const auto answer = listed.json();
  REQUIRE(answer.at("requests").as_array().size() == 2);
  CHECK(answer.at("requests").as_array()[0].at("id").as_string() == second);
  CHECK(answer.at("requests").as_array()[1].at("state").as_string() == "AwaitingApproval");

  std::size_t common = 0;
  while (first[common] == second[common]) ++common;
  const auto ambiguous = bench.run({"request", "show", first.substr(0, common)});
  CHECK(ambiguous.status == 1);
  CHECK(ambiguous.err.find(first) != std::string::npos);
  CHECK(ambiguous.err.find(second) != std::string::npos);
  CHECK(bench.run({"request", "show", first.substr(0, common + 1)}).status == 0);
  std::string lower = first;
  for (auto& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  CHECK(bench.run({"request", "show", lower}).status == 0);
  CHECK(bench.run({"request", "show", "0000"}).status == 1);
  CHECK(bench.run({"request", "show", "not an id"}).status == 2);
  CHECK(bench.run({"request", "list", "--state", "Nonsense"}).status == 2);
}

TEST_CASE("cancel withdraws the request at the provider and ends it") {
  Bench bench;
  const auto id = pending(bench, "a");
  const auto cancelled = bench.run({"request", "cancel", id, "--reason", "typed wrong"});
  CHECK(cancelled.status == 3);
  CHECK(bench.state_of(id) == "Withdrawing");
  const auto waited = bench.run({"request", "wait", id, "--timeout", "30s"});
  INFO(waited.out << waited.err << bench.run({"request", "history", id}).out);
  CHECK(waited.status == 4);
  CHECK(bench.state_of(id) == "Cancelled");
  CHECK(bench.tasks_of("alice").empty());
  // Nothing final is left again.
  const auto again = bench.run({"request", "cancel", id});
  CHECK(again.status == 1);
  CHECK(again.err.find("Cancelled") != std::string::npos);
}

TEST_CASE("two rejections of three end the request as refused") {
  Bench bench;
  const auto id = pending(bench, "a");
  for (const std::string person : {"alice", "bob"}) {
    const auto tasks = bench.tasks_of(person);
    REQUIRE(tasks.size() == 1);
    CHECK(bench.run({"approval", "reject", "--as", person, tasks[0], "--yes"}).status == 0);
  }
  const auto waited = bench.run({"request", "wait", id, "--timeout", "30s"});
  INFO(waited.out << waited.err);
  CHECK(waited.status == 4);
  CHECK(bench.state_of(id) == "Rejected");
}

TEST_CASE("a time-out and Ctrl-C end the waiting and not the request") {
  Bench bench;
  const auto id = pending(bench, "a");
  CHECK(bench.run({"request", "wait", id, "--timeout", "500ms"}).status == 3);
  Process waiting(bench.cli(), {HSMBRIDGE_PROGRAM, "-v", "request", "wait", id}, {});
  waiting.run_for(std::chrono::milliseconds(700));
  waiting.signal(SIGINT);
  CHECK(waiting.wait() == 3);
  CHECK(bench.state_of(id) == "AwaitingApproval");
}

TEST_CASE("a wrong certificate is quarantined and never installed") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  REQUIRE(bench.rig({"fault", "--kind", "wrong-signature", "--path", "/v1/request", "--times", "0"}).status == 0);
  const auto done = bench.run({"enroll", "--new-key", "a", "--san", "dns:a.example.com", "--wait", "--timeout", "30s"});
  INFO(done.out << done.err);
  // No certificate can be made of a signature that does not verify: a person decides.
  CHECK(done.status == 6);
  CHECK(bench.state_of(Bench::id_in(done)) == "Unresolved");
  CHECK(bench.objects("a").certificates == 0);
}

TEST_CASE("an Unresolved request can be abandoned with a reason and only with one") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  REQUIRE(bench.rig({"fault", "--kind", "drop-after", "--method", "POST", "--path", "/v1/sign"}).status == 0);
  const auto lost = bench.run({"enroll", "--new-key", "a", "--san", "dns:a.example.com", "--wait", "--timeout", "30s"});
  REQUIRE(lost.status == 6);
  const auto id = Bench::id_in(lost);
  CHECK(bench.run({"request", "resolve", id}).status == 2);
  CHECK(bench.run({"request", "resolve", id, "--abandon"}).status == 2);
  CHECK(bench.run({"request", "resolve", id, "--abandon", "--not-there", "--reason", "x"}).status == 2);
  CHECK(bench.run({"request", "explain", id}).out.find("request resolve " + id) != std::string::npos);
  CHECK(bench.run({"request", "resolve", id, "--abandon", "--reason", "ordered elsewhere"}).status == 0);
  CHECK(bench.state_of(id) == "Abandoned");
  CHECK(bench.count("POST /v1/sign") == 1);
}

TEST_CASE("a person who brings another request's certificate for a lost answer changes nothing") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  const auto first = bench.run({"enroll", "--new-key", "a", "--san", "dns:a.example.com", "--install",
                                "file:" + (bench / "a.pem").string(), "--wait", "--timeout", "30s"});
  REQUIRE(first.status == 0);
  REQUIRE(bench.rig({"fault", "--kind", "drop-after", "--method", "POST", "--path", "/v1/sign"}).status == 0);
  const auto lost = bench.run({"enroll", "--key", "a", "--san", "dns:b.example.com", "--wait", "--timeout", "30s"});
  INFO(lost.out << lost.err);
  REQUIRE(lost.status == 6);
  const auto id = Bench::id_in(lost);
  // A certificate for the same key, but that of another request: a slip that ends nothing.
  const auto slipped = bench.run({"request", "resolve", id, "--certificate", "a.pem"});
  CHECK(slipped.status == 1);
  CHECK(slipped.err.find(Bench::id_in(first)) != std::string::npos);
  CHECK(bench.state_of(id) == "Unresolved");
  // The record of the request that it really answers is as it was.
  CHECK(bench.run({"request", "show", Bench::id_in(first)}).out.find("current") != std::string::npos);
}

TEST_CASE("a deadline withdraws what nobody approved in time") {
  Bench bench;
  const auto asked = bench.run(
      {"enroll", "--new-key", "a", "--san", "dns:a.example.com", "--deadline", "2s", "--wait", "--timeout", "30s"});
  INFO(asked.out << asked.err);
  CHECK(asked.status == 4);
  CHECK(bench.state_of(Bench::id_in(asked)) == "Expired");
}

TEST_CASE("waiting for a request whose provider this process cannot use says so") {
  Bench bench;
  const auto id = pending(bench, "a");
  const std::string file = ".config/hsmbridge/hsmbridge.yaml";
  auto text = bench.cli().read(file);
  const auto at = text.find("/rig/ca.pem");
  REQUIRE(at != std::string::npos);
  text.replace(at, 11, "/rig/missing.pem");
  bench.cli().write(file, text);
  const auto waited = bench.run({"request", "wait", id, "--timeout", "300ms"});
  CHECK(waited.status == 3);
  CHECK(waited.err.find("this process cannot work with provider:tsb") != std::string::npos);
  CHECK(waited.err.find("missing.pem") != std::string::npos);
}

TEST_CASE("a configuration without a store says what to add") {
  Bench bench;
  const std::string file = ".config/hsmbridge/hsmbridge.yaml";
  auto text = bench.cli().read(file);
  text.erase(0, text.find('\n') + 1);
  bench.cli().write(file, text);
  const auto listed = bench.run({"request", "list"});
  CHECK(listed.status == 2);
  CHECK(listed.err.find("no store is configured") != std::string::npos);
}

}  // namespace hsmbridge::test
