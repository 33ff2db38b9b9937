// CAs whose keys are in tokens, as their operator makes and uses them; what they issue is judged by openssl and
// certtool.
#include "support/cli/cli.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using hsmbridge::Json;
using hsmbridge::test::Cli;
using hsmbridge::test::CliResult;

namespace {

using Words = std::vector<std::string>;

// Whatever the width at which sentences are wrapped.
std::string flat(const std::string& text) {
  std::string words;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n';
    if (!blank || (!words.empty() && words.back() != ' ')) words += blank ? ' ' : c;
  }
  return words;
}

bool has(const std::string& text, const std::string& part) {
  INFO("looking for: " << part << "\nin: " << text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

// A root, an issuing CA and servers, in a token each.
struct Place {
  Cli cli;

  Place() {
    for (const char* token : {"root", "ca", "web"}) cli.make_token(token);
    cli.set("HSMBRIDGE_CONFIG", (cli / "hsmbridge.yaml").string());
    configure();
  }
  // `tls`: lines of the issuing CA's profile for servers. `sub_ca`: of the root's for CAs.
  void configure(const std::string& tls = "        validity: tls-br\n", const std::string& sub_ca = "") const {
    std::string text = "store: {path: store.db}\ntokens:\n";
    for (const std::string token : {"root", "ca", "web"}) {
      text += "  " + token + ": {module: " + Cli::module().string() + ", uri: 'pkcs11:token=" + token +
              "', pin: 'file:" + token + ".pin'}\n";
    }
    text += R"(
providers:
  root:
    type: local-ca
    certificate: root.pem
    key: {token: root, key: root-2026}
    root: {subject: {C: CH, O: Example, CN: Example Root}, key: "ec:P-384", validity: 7300d, path_length: 1}
    profiles:
      sub-ca:
        validity: 3650d
        usage: [keyCertSign, cRLSign]
        extended_usage: [serverAuth]
        basic_constraints: "CA:TRUE,pathlen:1"
        name_constraints: ["permitted;dns:example.com"]
        policies: [2.5.29.32.0]
        crl_url: "http://ca.example.com/root.crl"
        issuer_url: "http://ca.example.com/root.crt"
        rules: cabf-sub-ca
)" + sub_ca +
            R"(
  issuing:
    type: local-ca
    certificate: issuing.pem
    chain: root.pem
    key: {token: ca, key: issuing-2026}
    profiles:
      tls:
        for: [server]
        usage: [digitalSignature]
        extended_usage: [serverAuth]
        policies: ["2.23.140.1.2.1;cps:https://ca.example.com/cps"]
        crl_url: "http://ca.example.com/issuing.crl"
        issuer_url: "http://ca.example.com/issuing.crt"
        rules: cabf-tls
)" + tls + R"(
profiles:
  sub-ca:
    key: "ec:P-256"
    subject: {C: CH, O: Example, CN: Example Issuing}
    extended_usage: [serverAuth]
    anchors: [root.pem]
  server: {provider: issuing, token: web, key: "ec:P-256", anchors: [root.pem], install: {token: true, file: )" +
            (cli / "www.pem").string() + "}}\n";
    cli.write("hsmbridge.yaml", text);
  }
  void make_both() const {
    const auto root = cli.run({"ca", "init", "root", "--yes"});
    INFO(root.err);
    REQUIRE(root.status == 0);
    const auto issuing = cli.run({"ca", "init", "issuing", "--parent", "root", "--path-length", "0", "--yes"});
    INFO(issuing.out << issuing.err);
    REQUIRE(issuing.status == 0);
  }
  CliResult enroll(const std::string& key, const std::string& name, const Words& more = {}) const {
    Words words{"enroll", "--profile", "server", "--new-key", key, "--subject", "CN=" + name, "--san", "dns:" + name};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }
  // Both programs: openssl strictly, and GnuTLS by the chain that was installed.
  void trusted(const std::string& file) const {
    const auto openssl =
        cli.other({"openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "issuing.pem", file});
    INFO(openssl.out << openssl.err);
    CHECK(openssl.status == 0);
    const auto certtool = cli.other({"certtool", "--verify-chain"}, cli.read(file) + cli.read("root.pem"));
    INFO(certtool.out << certtool.err);
    CHECK(certtool.status == 0);
  }
  std::string text_of(const std::string& file) const {
    return cli.other({"openssl", "x509", "-in", file, "-noout", "-text"}).out;
  }
  std::string audit() const { return cli.other({"sqlite3", "store.db", "SELECT CAST(data AS TEXT) FROM leaves"}).out; }
};

}  // namespace

TEST_CASE_METHOD(Place, "a root and a CA below it are made in tokens, and what they issue is trusted") {
  const auto none = cli.run({"ca", "list"});
  CHECK(none.status == 0);
  has(none.out, "root     -      no");
  make_both();
  trusted("issuing.pem");
  const std::string root = text_of("root.pem");
  has(root, "Issuer: C = CH, O = Example, CN = Example Root\n");
  has(root, "CA:TRUE, pathlen:1");
  has(root, "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign");
  has(root, "Signature Algorithm: ecdsa-with-SHA384");
  const std::string issuing = text_of("issuing.pem");
  has(issuing, "CA:TRUE, pathlen:0");
  has(issuing, "X509v3 Name Constraints: critical");
  has(issuing, "X509v3 Any Policy");

  const auto made = enroll("www", "www.example.com");
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  trusted("www.pem");
  const std::string www = text_of("www.pem");
  has(www, "CPS: https://ca.example.com/cps");
  has(www, "URI:http://ca.example.com/issuing.crl");
  has(www, "CA Issuers - URI:http://ca.example.com/issuing.crt");

  const Json shown = cli.run({"ca", "show", "issuing", "--json"}).json();
  CHECK(shown.at("subject").as_string() == "C=CH, O=Example, CN=Example Issuing");
  CHECK(shown.at("serials_taken").as_integer() == 1);
  CHECK(shown.at("obstacles").as_array().size() == 0);
  const auto listed = cli.run({"ca", "list", "--json"}).json();
  CHECK(listed.at("cas").as_array().size() == 2);

  // Each signature of a CA's key is in the log before it was made, with the number and the digest of what was signed.
  const std::string leaves = audit();
  has(leaves, "ca-key-use");
  has(leaves, "ca-key-used");
  has(leaves, "ca-initialised");
  has(leaves, "to_be_signed_sha256");
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

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

TEST_CASE_METHOD(Place, "a CA that has a certificate is not made again, and its file is not touched") {
  make_both();
  const std::string before = cli.read("root.pem") + cli.read("issuing.pem");
  for (const Words& words :
       {Words{"ca", "init", "root", "--yes"}, Words{"ca", "init", "issuing", "--parent", "root", "--yes"}}) {
    const auto again = cli.run(words);
    CHECK(again.status == 1);
    has(again.err, "is there, and was not touched");
  }
  CHECK(cli.read("root.pem") + cli.read("issuing.pem") == before);
  const auto unasked = cli.run({"ca", "init", "root"});
  CHECK(unasked.status != 0);
}

TEST_CASE_METHOD(Place, "without a terminal and without --yes no CA is made") {
  const auto made = cli.run({"ca", "init", "root"});
  CHECK(made.status == 4);
  has(made.err, "give --yes");
  CHECK_FALSE(cli.exists("root.pem"));
  CHECK(cli.pkcs11_tool("root", {"--list-objects"}).out.find("root-2026") == std::string::npos);
}

TEST_CASE_METHOD(Place, "a CA below another one may have no more CAs below it than those above permit") {
  REQUIRE(cli.run({"ca", "init", "root", "--yes"}).status == 0);
  const auto refused = cli.run({"ca", "init", "issuing", "--parent", "root", "--path-length", "2", "--yes"});
  CHECK(refused.status == 4);
  has(refused.out + refused.err, "limits the path length to 1, and 2 is asked for");
  CHECK_FALSE(cli.exists("issuing.pem"));
}

TEST_CASE_METHOD(Place, "what the CA's profile, its linter or the CAs above forbid is refused before its key is used") {
  make_both();
  struct Row {
    std::string name;
    Words more;
    std::string why;
  };
  const auto count = [&] {
    return cli
        .other({"sqlite3", "store.db", "SELECT count(*) FROM leaves WHERE CAST(data AS TEXT) LIKE '%\"ca-key-use\"%'"})
        .out;
  };
  const std::string before = count();
  int number = 0;
  for (const Row& row : {
           Row{"www.example.com",
               {"--extended-usage", "codeSigning"},
               "profile tls does not permit the extended key usage codeSigning"},
           Row{"www.example.com",
               {"--usage", "keyEncipherment"},
               "profile tls does not permit the key usage keyEncipherment"},
           Row{"www.example.com", {"--ca"}, "profile tls makes no CAs"},
           Row{"www.example.com", {"--validity", "300d"}, "profile tls gives certificates until"},
           Row{"www.example.com", {"--extension", "1.2.3.4=0500"}, "profile tls does not permit the extension 1.2.3.4"},
           Row{"www.example.com", {"--policy", "1.2.3.4"}, "profile tls does not have the policy 1.2.3.4"},
           Row{"server",
               {},
               "cabf-tls-names (BR 7.1.2.7.12, 7.1.4.3): dns:server is not a fully qualified domain name"},
           Row{"www.example.org", {}, "lies outside what \"C=CH, O=Example, CN=Example Issuing\" permits"},
       }) {
    CAPTURE(row.name, row.why);
    const auto made = enroll("key-" + std::to_string(++number), row.name, row.more);
    CHECK(made.status == 4);
    has(flat(made.out + made.err), row.why);
  }
  CHECK(count() == before);
  CHECK_FALSE(cli.exists("www.pem"));
}

TEST_CASE_METHOD(Place, "a CA whose key is another one than its certificate's signs nothing") {
  make_both();
  REQUIRE(
      cli.run({"key", "delete", "--token", "ca", "issuing-2026", "--yes", "--force", "--with-certificates"}).status ==
      0);
  REQUIRE(cli.run({"key", "generate", "--token", "ca", "--label", "issuing-2026"}).status == 0);
  const auto made = enroll("www", "www.example.com");
  CHECK(made.status == 3);
  has(made.out + made.err, "another key");
  CHECK_FALSE(cli.exists("www.pem"));
}
