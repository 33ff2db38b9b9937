// CRLs of a root about CAs alone, as other programs judge them.
#include "old_ca.h"

#include <filesystem>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

const std::string kRootCrl = "crl: {file: root.crl, url: \"http://ca.example.com/root.crl\", read_back: false";

struct Scoped : Place {
  Scoped() {
    change("    root: {subject: {C: CH, O: Example, CN: Example Root}",
           "    " + kRootCrl + ", scope: ca}\n" +
               "    root: {subject: {C: CH, O: Example, CN: "
               "Example Root}");
    make_both();
  }
  void change(const std::string& from, const std::string& to) const {
    std::string text = cli.read("hsmbridge.yaml");
    REQUIRE(text.find(from) != std::string::npos);
    cli.write("hsmbridge.yaml", text.replace(text.find(from), from.size(), to));
  }
  CliResult crl(const std::string& ca) const {
    const auto done = cli.run({"ca", "crl", ca});
    INFO(done.out << done.err);
    CHECK(done.status == 0);
    return done;
  }
  std::string root_crl() const {
    return cli.other({"openssl", "crl", "-in", "root.crl", "-noout", "-text", "-crlnumber", "-CAfile", "root.pem"}).out;
  }
  // Every certificate of the path against the CRL of its issuer.
  CliResult judged(const std::string& file, const Words& more = {}) const {
    Words words{"openssl",    "verify",      "-x509_strict", "-crl_check_all", "-CAfile",  "root.pem",
                "-untrusted", "issuing.pem", "-CRLfile",     "root.crl",       "-CRLfile", "issuing.crl"};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(file);
    return cli.other(words);
  }
  // In PEM, which GnuTLS and zlint read without being told.
  void write_pem() const {
    const auto pem = cli.other({"openssl", "crl", "-in", "root.crl", "-outform", "PEM"});
    REQUIRE(pem.status == 0);
    cli.write("root.crl.pem", pem.out);
  }
  CliResult certtool(const std::string& file) const {
    write_pem();
    return cli.other(
        {"certtool", "--verify", "--load-ca-certificate", "root.pem", "--load-crl", "root.crl.pem", "--infile", file});
  }
  std::string numbers() const { return cli.other({"sqlite3", "store.db", "SELECT count(*) FROM crls"}).out; }
};

}  // namespace

TEST_CASE_METHOD(Scoped, "a CRL about CAs alone revokes a CA for openssl and GnuTLS, and zlint has no objection") {
  const auto made = crl("root");
  has(made.out, "CRL 1 of root, about CAs alone, with 0 revoked");
  has(root_crl(), "X509v3 Issuing Distribution Point: critical\n                Only CA Certificates");
  crl("issuing");
  REQUIRE(enroll("www", "www.example.com").status == 0);
  for (const Words& more : {Words{}, Words{"-extended_crl"}}) {
    const auto good = judged("www.pem", more);
    INFO(good.out << good.err);
    CHECK(good.status == 0);
  }
  CHECK(certtool("issuing.pem").status == 0);

  const Json listed = cli.run({"cert", "list", "--json", "--name", "Example Issuing"}).json();
  const auto issuing = listed.at("certificates").as_array().at(0).at("sha256").as_string();
  REQUIRE(cli.run({"cert", "revoke", issuing, "--reason", "cACompromise", "--yes"}).status == 0);
  has(crl("root").out, "with 1 revoked");
  const auto bad = judged("www.pem");
  CHECK(bad.status != 0);
  has(bad.err, "error 23 at 1 depth lookup: certificate revoked");
  CHECK(certtool("issuing.pem").status != 0);
  has(certtool("issuing.pem").out, "The certificate chain is revoked");
  const auto lint = cli.other({"sh", "-c", "PATH=/usr/local/bin:$PATH; ! command -v zlint || zlint root.crl.pem"});
  INFO(lint.out << lint.err);
  CHECK(lint.status == 0);
  // It knows no cACompromise (BR 7.2.2).
  std::string others = lint.out;
  if (const auto at = others.find("\"e_cab_crl_has_valid_reason_code\":{\"result\":\"error\"");
      at != std::string::npos) {
    others.erase(at, others.find('}', at) - at);
  }
  CHECK(others.find("\"result\":\"error\"") == std::string::npos);

  has(flat(cli.run({"ca", "show", "root"}).out), "CRL scope: the certificates of CAs alone (onlyContainsCACerts)");
  CHECK(cli.run({"ca", "show", "root", "--json"}).json().at("crls").as_array().at(0).at("scope").as_string() == "ca");
  has(flat(cli.run({"doctor"}).out),
      "number 2, valid until " +
          cli.run({"ca", "show", "root", "--json"}).json().at("crl").at("next_update").as_string() +
          ", about CAs alone");
}

