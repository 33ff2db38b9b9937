#include "providers/securosys/task_walk.h"

#include "base/error.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <set>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::securosys;

namespace {

// A server with numbered tasks, oldest first, that are decided while they are listed.
struct Listing {
  explicit Listing(int count) {
    for (int i = 0; i < count; ++i) open.push_back("t" + std::to_string(i));
  }
  void decide(std::size_t from, std::size_t count) {
    const auto begin = open.begin() + static_cast<std::ptrdiff_t>(from);
    open.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
  }
  std::vector<Task> page(const TaskFilter& filter) {
    pages.push_back(std::to_string(filter.page) + "/" + std::to_string(filter.page_size));
    const std::size_t begin = static_cast<std::size_t>(filter.page) * filter.page_size;
    std::vector<Task> result;
    for (std::size_t i = begin; i < std::min(open.size(), begin + filter.page_size); ++i) {
      if (huge.count(open[i]) != 0) throw Error{ErrorKind::unavailable, "huge"}.with("too-large", "yes");
      result.emplace_back().id = open[i];
    }
    if (after) after(pages.size());
    return result;
  }
  Extent walk() {
    return walk_tasks([this](const TaskFilter& filter) { return page(filter); },
                      [this](const Task& task) {
                        seen.push_back(task.id.empty() ? task.fault.substr(0, 14) : task.id);
                        return Walk::on;
                      });
  }
  bool missed_some() const {
    return std::any_of(open.begin(), open.end(), [this](const std::string& id) {
      return std::find(seen.begin(), seen.end(), id) == seen.end() && huge.count(id) == 0;
    });
  }

  std::vector<std::string> open;
  std::set<std::string> huge;
  std::function<void(std::size_t)> after;  // with the number of pages given
  std::vector<std::string> pages;
  std::vector<std::string> seen;
};

}  // namespace

TEST_CASE("a task that moves onto a page already read is seen on the way back") {
  Listing listing(60);
  listing.after = [&](std::size_t given) {
    if (given == 1) listing.decide(0, 1);   // t25 moves onto the first page
    if (given == 2) listing.decide(3, 30);  // more than a page
    if (given == 4) listing.decide(0, 1);   // and on the way back
  };
  CHECK(listing.walk() == Extent::whole);
  CHECK_FALSE(listing.missed_some());
  CHECK(std::set<std::string>(listing.seen.begin(), listing.seen.end()).size() == listing.seen.size());
}

TEST_CASE("whatever is decided while the tasks are listed hides no other") {
  unsigned random = 1;
  const auto next = [&random](std::size_t below) {
    random = random * 1'103'515'245U + 12'345U;
    return below == 0 ? 0 : (random >> 8U) % below;
  };
  for (int round = 0; round < 200; ++round) {
    Listing listing(static_cast<int>(next(200)));
    for (std::size_t i = next(4); i > 0 && !listing.open.empty(); --i) {
      listing.huge.insert(listing.open[next(listing.open.size())]);
    }
    int born = 0;
    std::vector<std::string> late;
    listing.after = [&](std::size_t) {
      if (next(2) == 0 && !listing.open.empty()) {
        const std::size_t from = next(listing.open.size());
        listing.decide(from, std::min(next(40), listing.open.size() - from));
      }
      if (next(3) == 0) late.push_back(listing.open.emplace_back("new" + std::to_string(born++)));
    };
    CAPTURE(round);
    CHECK(listing.walk() == Extent::whole);
    for (const std::string& id : late) std::erase(listing.open, id);
    CHECK_FALSE(listing.missed_some());
  }
}

TEST_CASE("a listing of one page is asked for once") {
  Listing listing(24);
  CHECK(listing.walk() == Extent::whole);
  CHECK(listing.pages == std::vector<std::string>{"0/25"});
}

TEST_CASE("behind a task that is too large the pages grow again") {
  Listing listing(60);
  listing.huge = {"t3"};
  CHECK(listing.walk() == Extent::whole);
  CHECK_FALSE(listing.missed_some());
  CHECK(std::count(listing.seen.begin(), listing.seen.end(), "task number 4 ") == 1);
  CHECK(listing.pages == std::vector<std::string>{"0/25", "0/5",  "0/1", "1/1", "2/1",  "3/1",  "4/1",  // 0 to 4
                                                  "1/5",  "2/5",  "3/5", "4/5", "1/25", "2/25",         // 5 to 59
                                                  "1/25", "0/25", "4/5", "3/5", "2/5",  "1/5",  "0/5",
                                                  "4/1",  "3/1",  "2/1", "1/1", "0/1"});
}

TEST_CASE("a listing without end is cut and says so") {
  std::size_t count = 0;
  const auto fetch = [&](const TaskFilter& filter) {
    std::vector<Task> tasks(filter.page_size);
    for (Task& task : tasks) task.id = "t" + std::to_string(count++);
    return tasks;
  };
  CHECK(walk_tasks(fetch, [](const Task&) { return Walk::on; }) == Extent::cut);
  CHECK(count <= 10'025);
}
