// The program killed around the signatures of a CA: one certificate a serial number, no CRL number twice, nothing lost.
#include "place.h"

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

constexpr int kKilled = 128 + SIGKILL;

struct Dying : Place {
  Dying() {
    // An attempt whose process died is looked up as soon as its deadline is over.
    configure("        validity: tls-br\n    time_limit: 2s\n    settle: 1s\n");
    make_both();
  }
  CliResult dying_at(const std::string& failpoint, const std::function<CliResult()>& work) {
    cli.set("HSMBRIDGE_FAILPOINT", failpoint);
    const auto result = work();
    cli.unset("HSMBRIDGE_FAILPOINT");
    return result;
  }
  std::string asked(const std::string& sql) const { return cli.other({"sqlite3", "store.db", sql}).out; }
  // The request about this name; nothing where it was not written down.
  std::optional<std::string> request_for(const std::string& name) const {
    const auto listed = cli.run({"request", "list", "--json", "--name", name}).json();
    const auto& requests = listed.at("requests").as_array();
    if (requests.empty()) return std::nullopt;
    REQUIRE(requests.size() == 1);
    return requests.front().at("id").as_string();
  }
  void expect_in_order() const {
    CHECK(asked("SELECT issuer, serial FROM certificates GROUP BY issuer, serial HAVING count(*) > 1").empty());
    CHECK(asked("SELECT serial FROM certificates WHERE serial NOT IN (SELECT serial FROM serial_numbers)").empty());
    CHECK(cli.run({"audit", "verify"}).status == 0);
  }
  // Dies at every passing of a place until it is passed no more, each time with a new request, and finishes it.
  void die_everywhere(const std::string& failpoint, unsigned step) {
    constexpr unsigned kMostPassings = 100;
    for (unsigned passing = 1; passing < kMostPassings; passing += step) {
      const std::string place = failpoint + ":" + std::to_string(passing);
      const std::string key = "key-" + std::to_string(passing);
      const std::string name = key + ".example.com";
      INFO(place);
      std::filesystem::remove(cli / "www.pem");  // of the request before, which is in use
      const auto died = dying_at(place, [&] { return enroll(key, name); });
      // Also one that was not killed may have missed its two seconds on a busy machine.
      if (died.status != 0) {
        const auto id = request_for(name);
        const auto finished = id ? cli.run({"request", "wait", *id, "--timeout", "50s"}) : enroll(key, name);
        INFO(finished.out << finished.err);
        REQUIRE(finished.status == 0);
      }
      if (died.status != kKilled) REQUIRE(passing > 1);
      trusted("www.pem");
      if (died.status != kKilled) return expect_in_order();
    }
    FAIL("the program passes this place more often than it should");
  }
};

}  // namespace

TEST_CASE_METHOD(Dying, "killed once an attempt is written down a CA signs the same bytes again") {
  die_everywhere("engine.after-start", 1);
}
TEST_CASE_METHOD(Dying,
                 "killed once a CA has signed it signs the same bytes again, and nobody has the first signature") {
  die_everywhere("engine.after-run", 1);
}
TEST_CASE_METHOD(Dying, "killed before the answer of a CA is stored there is one certificate of its number") {
  die_everywhere("engine.before-outcome", 1);
}
TEST_CASE_METHOD(Dying, "killed before a commit a CA loses no request and gives no number twice") {
  die_everywhere("store.before-commit", 3);
}

TEST_CASE_METHOD(Dying, "killed around a CRL no number is published twice, and the next one is complete") {
  REQUIRE(enroll("www", "www.example.com").status == 0);
  const Json listed = cli.run({"cert", "list", "--json", "--name", "www.example.com"}).json();
  const auto certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
  REQUIRE(cli.run({"cert", "revoke", certificate, "--reason", "superseded", "--yes"}).status == 0);
  std::int64_t last = 0;
  for (const std::string place : {"store.before-commit", "store.after-commit"}) {
    for (unsigned passing = 1;; ++passing) {
      REQUIRE(passing < 20);
      INFO(place << " " << passing);
      const auto died = dying_at(place + ":" + std::to_string(passing), [&] {
        return cli.run({"ca", "crl", "issuing"});
      });
      const auto next = cli.run({"ca", "crl", "issuing", "--json"});
      INFO(next.err);
      REQUIRE(next.status == 0);
      CHECK(next.json().at("number").as_integer() > last);
      CHECK(next.json().at("entries").as_integer() == 1);
      last = next.json().at("number").as_integer();
      const auto text =
          cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-text", "-CAfile", "issuing.pem"});
      has(text.out + text.err, "verify OK");
      has(text.out, "Superseded");
      if (died.status != kKilled) {
        REQUIRE(died.status == 0);
        break;
      }
    }
  }
  CHECK(asked("SELECT number FROM crls GROUP BY issuer, number HAVING count(*) > 1").empty());
  expect_in_order();
}
