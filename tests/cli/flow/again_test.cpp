// A command that is typed again orders nothing twice.
#include "cli/flow/cloud_bench.h"

#include <catch2/catch.hpp>

namespace hsmbridge::test {

TEST_CASE("an order typed again after its certificate came says that it is done, one by one and in a batch") {
  CloudBench bench;
  const auto first = bench.enroll();
  REQUIRE(first.status == 0);
  const auto again = bench.enroll();
  INFO(again.out << again.err);
  CHECK(again.status == 0);
  CHECK(Bench::id_in(again) == Bench::id_in(first));
  CHECK(says(again, "did exactly this: nothing is ordered again"));
  // The same for the key that is there.
  const auto by_key = bench.cli.run({"enroll", "--key", "web-1", "--san", "dns:www.example.com"});
  INFO(by_key.out << by_key.err);
  CHECK(by_key.status == 0);
  CHECK(Bench::id_in(by_key) == Bench::id_in(first));
  bench.cli.write("rows.csv", "new-key,san\nweb-1,dns:www.example.com\nweb-2,dns:two.example.com\n");
  const auto batch = bench.cli.run({"enroll", "--from", "rows.csv", "--wait", "--timeout", "30s"});
  INFO(batch.out << batch.err);
  CHECK(batch.status == 0);
  CHECK(bench.orders() == 2);
  // Another name for the same key is another certificate.
  CHECK(bench.cli.run({"enroll", "--key", "web-1", "--san", "dns:other.example.com", "--wait", "--timeout", "30s"})
            .status == 0);
  CHECK(bench.orders() == 3);
}

TEST_CASE("an order typed again after the provider said no uses the key that the first one made") {
  CloudBench bench("Refused");
  const auto first = bench.enroll();
  INFO(first.out << first.err);
  bench.configure("Default", bench.key_of_ops());
  const auto again = bench.enroll();
  INFO(again.out << again.err);
  CHECK(again.status == 0);
  CHECK(says(again, "key web-1 was made for a request that ended without a certificate: using it"));
}

}  // namespace hsmbridge::test
