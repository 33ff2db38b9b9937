#include "base/bytes.h"
#include "base/json.h"
#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <random>
#include <string>

// The simulator misbehaves, processes die at moments that nobody chose, and two work at once.
namespace hsmbridge::test {
namespace {

std::string history(const Bench& bench, const std::string& id) {
  return bench.run({"request", "history", id}).out;
}

std::vector<std::string> references(const Bench& bench) {
  std::vector<std::string> ids;
  const auto held = bench.rig({"requests"});
  REQUIRE(held.status == 0);
  std::size_t begin = 0;
  while (begin < held.out.size()) {
    const auto end = held.out.find('\n', begin);
    ids.push_back(Json::parse(std::string_view(held.out).substr(begin, end - begin)).at("id").as_string());
    begin = end + 1;
  }
  return ids;
}

CliResult enroll(const Bench& bench, const std::string& label) {
  return bench.run(
      {"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--wait", "--timeout", "30s"});
}

}  // namespace

TEST_CASE("an answer lost after the commit becomes Unresolved and never a second submission") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  REQUIRE(bench.rig({"fault", "--kind", "drop-after", "--method", "POST", "--path", "/v1/sign"}).status == 0);
  const auto lost = enroll(bench, "web-1");
  INFO(lost.out << lost.err);
  REQUIRE(lost.status == 6);
  const auto id = Bench::id_in(lost);
  CHECK(bench.state_of(id) == "Unresolved");
  CHECK(bench.count("POST /v1/sign") == 1);

  const auto held = references(bench);
  REQUIRE(held.size() == 1);
  CHECK(bench.run({"request", "resolve", id, "--reference", held.front()}).status == 3);
  const auto waited = bench.run({"request", "wait", id, "--timeout", "30s"});
  INFO(waited.out << waited.err << history(bench, id));
  CHECK(waited.status == 0);
  CHECK(bench.count("POST /v1/sign") == 1);
  CHECK(bench.objects("web-1").certificates == 1);
}

TEST_CASE("a submission that the server commits after the connection died is found by a person and not repeated") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  REQUIRE(
      bench.rig({"fault", "--kind", "commit-late", "--wait", "2s", "--method", "POST", "--path", "/v1/sign"}).status ==
      0);
  const auto lost = enroll(bench, "web-1");
  INFO(lost.out << lost.err);
  REQUIRE(lost.status == 6);
  const auto id = Bench::id_in(lost);
  // The look-up comes only after the call's deadline and the settle time: by then the late commit has happened.
  const auto held = references(bench);
  REQUIRE(held.size() == 1);
  CHECK(bench.run({"request", "resolve", id, "--reference", held.front()}).status == 3);
  CHECK(bench.run({"request", "wait", id, "--timeout", "30s"}).status == 0);
  CHECK(bench.count("POST /v1/sign") == 1);
}

TEST_CASE("a submission that never arrived is made again by itself") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  REQUIRE(bench
              .rig({"fault", "--kind", "status", "--status", "429", "--retry-after", "1", "--method", "POST", "--path",
                    "/v1/sign"})
              .status == 0);
  const auto done = enroll(bench, "web-1");
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(bench.count("POST /v1/sign") == 2);
  CHECK(references(bench).size() == 1);
}

