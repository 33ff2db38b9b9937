// Answers that the store does not take before `run` ends, and what its exit code says of them.
#include "support/bench/bench.h"

#include <sqlite3.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <string>

namespace hsmbridge::test {
namespace {

// Nobody need approve, and the answer to the order takes a second.
struct SlowOrder {
  static BenchOptions options() {
    BenchOptions options;
    options.quorum = 0;
    return options;
  }
  Bench bench{options()};
  std::string id;

  SlowOrder() {
    REQUIRE(bench.rig({"fault", "--kind", "delay", "--wait", "1s", "--method", "POST", "--path", "/v1/sign"}).status ==
            0);
    id = Bench::id_in(bench.run({"enroll", "--new-key", "a", "--san", "dns:a.example.com", "--queue"}));
  }
  // The call is under way, and so is its answer.
  void wait_for_the_call() { bench.wait_for_words(id + " submit:1 begins"); }
  std::size_t kept() {
    std::size_t files = 0;
    for (const std::string& name : bench.cli().listing()) files += name.starts_with("hsmbridge.db.answer-") ? 1U : 0U;
    return files;
  }
};

// Another process in the middle of a writing transaction.
class Holder {
 public:
  explicit Holder(const std::filesystem::path& store) {
    REQUIRE(sqlite3_open(store.c_str(), &database_) == SQLITE_OK);
    sqlite3_busy_timeout(database_, 5000);
    REQUIRE(sqlite3_exec(database_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  ~Holder() { sqlite3_close(database_); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

 private:
  sqlite3* database_ = nullptr;
};

}  // namespace

TEST_CASE_METHOD(SlowOrder, "SIGTERM with an answer in hand while another process holds the store keeps the answer") {
  Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {});
  wait_for_the_call();
  {
    const Holder holder(bench / "hsmbridge.db");
    daemon.signal(SIGTERM);
    CHECK(daemon.wait() == 5);
  }
  CHECK(
      bench.cli().read("process.err").find("one is kept next to it, which the next process that works on it stores") !=
      std::string::npos);
  CHECK(kept() == 1);
  CHECK(bench.state_of(id) == "Submitting");
  const auto waited = bench.run({"request", "wait", id, "--timeout", "30s"});
  INFO(waited.out << waited.err);
  CHECK(waited.status == 0);
  CHECK(bench.state_of(id) == "Completed");
  CHECK(kept() == 0);
  CHECK(bench.count("POST /v1/sign") == 1);
}

TEST_CASE_METHOD(SlowOrder, "an answer that was lost before a reload is in the exit code at the end") {
  // Where no file may grow nothing is written, as on a full disk: neither the store nor a file next to it. What the
  // program says goes through a pipe.
  Process daemon(bench.cli(),
                 {"sh", "-c",
                  std::string("mkfifo pipe; cat pipe > said & echo $$ > daemon.pid; trap '' XFSZ; exec ") +
                      HSMBRIDGE_PROGRAM + " run 2> pipe"},
                 {});
  const auto wait_until_said = [&](const std::string& words) {
    while (!bench.cli().exists("said") || bench.cli().read("said").find(words) == std::string::npos) {
      REQUIRE(daemon.running());
      daemon.run_for(std::chrono::milliseconds{20});
    }
  };
  wait_until_said(id + " submit:1 begins");
  const pid_t pid = std::stoi(bench.cli().read("daemon.pid"));
  struct rlimit before {};
  REQUIRE(::prlimit(pid, RLIMIT_FSIZE, nullptr, &before) == 0);
  const struct rlimit full { 0, before.rlim_max };
  REQUIRE(::prlimit(pid, RLIMIT_FSIZE, &full, nullptr) == 0);
  daemon.signal(SIGHUP);
  wait_until_said("the outcome of submit:1 of request " + id + " could not be stored; it was ");
  REQUIRE(::prlimit(pid, RLIMIT_FSIZE, &before, nullptr) == 0);
  wait_until_said(id + " AnswerLost");  // the engine after the reload is at work
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 1);
  CHECK(bench.cli().read("said").find("the store no longer took answers, and 1 of them are only in this log") !=
        std::string::npos);
  CHECK(kept() == 0);
}

}  // namespace hsmbridge::test
