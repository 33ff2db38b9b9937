// What is recorded of the keys of CAs, and what they sign then.
#include "old_ca.h"

#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

struct Rooted : Place {
  std::string serial_of(const std::string& file) const {
    const auto serial = cli.other({"openssl", "x509", "-in", file, "-noout", "-serial"}).out;
    return serial.substr(serial.find('=') + 1, serial.size() - serial.find('=') - 2);
  }
  CliResult revoke(const std::string& ca, const std::string& serial, const std::string& reason) const {
    return cli.run({"ca", "revoke", ca, serial, "--reason", reason, "--yes"});
  }
  std::string own_certificates() const {
    return cli.other({"sqlite3", "store.db", "SELECT serial, subject, holder FROM certified_elsewhere"}).out;
  }
  std::string compromised_keys() const {
    return cli.other({"sqlite3", "store.db", "SELECT label FROM keys WHERE status = 'compromised'"}).out;
  }
  // As a version left it that wrote none down.
  void forget_certificates() const {
    const std::string trigger =
        cli.other(
               {"sqlite3", "store.db", "SELECT sql FROM sqlite_master WHERE name = 'certified_elsewhere_never_goes'"})
            .out;
    REQUIRE(cli.other({"sqlite3", "store.db",
                       "DROP TRIGGER certified_elsewhere_never_goes; DELETE FROM certified_elsewhere; " + trigger})
                .status == 0);
  }
};

}  // namespace

TEST_CASE_METHOD(Rooted, "the key of a root is recorded as compromised, and nothing is issued below it any more") {
  SECTION("its certificate is in the store") {
    make_both();
    has(own_certificates(), "|C=CH, O=Example, CN=Example Root|authority\n");
  }
  SECTION("its key was there before") {
    REQUIRE(cli.run({"key", "generate", "--token", "root", "--label", "root-2026", "--spec", "ec:P-384"}).status == 0);
    make_both();
    has(own_certificates(), "|C=CH, O=Example, CN=Example Root|authority\n");
  }
  SECTION("it was made by a version that did not write it down") {
    make_both();
    forget_certificates();
  }
  const std::string serial = serial_of("root.pem");
  // That of a CA below another one is a number of that other one.
  const auto below = revoke("issuing", serial_of("issuing.pem"), "cACompromise");
  CHECK(below.status == 1);
  has(flat(below.err), "has neither taken over a certificate with the serial number");

  const auto revoked = revoke("root", serial, "cACompromise");
  INFO(revoked.out << revoked.err);
  REQUIRE(revoked.status == 0);
  CHECK(compromised_keys() == "root-2026\n");
  CHECK(revoke("root", serial, "cACompromise").status == 1);
  has(audit(), "\"ca-revoked\"");
  has(flat(cli.run({"ca", "show", "root"}).out), "the key of \"C=CH, O=Example, CN=Example Root\" is recorded as");
  const auto waits = enroll("www", "www.example.com");
  CHECK(waits.status == 3);
  has(flat(waits.out + waits.err), "the key of \"C=CH, O=Example, CN=Example Root\" is recorded as compromised");

  // Nor is it a root's again.
  std::filesystem::rename(cli / "root.pem", cli / "away.pem");
  const auto again = cli.run({"ca", "init", "root", "--yes"});
  CHECK(again.status == 4);
  has(flat(again.err), "key root-2026 in token root gets no certificate: - key-compromised");
  CHECK_FALSE(cli.exists("root.pem"));
  CHECK_FALSE(cli.exists("root.pem.tbs"));
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(Rooted, "a root that was revoked for another reason is recorded as compromised later") {
  make_both();
  const bool is_known = GENERATE(true, false);
  if (!is_known) forget_certificates();
  const std::string serial = serial_of("root.pem");
  REQUIRE(revoke("root", serial, "cessationOfOperation").status == 0);
  CHECK(compromised_keys().empty());
  const auto learnt = revoke("root", serial, "keyCompromise");
  CHECK(learnt.status == 0);
  has(flat(learnt.out + learnt.err), "its key is recorded as compromised now");
  CHECK(compromised_keys() == "root-2026\n");
}

TEST_CASE_METHOD(OldCa, "a key of which only a takeover tells that it is compromised makes no root") {
  REQUIRE(adopt().status == 0);
  const auto own = cli.other({"openssl", "x509", "-in", "old.pem", "-noout", "-serial"}).out;
  const std::string number = own.substr(own.find('=') + 1, own.size() - own.find('=') - 2);
  REQUIRE(cli.run({"ca", "revoke", "old", number, "--reason", "keyCompromise", "--yes"}).status == 0);
  std::string text = cli.read("hsmbridge.yaml");
  const std::string before = "    certificate: old.pem\n";
  REQUIRE(text.find(before) != std::string::npos);
  text.replace(text.find(before), before.size(),
               "    certificate: new.pem\n"
               "    root: {subject: {CN: New CA}, key: \"ec:P-256\", validity: 7300d}\n");
  cli.write("hsmbridge.yaml", text);
  const auto refused = cli.run({"ca", "init", "old", "--yes"});
  CHECK(refused.status == 4);
  has(flat(refused.err), "gets no certificate: - key-compromised");
  CHECK_FALSE(cli.exists("new.pem"));
}

TEST_CASE_METHOD(OldCa, "a key that was destroyed in one token issues from the one that the configuration names") {
  REQUIRE(adopt().status == 0);
  cli.make_token("new");
  good({"softhsm2-util", "--import", "old.p8", "--token", "new", "--label", "old-ca", "--id", "0a02", "--pin", "1234"});
  const auto deleted = cli.run({"key", "delete", "--token", "ca", "old-ca", "--yes", "--force"});
  INFO(deleted.out << deleted.err);
  REQUIRE(deleted.status == 0);
  REQUIRE(asked("SELECT token FROM keys WHERE status = 'destroyed'") == "ca\n");
  has(flat(cli.run({"ca", "show", "old"}).out), "is recorded as destroyed");
  std::string text = cli.read("hsmbridge.yaml");
  const std::string key = "key: {token: ca, key: old-ca";
  REQUIRE(text.find(key) != std::string::npos);
  text.replace(text.find(key), key.size(), "key: {token: new, key: old-ca");
  const std::string begin = "tokens:\n";
  text.insert(text.find(begin) + begin.size(),
              "  new: {module: " + Cli::module().string() + ", uri: 'pkcs11:token=new', pin: 'file:new.pin'}\n");
  cli.write("hsmbridge.yaml", text);
  const auto issued = cli.run({"enroll", "--profile", "server", "--new-key", "www", "--subject", "CN=www.example.com",
                               "--san", "dns:www.example.com"});
  INFO(issued.out << issued.err);
  CHECK(issued.status == 0);
  good({"openssl", "verify", "-x509_strict", "-CAfile", "old.pem", "www.pem"});
}
