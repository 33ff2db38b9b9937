// A CRL that was signed while the clock was ahead, and what openssl says of it and of the one after it.
#include "place.h"

#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

struct Ahead : Place {
  Ahead() {
    make_both();
    REQUIRE(enroll("www", "www.example.com").status == 0);
  }
  // As of a clock that is thirty days ahead.
  CliResult ahead(const Words& words) const {
    Words all{"faketime", "-m", "--exclude-monotonic", "-f", "+30d", Cli::program().string()};
    all.insert(all.end(), words.begin(), words.end());
    return cli.other(all);
  }
  std::string judged(const std::string& crl) const {
    const auto result = cli.other({"openssl", "verify", "-crl_check", "-CAfile", "root.pem", "-untrusted",
                                   "issuing.pem", "-CRLfile", crl, "www.pem"});
    return result.out + result.err;
  }
  std::size_t numbers() const {
    return std::stoul(cli.other({"sqlite3", "store.db", "SELECT count(*) FROM crls"}).out);
  }
};

}  // namespace

TEST_CASE_METHOD(Ahead, "after a CRL of the future one of now is published by a person, and openssl takes that one") {
  const auto early = ahead({"ca", "crl", "issuing"});
  INFO(early.out << early.err);
  REQUIRE(early.status == 0);
  has(judged("issuing.crl"), "CRL is not yet valid");
  cli.write("future.crl", cli.read("issuing.crl"));

  const auto refused = cli.run({"ca", "crl", "issuing"});
  CHECK(refused.status == 1);
  has(flat(refused.err), "the last CRL is of ");
  has(flat(refused.err), "hsmbridge ca crl issuing --clock-was-ahead");
  CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 1);
  has(flat(cli.run({"doctor"}).out), "--clock-was-ahead, where this machine's clock is right");
  const auto unasked = cli.run({"ca", "crl", "issuing", "--clock-was-ahead"});
  CHECK(unasked.status == 4);
  has(flat(unasked.err), "The last CRL of issuing is number 1 of ");
  has(flat(unasked.err), "Is this clock right, and shall the next one be of now?");
  CHECK(cli.run({"ca", "crl", "issuing", "--clock-was-ahead", "--all", "--yes"}).status == 2);
  CHECK(numbers() == 1);

  const auto made = cli.run({"ca", "crl", "issuing", "--clock-was-ahead", "--yes"});
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  has(made.out, "CRL 2 of issuing with 0 revoked");
  has(flat(made.out), "whoever has fetched that keeps it until he fetches again");
  has(judged("issuing.crl"), "www.pem: OK");
  has(judged("future.crl"), "CRL is not yet valid");
  has(audit(), "\"after_crl_of\"");
  CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 0);
  has(cli.run({"ca", "list"}).out, "yes");

  // And as ever.
  const auto again = cli.run({"ca", "crl", "issuing", "--clock-was-ahead", "--yes"});
  CHECK(again.status == 1);
  has(flat(again.err), "no CRL of the CA issuing is of a time that has not come, and nothing was signed");
  CHECK(numbers() == 2);
  const auto listed = cli.run({"cert", "list", "--json", "--name", "www.example.com"}).json();
  const auto certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
  REQUIRE(cli.run({"cert", "revoke", certificate, "--reason", "superseded", "--yes"}).status == 0);
  has(cli.run({"ca", "crl", "issuing"}).out, "CRL 3 of issuing with 1 revoked");
  has(judged("issuing.crl"), "certificate revoked");
  CHECK(cli.run({"audit", "verify"}).status == 0);
}
