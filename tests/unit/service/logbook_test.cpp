#include "service/logbook.h"

#include "life.h"
#include "support/failing_store.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using Fate = FailingStore::Fate;

namespace {

// Counts those who ask for the time, which each does before its leaf waits.
class CountingClock final : public Clock {
 public:
  Instant now() const override {
    ++asked;
    return system_.now();
  }
  Duration since_boot() const override { return system_.since_boot(); }
  mutable std::atomic<unsigned> asked{0};

 private:
  SystemClock system_;
};

struct Threads : Life {
  static constexpr unsigned kThreads = 16;
  CountingClock counting;
  std::atomic<unsigned> commits{0};

  service::Logbook log(FailingStore::Decide decide) {
    return {[this, decide = std::move(decide)]() -> std::unique_ptr<workflow::Store> {
              return std::make_unique<FailingStore>(store::SqliteStore::open(folder / "store.db", counting), decide);
            },
            service::Actor{"uid:alice", "operating system", {}}, counting, [] {}};
  }
  // Each thread records one leaf; how many were told that theirs is durable and did not find it.
  unsigned record(service::Logbook& book, std::atomic<unsigned>& failed) {
    std::atomic<unsigned> missing{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const std::string mine = "leaf-" + std::to_string(i);
        try {
          book.record("test", Json::object({{"name", mine}}));
        } catch (const Error& error) {
          ++failed;
          return;
        }
        const auto reader = store::SqliteStore::open(folder / "store.db", counting);
        bool found = false;
        for (const auto& leaf : reader->leaves(0, 1000)) found = found || leaf.data.find(mine) != std::string::npos;
        if (!found) ++missing;
      });
    }
    for (std::thread& thread : threads) thread.join();
    return missing;
  }
};

}  // namespace

TEST_CASE_METHOD(Threads, "leaves that wait become durable together and each before its thread goes on") {
  // The first commit takes until the others have come.
  auto book = log([this](unsigned) {
    ++commits;
    while (counting.asked < kThreads) std::this_thread::yield();
    return Fate::works;
  });
  std::atomic<unsigned> failed{0};
  CHECK(record(book, failed) == 0);
  CHECK(failed == 0);
  CHECK(commits < kThreads);
  CHECK(store->tree_head().size() >= kThreads);
  CHECK(store->verify_audit(workflow::AuditDepth::whole).faults.empty());
}

TEST_CASE_METHOD(Threads, "a commit that fails fails each thread whose leaf was in it") {
  auto book = log([this](unsigned) {
    while (counting.asked < kThreads) std::this_thread::yield();
    return Fate::fails_before;
  });
  std::atomic<unsigned> failed{0};
  record(book, failed);
  CHECK(failed == kThreads);
}

TEST_CASE_METHOD(Threads, "a commit that fails fails no thread whose leaf is in the next one") {
  // The first commit is of the first leaf alone, and takes until the others have come.
  auto book = log([this](unsigned) {
    while (counting.asked < kThreads) std::this_thread::yield();
    return ++commits == 1 ? Fate::fails_before : Fate::works;
  });
  std::atomic<unsigned> failed{0};
  CHECK(record(book, failed) == 0);
  CHECK(failed == 1);
}