TEST_CASE_METHOD(Scoped, "the scope is changed to all and back, and whoever certifies others cannot have it") {
  crl("root");
  change("scope: ca", "scope: all");
  const auto doctor = cli.run({"doctor"});
  CHECK(doctor.status == 1);
  has(flat(doctor.out), "about CAs alone; the next one is to be about all certificates (scope: all)");
  has(flat(cli.run({"ca", "show", "root"}).out), "the last one is about CAs alone, and `scope` says all certificates");
  crl("root");
  CHECK(root_crl().find("Issuing Distribution Point") == std::string::npos);
  has(root_crl(), "crlNumber=0x02");
  change("scope: all", "scope: ca");
  crl("root");
  has(root_crl(), "Only CA Certificates");
  has(root_crl(), "crlNumber=0x03");

  // The issuing CA has a profile for servers, and has certified one.
  crl("issuing");
  REQUIRE(enroll("www", "www.example.com").status == 0);
  change("issuing.crl\", read_back: false}", "issuing.crl\", read_back: false, scope: ca}");
  const auto refused = cli.run({"ca", "list"});
  CHECK(refused.status != 0);
  has(flat(refused.out + refused.err), "is ca, and the profile tls makes no CAs (basic_constraints: CA:TRUE)");
  CHECK(cli.run({"ca", "crl", "issuing"}).status != 0);
  change("        for: [server]\n        usage: [digitalSignature]",
         "        usage: [keyCertSign]\n        basic_constraints: \"CA:TRUE\"");
  change("rules: cabf-tls", "policy_url: \"https://ca.example.com/cps\"");
  const std::string before = numbers();
  const auto others = cli.run({"ca", "crl", "issuing"});
  CHECK(others.status == 1);
  has(flat(others.err), "the CA issuing has certified CN=www.example.com, which is not a CA (serial number ");
  has(flat(others.err), "a CRL about CAs alone (scope: ca) would say nothing of it");
  CHECK(numbers() == before);
  const auto told = cli.run({"doctor"});
  CHECK(told.status == 1);
  has(flat(told.out), "has certified CN=www.example.com, which is not a CA");
  change("issuing.crl\", read_back: false, scope: ca}", "issuing.crl\", read_back: false}");
  crl("issuing");
}

namespace {

// A CA of openssl that is to have CRLs about CAs alone from now on.
struct OldRoot : OldCa {
  OldRoot() : OldCa(0, 0) {
    change("hsmbridge.yaml", "server: {validity: 30d, usage: [digitalSignature], extended_usage: [serverAuth]}",
           "sub-ca: {usage: [keyCertSign, cRLSign], basic_constraints: \"CA:TRUE\"}");
    change("hsmbridge.yaml", "crl: {file: published.crl}", "crl: {file: published.crl, scope: ca}");
  }
  void change(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = cli.read(file);
    REQUIRE(text.find(from) != std::string::npos);
    cli.write(file, text.replace(text.find(from), from.size(), to));
  }
};

}  // namespace

TEST_CASE_METHOD(OldRoot, "a CA that has certified others elsewhere is not taken over with CRLs about CAs alone") {
  issue(2);
  publish();
  const auto known = adopt();
  CHECK(known.status == 1);
  has(flat(known.err), "the CA old has certified CN=leaf, which is not a CA (serial number 100");
  has(flat(known.err), "nothing was taken over");
  const auto unknown = adopt({"--index", "index.txt", "--crl", "last.pem"});
  CHECK(unknown.status == 1);
  has(flat(unknown.err), "elsewhere (serial number 100");
  has(flat(unknown.err), "nobody has said whether that is a CA");
  has(flat(unknown.err), "--certificates");
  CHECK(asked("SELECT count(*) FROM crls") == "0\n");
  CHECK(asked("SELECT count(*) FROM certified_elsewhere") == "0\n");
}

TEST_CASE_METHOD(OldRoot, "a CA of CAs is taken over with its CRL, about all certificates or about CAs alone") {
  change("openssl.cnf", "basicConstraints = CA:FALSE",
         "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign");
  issue(2);
  revoke(0, "cACompromise");
  Words sources{"--index", "index.txt", "--certificates", "newcerts", "--crl", "last.pem"};
  SECTION("about all") {
    publish();
    CHECK(adopt(sources).status == 0);
  }
  SECTION("about CAs alone, and whose the certificates are nobody says") {
    change("openssl.cnf", "[crl]\n", "[idp]\nonlyCA = TRUE\n[crl]\nissuingDistributionPoint = critical, @idp\n");
    publish();
    sources = {"--index", "index.txt", "--crl", "last.pem"};
    const auto adopted = adopt(sources);
    INFO(adopted.out << adopted.err);
    CHECK(adopted.status == 0);
  }
  const std::string text = crl_text();
  has(text, "Only CA Certificates");
  has(text, "CA Compromise");
  CHECK(judged(0).status != 0);
  const auto good = judged(1);
  INFO(good.out << good.err);
  CHECK(good.status == 0);
  CHECK(cli.run({"ca", "crl", "old"}).status == 0);
}
