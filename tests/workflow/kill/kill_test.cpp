// The engine killed with SIGKILL at every named place, in a process of its own, with a provider that counts submissions
// in a file. Whatever happens, the provider sees no second submission and no request is lost.
#include "base/failpoint.h"
#include "store/sqlite_store.h"
#include "support/fake_runner.h"
#include "support/requests.h"
#include "support/temp_folder.h"
#include "workflow/engine/engine.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using store::SqliteStore;

namespace {

// The system's clocks, later: a process that is started again some time after the crash.
class LaterClock final : public Clock {
 public:
  explicit LaterClock(Duration later) : later_(later) {}
  Instant now() const override { return system_.now() + later_; }
  Duration since_boot() const override { return system_.since_boot() + later_; }

 private:
  SystemClock system_;
  Duration later_;
};

enum class Search { complete, none };

// A provider that outlives the process: it takes each submission by one line in a file.
class JournalledRunner final : public EffectRunner {
 public:
  JournalledRunner(std::filesystem::path file, Search search) : file_(std::move(file)), search_(search) {
    usual_.after_submit = RequestStatus::handed_out;
    usual_.on_poll = RequestStatus::handed_out;
  }

  EffectOutcome run(const Claim& claim, Instant now, Duration) override {
    if (claim.effect.name == EffectName::submit) {
      const std::string line = claim.effect.identity() + "\n";
      const int fd = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
      ::close(fd);
    }
    if (claim.effect.name == EffectName::look_up) {
      if (search_ == Search::none) return FakeRunner::outcome(LookUpInconclusive{claim.effect.attempt, "no search"});
      if (lines(file_) > 0) {
        return FakeRunner::outcome(FoundAtProvider{
            claim.effect.attempt, usual_.report(claim.record.order.id, RequestStatus::awaiting_approval)});
      }
      return FakeRunner::outcome(AbsentAtProvider{claim.effect.attempt});
    }
    return usual_.usual(claim, now);
  }

  static std::size_t lines(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::size_t count = 0;
    for (std::string line; std::getline(in, line);) ++count;
    return count;
  }

 private:
  std::filesystem::path file_;
  Search search_;
  FakeRunner usual_;
};

struct World {
  // In memory: SIGKILL loses nothing that was written, so the disk proves nothing here.
  TempFolder folder{"/dev/shm"};
  std::filesystem::path database = folder / "store.db";
  std::filesystem::path submissions = folder / "submissions";
  RequestId id{"0A1B2C3D4E5F6G7H"};
  Search search = Search::complete;

  World() {
    SystemClock clock;
    create(*SqliteStore::open(database, clock), order_of(id.str(), clock.now()));
  }

  static bool at_rest(const Record& record) {
    return is_final(name_of(record.state)) || name_of(record.state) == StateName::unresolved;
  }

  // Works in a process of its own until the request rests. True when that process was killed.
  bool work(const std::string& failpoint, Duration later) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(120);
      if (!failpoint.empty()) ::setenv("HSMBRIDGE_FAILPOINT", failpoint.c_str(), 1);
      try {
        const LaterClock clock(later);
        JournalledRunner runner(submissions, search);
        EngineOptions options = engine_options("worker-" + std::to_string(::getpid()));
        Timing quick;
        quick.settle = 20ms;
        quick.poll_first = quick.poll_longest = quick.retry_first = 10ms;
        options.timing["tsb"] = quick;
        Engine engine(SqliteStore::open(database, clock), runner, clock, options);
        engine.run([&](Store& store) { return at_rest(store.find(id).value()); });
      } catch (const std::exception&) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
      REQUIRE(WTERMSIG(status) == SIGKILL);
      return true;
    }
    REQUIRE(WEXITSTATUS(status) == 0);
    return false;
  }

  Record record() {
    SystemClock clock;
    return SqliteStore::open(database, clock)->find(id).value();
  }
};

}  // namespace

TEST_CASE("killed at every named place and started again there is one submission and one certificate") {
  for (const std::string_view name : hsmbridge_failpoint_names) {
    bool killed = true;
    unsigned times = 1;
    for (; killed; ++times) {
      const std::string place = std::string(name) + ":" + std::to_string(times);
      CAPTURE(place);
      REQUIRE(times < 100);
      World world;
      killed = world.work(place, 0s);
      if (killed) world.work("", 10min);
      CHECK(name_of(world.record().state) == StateName::completed);
      CHECK(JournalledRunner::lines(world.submissions) == 1);
    }
    INFO(name);
    CHECK(times > 2);  // the place was passed at all
  }
}

TEST_CASE("killed while it recovers there is still one submission and one certificate") {
  for (const std::string_view name : hsmbridge_failpoint_names) {
    bool killed = true;
    for (unsigned times = 1; killed; ++times) {
      const std::string place = std::string(name) + ":" + std::to_string(times);
      const std::string again = std::string(name) + ":" + std::to_string(1 + times % 4);
      CAPTURE(place, again);
      World world;
      killed = world.work(place, 0s);
      if (killed && world.work(again, 10min)) world.work("", 20min);
      CHECK(name_of(world.record().state) == StateName::completed);
      CHECK(JournalledRunner::lines(world.submissions) == 1);
    }
  }
}

TEST_CASE("killed with a provider that cannot be searched there is at most one submission and nothing is lost") {
  for (const std::string_view name : hsmbridge_failpoint_names) {
    bool killed = true;
    for (unsigned times = 1; killed; ++times) {
      const std::string place = std::string(name) + ":" + std::to_string(times);
      CAPTURE(place);
      World world;
      world.search = Search::none;
      killed = world.work(place, 0s);
      if (killed) world.work("", 10min);
      const Record record = world.record();
      const bool completed = name_of(record.state) == StateName::completed;
      CHECK((completed || name_of(record.state) == StateName::unresolved));
      CHECK(JournalledRunner::lines(world.submissions) <= 1);
      if (completed) CHECK(JournalledRunner::lines(world.submissions) == 1);
    }
  }
}