TEST_CASE("a daemon killed at random moments and started again brings every request to its one certificate") {
  BenchOptions options;
  options.quorum = 1;
  Bench bench(options);
  std::vector<std::string> ids;
  constexpr unsigned kRequests = 4;
  for (unsigned i = 0; i < kRequests; ++i) {
    const auto label = "web-" + std::to_string(i);
    const auto queued = bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--queue"});
    REQUIRE(queued.status == 3);
    ids.push_back(Bench::id_in(queued));
  }
  // A new seed each run; it is printed, so that a failure can be played again.
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto settled = [&](const std::string& id) {
    const auto state = bench.state_of(id);
    return state == "Completed" || state == "Unresolved";
  };
  for (int round = 0; round < 60; ++round) {
    Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {});
    daemon.run_for(std::chrono::milliseconds(std::uniform_int_distribution<int>(20, 900)(random)));
    daemon.signal(SIGKILL);
    CHECK(daemon.wait() == 128 + SIGKILL);
    bench.approve_all("alice");
    bool all = true;
    for (const auto& id : ids) all = settled(id) && all;
    if (all) break;
  }
  for (const auto& id : ids) {
    INFO(history(bench, id));
    if (bench.state_of(id) == "Unresolved") {
      // Its answer died with the daemon. The simulator's list tells a person what to say.
      std::string mine;
      const auto held = bench.rig({"requests"});
      std::size_t begin = 0;
      while (begin < held.out.size()) {
        const auto stop = held.out.find('\n', begin);
        const auto request = Json::parse(std::string_view(held.out).substr(begin, stop - begin));
        const auto meta = to_text(from_base64(request.at("body").at("signRequest").at("metaData").as_string()));
        if (meta.find(id) != std::string::npos) mine = request.at("id").as_string();
        begin = stop + 1;
      }
      const auto resolved = mine.empty()
                                ? bench.run({"request", "resolve", id, "--not-there", "--reason", "not listed"})
                                : bench.run({"request", "resolve", id, "--reference", mine});
      REQUIRE(resolved.status == 3);
      bench.run({"request", "wait", id, "--timeout", "5s"});
      bench.approve_all("alice");
      CHECK(bench.run({"request", "wait", id, "--timeout", "30s"}).status == 0);
    }
    CHECK(bench.state_of(id) == "Completed");
  }
  CHECK(references(bench).size() == kRequests);
  CHECK(bench.count("POST /v1/sign") == kRequests);
  for (unsigned i = 0; i < kRequests; ++i) {
    const auto objects = bench.objects("web-" + std::to_string(i));
    CHECK(objects.private_keys == 1);
    CHECK(objects.public_keys == 1);
    CHECK(objects.certificates == 1);
  }
}

TEST_CASE("two daemons share the work and SIGTERM stops each with nothing in hand") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  Process first(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {});
  Process second(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {});
  std::vector<std::string> ids;
  for (const std::string label : {"a", "b", "c", "d"}) {
    ids.push_back(
        Bench::id_in(bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--queue"})));
  }
  for (const auto& id : ids) {
    const auto waited = bench.run({"request", "wait", id, "--timeout", "30s"});
    INFO(waited.out << waited.err << history(bench, id));
    CHECK(waited.status == 0);
  }
  first.signal(SIGTERM);
  second.signal(SIGTERM);
  CHECK(first.wait() == 0);
  CHECK(second.wait() == 0);
  CHECK(bench.count("POST /v1/sign") == 4);
  for (const std::string label : {"a", "b", "c", "d"}) CHECK(bench.objects(label).private_keys == 1);
}

TEST_CASE("SIGHUP takes a changed configuration and keeps the old one when the new one is wrong") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  const std::string file = ".config/hsmbridge/hsmbridge.yaml";
  const auto good = bench.cli().read(file);
  Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {});
  const auto complete = [&](const std::string& label) {
    const auto id =
        Bench::id_in(bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--queue"}));
    return bench.run({"request", "wait", id, "--timeout", "30s"}).status;
  };
  CHECK(complete("before") == 0);
  bench.cli().write(file, good + "no_such_key: 1\n");
  daemon.signal(SIGHUP);
  bench.wait_for_words("the configuration is not taken");
  bench.cli().write(file, good);
  CHECK(daemon.running());
  CHECK(complete("after") == 0);
  bench.cli().write(file, good + "people:\n  dora: {token: web, key: approver}\n");
  daemon.signal(SIGHUP);
  bench.wait_for_words("reading the configuration again");
  CHECK(complete("later") == 0);
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
}

}  // namespace hsmbridge::test
