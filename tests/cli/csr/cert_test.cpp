#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <string>

using hsmbridge::test::Cli;

namespace {

// A CA of openssl's, a CSR of ours, and the certificate that the CA makes of it.
struct Issued {
  Cli cli;
  Issued() {
    cli.make_token("web");
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         "ca.key", "-out", "ca.pem", "-days", "100", "-subj", "/O=Example/CN=Test CA"});
    const auto made =
        cli.run(cli.on("web", {"csr", "create", "--new-key", "a", "--subject", "O=Example, CN=www", "--san",
                               "dns:www.example.com", "--extended-usage", "serverAuth", "--out", "a.csr"}));
    REQUIRE(made.status == 0);
    run({"openssl", "x509", "-req", "-in", "a.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "30",
         "-copy_extensions", "copy", "-out", "a.pem"});
  }
  void run(const std::vector<std::string>& argv) const {
    const auto result = cli.other(argv);
    INFO(result.err);
    REQUIRE(result.status == 0);
  }
};

}  // namespace

TEST_CASE("a certificate that answers its request verifies to its anchor") {
  const Issued issued;
  const auto result = issued.cli.run({"cert", "verify", "a.pem", "--csr", "a.csr", "--anchor", "ca.pem"});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(result.out.find("ok     O=Example, CN=www answers the request\n") != std::string::npos);
  CHECK(result.out.find("       under O=Example, CN=Test CA\n") != std::string::npos);
  CHECK(issued.cli.run({"cert", "verify", "a.pem", "--csr", "a.csr"}).status == 0);
  CHECK(issued.cli.run({"cert", "verify", "a.pem", "--anchor", "ca.pem"}).status == 0);
}

TEST_CASE("a certificate without the names that were asked is a fault") {
  const Issued issued;
  issued.run({"openssl", "x509", "-req", "-in", "a.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "30", "-out",
              "bare.pem"});
  const auto result = issued.cli.run({"cert", "verify", "bare.pem", "--csr", "a.csr", "--anchor", "ca.pem"});
  CHECK(result.status == 1);
  CHECK(result.out.find("fault  san-") != std::string::npos);
  CHECK(result.out.find("ok  ") == std::string::npos);
}

TEST_CASE("a certificate for another key or under another CA is a fault") {
  const Issued issued;
  REQUIRE(issued.cli
              .run(issued.cli.on("web", {"csr", "create", "--new-key", "b", "--subject", "O=Example, CN=www", "--san",
                                         "dns:www.example.com", "--out", "b.csr"}))
              .status == 0);
  const auto other_key = issued.cli.run({"cert", "verify", "a.pem", "--csr", "b.csr", "--json"});
  CHECK(other_key.status == 1);
  CHECK(other_key.json().at("findings").as_array()[0].at("name").as_string() == "key-differs");
  issued.run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
              "x.key", "-out", "x.pem", "-days", "100", "-subj", "/O=Example/CN=Test CA"});
  const auto other_ca = issued.cli.run({"cert", "verify", "a.pem", "--anchor", "x.pem"});
  CHECK(other_ca.status == 1);
  CHECK(other_ca.out.rfind("fault  chain-unanchored: ", 0) == 0);
}

TEST_CASE("a certificate is judged at the time that is named") {
  const Issued issued;
  CHECK(issued.cli.run({"cert", "verify", "a.pem", "--anchor", "ca.pem", "--at", "2001-01-01T00:00:00Z"}).status == 1);
  CHECK(issued.cli.run({"cert", "verify", "a.pem", "--anchor", "ca.pem", "--at", "yesterday"}).status == 2);
}

TEST_CASE("nothing to verify against is a usage error") {
  const Issued issued;
  const auto result = issued.cli.run({"cert", "verify", "a.pem"});
  CHECK(result.status == 2);
  CHECK(result.err == "hsmbridge: there is nothing to verify against\n  → give --csr FILE, --anchor FILE or both\n");
}

TEST_CASE("cert show shows every certificate of its files") {
  const Issued issued;
  const auto result = issued.cli.run({"cert", "show", "a.pem", "ca.pem", "--json"});
  CHECK(result.status == 0);
  CHECK(result.json().at("certificates").as_array().size() == 2);
  CHECK(issued.cli.run({"cert", "show", "a.pem"}).out.find("www.example.com") != std::string::npos);
  CHECK(issued.cli.run({"cert", "show", "a.csr"}).status == 2);
}
