// One name is one CA's: verifiers find its CRLs by it, and its numbers are counted by it.
#include "old_ca.h"

#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

// Beside root and issuing CA another root and another issuing CA, each with a key of its own.
struct Named : Place {
  Named() {
    make_both();
    change("\nprofiles:\n", R"(
  issuing-b:
    type: local-ca
    certificate: issuing-b.pem
    chain: root.pem
    key: {token: ca, key: issuing-b}
    crl: {file: issuing-b.crl}
    profiles: {}
  root-b:
    type: local-ca
    certificate: root-b.pem
    key: {token: root, key: root-b}
    root: {subject: {C: CH, O: Example, CN: EXAMPLE Root}, key: "ec:P-384", validity: 7300d}
    profiles: {}

profiles:
  sub-ca-b:
    key: "ec:P-256"
    subject: {C: CH, O: Example, CN: Example Issuing B}
    extended_usage: [serverAuth]
    anchors: [root.pem]
)");
  }
  void change(const std::string& from, const std::string& to) const {
    std::string text = cli.read("hsmbridge.yaml");
    REQUIRE(text.find(from) != std::string::npos);
    cli.write("hsmbridge.yaml", text.replace(text.find(from), from.size(), to));
  }
  void refuses(const Words& words, const std::string& why, const std::string& token, const std::string& key) const {
    const auto result = cli.run(words);
    CHECK(result.status == 1);
    has(flat(result.err), why);
    has(flat(result.err), "give it a subject of its own");
    CHECK(cli.pkcs11_tool(token, {"--list-objects"}).out.find(key) == std::string::npos);
    CHECK(cli.run({"request", "list", "--open", "--json"}).json().at("requests").as_array().empty());
  }
};

}  // namespace

TEST_CASE_METHOD(Named, "a CA with the subject of another one is refused before its key is made") {
  refuses({"ca", "init", "issuing-b", "--parent", "root", "--yes"},
          "\"C=CH, O=Example, CN=Example Issuing\" is the subject of the CA issuing", "ca", "issuing-b");
  refuses({"ca", "init", "root-b", "--yes"}, "\"C=CH, O=Example, CN=EXAMPLE Root\" is the subject of the CA root",
          "root", "root-b");
}

TEST_CASE_METHOD(Named, "a second CA with a subject of its own publishes CRLs of its own") {
  change("      sub-ca:\n", "      sub-ca:\n        for: [sub-ca, sub-ca-b]\n");
  const auto made =
      cli.run({"ca", "init", "issuing-b", "--parent", "root", "--profile", "sub-ca-b", "--path-length", "0", "--yes"});
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  for (const std::string ca : {"issuing", "issuing-b"}) {
    const auto crl = cli.run({"ca", "crl", ca});
    INFO(crl.err);
    CHECK(crl.status == 0);
    has(crl.out, "CRL 1 of " + ca + " with 0 revoked");
  }
}

TEST_CASE_METHOD(Named, "under a name with serial numbers no other key is made") {
  change("certificate: root.pem", "certificate: root-2027.pem");
  change("key: root-2026}", "key: root-2027}");
  refuses({"ca", "init", "root", "--yes"}, "serial numbers were given under the name \"C=CH, O=Example, CN=Example",
          "root", "root-2027");
}

TEST_CASE_METHOD(Named, "a CSR of another key gets no CA of the name of one that is beside it") {
  const auto csr =
      cli.other({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                 "brought.key", "-out", "brought.csr", "-subj", "/C=CH/O=Example/CN=Example Issuing"});
  REQUIRE(csr.status == 0);
  const auto refused = cli.run({"enroll", "--csr", "brought.csr", "--ca", "--path-length", "0", "--provider", "root",
                                "--profile", "sub-ca", "--install", "file:leaf:" + (cli / "brought.pem").string()});
  INFO(refused.out << refused.err);
  CHECK(refused.status == 4);
  has(flat(refused.out + refused.err),
      "it has the name of the CA \"C=CH, O=Example, CN=Example Issuing\" and another key");
  CHECK_FALSE(cli.exists("brought.pem"));
}

TEST_CASE_METHOD(OldCa, "a CA with the subject of one that is here already is not taken over") {
  std::string text = cli.read("hsmbridge.yaml");
  const std::string begin = "providers:\n";
  text.insert(text.find(begin) + begin.size(), R"(  other:
    type: local-ca
    certificate: other.pem
    key: {token: ca, key: other}
    root: {subject: {C: CH, O: Example, CN: Old CA}, key: "ec:P-256", validity: 7300d}
    profiles: {}
)");
  cli.write("hsmbridge.yaml", text);
  std::filesystem::rename(cli / "old.pem", cli / "away.pem");
  const auto other = cli.run({"ca", "init", "other", "--yes"});
  INFO(other.err);
  REQUIRE(other.status == 0);
  std::filesystem::rename(cli / "away.pem", cli / "old.pem");
  const auto refused = adopt();
  CHECK(refused.status == 1);
  has(flat(refused.err), "\"C=CH, O=Example, CN=Old CA\" is the subject of the CA other too, which has another key");
  CHECK_FALSE(cli.exists("published.crl"));
  CHECK(asked("SELECT count(*) FROM revocations") == "0\n");
}
