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
    // Two kills in a row within a login would block the PIN for everybody, as they should: a person looks after it.
    if (bench.run({"token", "login", "web"}).status != 0) bench.run({"token", "login", "web", "--retry"});
    bench.approve_all("alice");
    bool all = true;
    for (const auto& id : ids) all = settled(id) && all;
    if (all) break;
  }
  for (const auto& id : ids) {
    INFO(history(bench, id));
    // A slow machine may have killed each daemon before it began anything.
    for (int i = 0; i < 10 && !settled(id); ++i) {
      bench.run({"request", "wait", id, "--timeout", "5s"});
      bench.approve_all("alice");
    }
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
  // Each can do a part only: the first has no token, the second no provider. Neither could bring a request to its end.
  const auto good = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  const auto with = [&](const std::string& name, const std::string& from, const std::string& to) {
    std::string text = good;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    return bench.cli().write(name, text).string();
  };
  const auto no_token = with("first.yaml", "/web.pin", "/missing.pin");
  const auto no_provider = with("second.yaml", "/rig/ca.pem", "/rig/missing.pem");
  Process first(bench.cli(), {HSMBRIDGE_PROGRAM, "run", "--config", no_token}, {});
  Process second(bench.cli(), {HSMBRIDGE_PROGRAM, "run", "--config", no_provider}, {});
  std::vector<std::string> ids;
  for (const std::string label : {"a", "b", "c", "d"}) {
    ids.push_back(
        Bench::id_in(bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--queue"})));
  }
  for (const auto& id : ids) {
    // watch looks on and does no work itself.
    const auto watched = bench.run({"request", "watch", id});
    INFO(watched.out << watched.err << history(bench, id));
    CHECK(watched.status == 0);
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
  const auto good = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  // The daemon's own file. At first its provider is somewhere else: it can do no request alone.
  std::string elsewhere = good;
  const auto at = elsewhere.find("/rig/ca.pem");
  REQUIRE(at != std::string::npos);
  elsewhere.replace(at, 11, "/rig/missing.pem");
  const auto file = bench.cli().write("daemon.yaml", elsewhere).string();
  Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "run", "--config", file}, {});
  const auto queue = [&](const std::string& label) {
    return Bench::id_in(bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", "--queue"}));
  };
  const auto first = queue("first");
  bench.wait_for_words(first + " CsrSigned");
  const auto hang_up = [&](const std::string& text, const std::string& words) {
    bench.cli().write("daemon.yaml", text);
    daemon.signal(SIGHUP);
    bench.wait_for_words(words);
  };
  hang_up(good + "no_such_key: 1\n", "unknown key");
  CHECK(bench.state_of(first) == "Preparing");
  // A store that cannot be opened is no reason to end either.
  std::string storeless = good;
  storeless.replace(storeless.find("hsmbridge.db"), 12, "daemon.yaml/x.db");
  hang_up(storeless, "cannot make the store");
  CHECK(daemon.running());
  hang_up(good, "provider:tsb, token:");
  CHECK(bench.run({"request", "watch", first}).status == 0);
  CHECK(bench.run({"request", "watch", queue("second")}).status == 0);
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);

  // What was taken stands in the audit log, with what was in the file.
  const auto leaves = bench.cli().other({"sqlite3", "hsmbridge.db", "SELECT CAST(data AS TEXT) FROM leaves"}).out;
  for (const auto& text : {elsewhere, good}) CHECK(leaves.find(hex(sha256(as_bytes(text)))) != std::string::npos);
  CHECK(leaves.find(hex(sha256(as_bytes(storeless)))) == std::string::npos);
}

TEST_CASE("a key whose request was cancelled while it was made is spoken of") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  bench.cli().set("HSMBRIDGE_FAILPOINT", "engine.after-run:1");
  const auto killed = bench.run({"enroll", "--new-key", "orphan", "--san", "dns:a.example.com", "--wait"});
  bench.cli().unset("HSMBRIDGE_FAILPOINT");
  REQUIRE(killed.status == 128 + SIGKILL);
  REQUIRE(bench.objects("orphan").private_keys == 1);
  CHECK(bench.run({"doctor"}).out.find("planned keys: none is left over") != std::string::npos);
  const auto listed = bench.run({"--json", "request", "list"});
  const auto id = std::string(listed.json().at("requests").as_array().at(0).at("id").as_string());
  REQUIRE(bench.run({"request", "cancel", id, "--reason", "typed wrong"}).status == 0);
  const auto doctor = bench.run({"doctor"});
  INFO(doctor.out);
  CHECK(doctor.out.find("orphan (CKA_ID ") != std::string::npos);
  CHECK(doctor.out.find("hsmbridge key list --token web") != std::string::npos);
  const auto keys = bench.run({"key", "list", "--token", "web"});
  INFO(keys.out << keys.err);
  CHECK(keys.err.find("was made for a request that is over") != std::string::npos);
  CHECK(keys.err.find("hsmbridge key delete --token web id=") != std::string::npos);
}

}  // namespace hsmbridge::test
