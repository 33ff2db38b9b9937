// Another linter in front of the signature of a CA: the real program.
#include "place.h"

using namespace hsmbridge;
using namespace hsmbridge::test;

TEST_CASE_METHOD(Place, "zlint finds no error in what is issued, and is asked before the signature") {
  cli.set("PATH", "/usr/local/bin:" + cli.environment().at("PATH"));
  configure(R"(        validity: tls-br
        ocsp_url: "http://ocsp.example.com/"
    lint: [built-in, zlint]
)");
  make_both();
  const auto made = enroll("www", "www.example.com");
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  trusted("www.pem");
  const auto zlint = cli.other({"zlint", "www.pem"});
  CHECK(zlint.status == 0);
  CHECK(zlint.out.find("\"result\":\"error\"") == std::string::npos);
  has(cli.other({"zlint", "issuing.pem"}).out, "\"result\":\"pass\"");
  CHECK(cli.other({"zlint", "issuing.pem"}).out.find("\"result\":\"error\"") == std::string::npos);
  // A name that the built-in rules know nothing of, and zlint does.
  const auto refused = enroll("odd", "www.example.nosuchtld");
  CHECK(refused.status == 4);
  has(flat(refused.out + refused.err), "zlint/e_dnsname_not_valid_tld");
}
