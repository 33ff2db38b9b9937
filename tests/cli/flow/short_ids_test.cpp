#include "base/json.h"
#include "support/bench/bench.h"
#include "support/faulty_module/faults.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

constexpr const char* kConfiguration = ".config/hsmbridge/hsmbridge.yaml";

// A token that cuts a CKA_ID off after two octets, or refuses a longer one.
void keep_two_octets(Bench& bench, const std::string& refusal) {
  auto text = bench.cli().read(kConfiguration);
  const auto module = Cli::module().string();
  bench.cli().write(kConfiguration, text.replace(text.find(module), module.size(), Faults::module().string()));
  bench.cli().set("HSMBRIDGE_FAULTS", "short_ids=2:" + refusal);
}

std::string planned_id(Bench& bench) {
  auto id =
      bench.cli().other({"sqlite3", "hsmbridge.db", "SELECT cka_id FROM keys WHERE status = 'planned-at-random'"}).out;
  REQUIRE(id.size() == 33);
  id.pop_back();
  return id;
}

}  // namespace

TEST_CASE("a token that keeps two octets of an id enrols and renews") {
  const std::string refusal = GENERATE("0", "0x13");
  INFO(refusal);
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  keep_two_octets(bench, refusal);
  const auto done = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "--json");
    words.emplace_back("--wait");
    const auto result = bench.run(words);
    INFO(result.out << result.err);
    REQUIRE(result.status == 0);
    return result.json();
  };
  const auto sha256 = [](const Json& request) { return request.at("certificate").at("sha256").as_string(); };
  const auto first = done({"enroll", "--new-key", "web", "--san", "dns:www.example.com"});
  const auto same = done({"cert", "renew", sha256(first), "--same-key"});
  CHECK(same.at("key").as_string() == "web/web");
  CHECK(bench.objects("web").certificates == 1);
  const auto other = done({"cert", "renew", sha256(same), "--new-key", "next"});
  CHECK(other.at("key").as_string() == "web/next");
  CHECK(bench.objects("next").private_keys == 1);
  CHECK(bench.objects("next").certificates == 1);
}

TEST_CASE("a short id that another key has does not fail the request for good") {
  const std::string refusal = GENERATE("0", "0x13");
  INFO(refusal);
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  keep_two_octets(bench, refusal);
  const auto queued = bench.run({"enroll", "--new-key", "web", "--san", "dns:www.example.com", "--queue"});
  INFO(queued.err);
  REQUIRE(queued.status == 3);
  const auto plan = planned_id(bench);
  REQUIRE(bench.cli()
              .pkcs11_tool(
                  "web", {"--keypairgen", "--key-type", "EC:prime256v1", "--id", plan.substr(0, 4), "--label", "other"})
              .status == 0);
  const auto done = bench.run({"request", "wait", Bench::id_in(queued), "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  // Another part of the planned id, which stays in the journal.
  CHECK(bench.cli().other({"sqlite3", "hsmbridge.db", "SELECT cka_id FROM keys WHERE status = 'active'"}).out ==
        plan.substr(4, 4) + "\n");
  CHECK(bench.objects("other").private_keys == 1);
  CHECK(bench.objects("web").certificates == 1);
}

}  // namespace hsmbridge::test
