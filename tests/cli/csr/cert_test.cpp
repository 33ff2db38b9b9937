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

TEST_CASE("what a CA adds from its template is noted and a power is a fault until it is accepted") {
  const Issued issued;
  const auto with = [&](const std::string& usages) {
    issued.cli.write("template", "subjectAltName=DNS:www.example.com\nextendedKeyUsage=" + usages +
                                     "\nkeyUsage=critical,digitalSignature,keyEncipherment\n");
    issued.run({"openssl", "x509", "-req", "-in", "a.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "30",
                "-extfile", "template", "-out", "t.pem"});
  };
  const std::vector<std::string> verify{"cert", "verify", "t.pem", "--csr", "a.csr", "--anchor", "ca.pem"};
  with("serverAuth,clientAuth");
  const auto added = issued.cli.run(verify);
  INFO(added.out << added.err);
  CHECK(added.status == 0);
  CHECK(added.out ==
        "note   key-usage-added: not asked, found digitalSignature, keyEncipherment\n"
        "note   extended-key-usage-added: not asked, found clientAuth\n"
        "ok     O=Example, CN=www answers the request\n"
        "       under O=Example, CN=Test CA\n");
  with("serverAuth,OCSPSigning");
  const auto power = issued.cli.run(verify);
  CHECK(power.status == 1);
  CHECK(power.out.find("fault  ocsp-signing-added: not asked, found OCSPSigning\n") == 0);
  auto accepting = verify;
  accepting.insert(accepting.end(), {"--accept", "ocsp-signing-added"});
  CHECK(issued.cli.run(accepting).status == 0);
}

TEST_CASE("the leaf of a file stays its first certificate whatever an editor did to the file") {
  const Issued issued;
  const Cli& cli = issued.cli;
  std::string leaf = cli.read("a.pem");
  leaf.pop_back();
  cli.write("glued.pem", "\xEF\xBB\xBF" + leaf + cli.read("ca.pem"));
  const auto result = cli.run({"cert", "verify", "glued.pem", "--csr", "a.csr", "--anchor", "ca.pem"});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(result.out.find("ok     O=Example, CN=www answers the request\n") != std::string::npos);
}

TEST_CASE("of a bundle of anchors the odd members are named and the good ones count") {
  const Issued issued;
  const Cli& cli = issued.cli;
  issued.run({"openssl", "x509", "-in", "ca.pem", "-trustout", "-out", "trusted.pem"});
  const std::string odd = "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n";
  cli.write("bundle.pem", odd + cli.read("trusted.pem") + cli.read("ca.pem"));
  const auto result = cli.run({"cert", "verify", "a.pem", "--anchor", "bundle.pem"});
  INFO(result.out << result.err);
  CHECK(result.status == 0);
  CHECK(result.err ==
        "hsmbridge: warning: bundle.pem: left out: line 1: X509 CRL, which is not read as a certificate\n"
        "hsmbridge: warning: bundle.pem: left out: line 4: TRUSTED CERTIFICATE, which is not read as a certificate\n");
  cli.write("bundle.pem", cli.read("ca.pem") + cli.read("ca.key"));
  const auto refused = cli.run({"cert", "verify", "a.pem", "--anchor", "bundle.pem"});
  CHECK(refused.status == 2);
  CHECK(refused.err.find("hsmbridge: bundle.pem: line ") == 0);
  CHECK(refused.err.find("it holds a private key (PRIVATE KEY), which is not read") != std::string::npos);
}

TEST_CASE("a signature with another salt length is checked and not just disbelieved") {
  const Issued issued;
  const std::vector<std::string> root{"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                                      "-days",   "100", "-subj", "/CN=ca",  "-keyout"};
  for (const std::string name : {"one", "two"}) {
    auto words = root;
    words.insert(words.end(), {name + ".key", "-out", name + ".pem"});
    issued.run(words);
  }
  issued.run({"openssl", "x509",
              "-req",    "-in",
              "a.csr",   "-CA",
              "one.pem", "-CAkey",
              "one.key", "-days",
              "30",      "-copy_extensions",
              "copy",    "-sha256",
              "-sigopt", "rsa_padding_mode:pss",
              "-sigopt", "rsa_pss_saltlen:20",
              "-out",    "pss.pem"});
  const auto good = issued.cli.run({"cert", "verify", "pss.pem", "--csr", "a.csr", "--anchor", "one.pem"});
  INFO(good.out << good.err);
  CHECK(good.status == 0);
  const auto other = issued.cli.run({"cert", "verify", "pss.pem", "--csr", "a.csr", "--anchor", "two.pem"});
  CHECK(other.status == 1);
  CHECK(other.out.find("signature-bad") != std::string::npos);  // it was checked, and that key did not make it
}
