// `request list` and `cert list`: what they choose, and how they are paged.
#include "base/json.h"
#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

std::string enrolled(const Bench& bench, const std::string& label, const std::string& more) {
  const auto asked = bench.run({"enroll", "--new-key", label, "--san", "dns:" + label + ".example.com", more});
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == (more == "--queue" ? 3 : 0));
  return Bench::id_in(asked);
}

Json listed(const Bench& bench, std::vector<std::string> words) {
  words.insert(words.begin(), "--json");
  const auto result = bench.run(words);
  INFO(result.err);
  REQUIRE(result.status == 0);
  return result.json();
}

std::vector<std::string> members(const Json& list, const char* rows, const char* member) {
  std::vector<std::string> values;
  for (const auto& row : list.at(rows).as_array()) values.push_back(row.at(member).as_string());
  return values;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("requests are listed by what was asked for, a page behind the other") {
  Bench bench;
  const auto a = enrolled(bench, "a", "--queue");
  const auto b = enrolled(bench, "b", "--queue");
  const auto c = enrolled(bench, "c", "--queue");
  bench.run({"request", "cancel", b});
  const auto ids = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"request", "list"});
    return members(listed(bench, words), "requests", "id");
  };
  CHECK(ids({}) == Ids{c, b, a});
  CHECK(ids({"--open"}) == Ids{c, a});
  CHECK(ids({"--state", "Cancelled"}) == Ids{b});
  CHECK(ids({"--state", "Cancelled", "--state", "Preparing"}) == Ids{c, b, a});
  CHECK(ids({"--name", "DNS:B.example.com"}) == Ids{b});
  CHECK(ids({"--name", "b.example.com", "--open"}).empty());
  CHECK(ids({"--provider", "tsb", "--profile", "server"}) == Ids{c, b, a});
  CHECK(ids({"--provider", "other"}).empty());
  CHECK(ids({"--since", "1h"}) == Ids{c, b, a});
  CHECK(ids({"--since", "2999-01-01"}).empty());
  CHECK(ids({"--after", c}) == Ids{b, a});

  const auto first = listed(bench, {"request", "list", "--limit", "2"});
  CHECK(members(first, "requests", "id") == Ids{c, b});
  CHECK(first.at("next").as_string() == b);
  const auto second = listed(bench, {"request", "list", "--limit", "2", "--after", b});
  CHECK(members(second, "requests", "id") == Ids{a});
  CHECK(second.find("next") == nullptr);

  const auto page = bench.run({"request", "list", "--provider", "tsb", "--limit", "1"});
  CHECK(page.out.find(c) != std::string::npos);
  CHECK(page.out.find(b) == std::string::npos);
  CHECK(page.err.find("and 2 more; the next ones: hsmbridge request list --provider tsb --after " + c) !=
        std::string::npos);
  const auto narrow = bench.run({"request", "list", "--open", "--profile", "server", "--limit", "1"});
  CHECK(narrow.err.find("hsmbridge request list --open --profile server --after " + c) != std::string::npos);
  CHECK(bench.run({"request", "list", "--after", "ZZZZ"}).status == 1);
  CHECK(bench.run({"request", "list", "--since", "yesterday"}).status == 2);
  CHECK(bench.run({"request", "list", "--limit", "0"}).status == 2);
  CHECK(bench.run({"request", "list", "--provider", "other"}).out == "no requests\n");
}

TEST_CASE("certificates are listed by what was asked for, a page behind the other") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  enrolled(bench, "a", "--wait");
  enrolled(bench, "b", "--wait");
  const auto all = listed(bench, {"cert", "list"});
  const auto both = members(all, "certificates", "sha256");
  REQUIRE(both.size() == 2);
  CHECK(all.at("left_out").as_integer() == 0);
  const auto named = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"cert", "list"});
    return members(listed(bench, words), "certificates", "names");
  };
  CHECK(named({"--name", "a.example.com"}) == Ids{"a.example.com"});
  CHECK(named({"--profile", "server", "--provider", "tsb"}).size() == 2);
  CHECK(named({"--profile", "other"}).empty());
  CHECK(named({"--since", "1h"}) == Ids{"b.example.com", "a.example.com"});
  CHECK(named({"--since", "2999-01-01"}).empty());
  CHECK(named({"--expiring", "1h"}).empty());

  const auto first = listed(bench, {"cert", "list", "--limit", "1"});
  CHECK(first.at("next").as_string() == both[0]);
  CHECK(members(listed(bench, {"cert", "list", "--after", both[0]}), "certificates", "sha256") == Ids{both[1]});
  const auto page = bench.run({"cert", "list", "--limit", "1"});
  CHECK(page.err.find("and 1 more; the next ones: hsmbridge cert list --after " + both[0].substr(0, 20)) !=
        std::string::npos);
}

}  // namespace hsmbridge::test
