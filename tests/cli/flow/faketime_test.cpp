// The program under a clock that is wrong and is set right. Only the wall clock is faked: the monotonic clocks, by
// which threads wait and pauses are counted, go on as they are.
#include "cloud_bench.h"

#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {
namespace {

CliResult run_at(const Cli& cli, const std::string& offset, const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"faketime", "-m", "--exclude-monotonic", "-f", offset, Cli::program().string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return cli.other(words);
}

const std::vector<std::string> kEnroll{"enroll",    "--provider", "cloud", "--profile",           "server",
                                       "--new-key", "web-1",      "--san", "dns:www.example.com", "--wait",
                                       "--timeout", "20s"};

std::string id_of(const Cli& cli) {
  return cli.run({"--json", "request", "list"}).json().at("requests").as_array().at(0).at("id").as_string();
}

}  // namespace

TEST_CASE("a certificate that is not valid yet waits for its first day and is not ordered again") {
  CloudBench bench;
  auto early = kEnroll;
  early.back() = "4s";
  const auto waits = run_at(bench.cli, "-30m", early);
  INFO(waits.out << waits.err);
  CHECK(waits.status == 3);
  const auto id = id_of(bench.cli);
  const auto explained = run_at(bench.cli, "-30m", {"request", "explain", id});
  INFO(explained.out);
  CHECK(says(explained, "clock"));
  CHECK(bench.cli.run({"--json", "request", "show", id}).json().at("state").as_string() == "Verifying");

  const auto done = bench.cli.run({"request", "wait", id, "--timeout", "20s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(bench.orders() == 1);
}

TEST_CASE("a request that was made by a clock a day ahead goes on in time once the clock is set right") {
  CloudBench bench("Approval");
  auto ahead = kEnroll;
  ahead.back() = "3s";
  const auto asked = run_at(bench.cli, "+1d", ahead);
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = id_of(bench.cli);
  for (const char* user : {"alice", "bob"}) {
    const auto key = bench.cli.write(std::string(user) + ".key", bench.rig.api_key(user) + "\n");
    bench.configure("Approval", "api_key: \"file:" + key.string() + "\"");
    REQUIRE(bench.cli.run({"approval", "accept", "--provider", "cloud", id, "--reason", "reviewed", "--yes"}).status ==
            0);
  }
  const auto done = bench.cli.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(says(done, "ahead of this one"));
  CHECK(bench.orders() == 1);
}

}  // namespace hsmbridge::test
