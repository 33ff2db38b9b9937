// A store that was restored from a backup: its CA signs nothing until it was told what the lost one did.
#include "place.h"

#include <csignal>
#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

// Before the backup one server, and CRL 1. After it a second server, the first one revoked, and CRL 2.
struct Restored : Place {
  Restored() {
    make_both();
    REQUIRE(enroll("www", "www.example.com").status == 0);
    REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
    std::filesystem::copy(cli / "issuing.crl", cli / "before.crl");
    REQUIRE(cli.run({"store", "backup", "backup.db"}).status == 0);
    std::filesystem::rename(cli / "www.pem", cli / "first.pem");
    REQUIRE(enroll("web", "web.example.com").status == 0);
    std::filesystem::create_directory(cli / "since");
    std::filesystem::rename(cli / "www.pem", cli / "since/second.pem");
    revoke("www.example.com", "keyCompromise");
    revoke("web.example.com", "superseded");
    REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
    std::filesystem::copy(cli / "issuing.crl", cli / "last.crl");
    restore();
    CHECK(cli.run({"ca", "crl", "issuing"}).status == 4);
  }
  void restore() const {
    for (const char* side : {"store.db-wal", "store.db-shm"}) std::filesystem::remove(cli / side);
    std::filesystem::copy(cli / "backup.db", cli / "store.db", std::filesystem::copy_options::overwrite_existing);
  }
  void revoke(const std::string& name, const std::string& reason) const {
    const Json listed = cli.run({"cert", "list", "--json", "--name", name}).json();
    const auto certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
    const auto done = cli.run({"cert", "revoke", certificate, "--reason", reason, "--yes"});
    INFO(done.err);
    REQUIRE(done.status == 0);
  }
  void accept() const { REQUIRE(cli.run({"store", "accept-restored"}).status == 0); }
  CliResult resume(const Words& more) const {
    Words words{"ca", "resume", "issuing", "--yes"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }
  bool is_revoked(const std::string& file) const {
    return cli.other({"openssl", "verify", "-crl_check", "-CAfile", "root.pem", "-untrusted", "issuing.pem", "-CRLfile",
                      "issuing.crl", file})
               .err.find("certificate revoked") != std::string::npos;
  }
};

}  // namespace

TEST_CASE_METHOD(Restored, "a CA of a restored store goes on once it was given its last CRL and what it issued since") {
  const auto early = resume({"--certificates", "since", "--crl", "last.crl"});
  CHECK(early.status == 4);
  has(flat(early.err), "hsmbridge store accept-restored");
  accept();
  const auto crl = cli.run({"ca", "crl", "issuing"});
  CHECK(crl.status == 4);
  has(flat(crl.err), "the CA issuing signs nothing");
  has(flat(crl.err), "hsmbridge ca resume issuing");
  const auto waits = enroll("new", "new.example.com");
  CHECK(waits.status == 3);
  has(flat(waits.out + waits.err), "hsmbridge ca resume issuing");
  has(cli.run({"ca", "list"}).out, " no ");
  const auto doctor = cli.run({"doctor"});
  CHECK(doctor.status != 0);
  has(flat(doctor.out + doctor.err), "it signs nothing: the store was an older copy of itself");

  const auto resumed = resume({"--certificates", "since", "--crl", "last.crl"});
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  has(flat(resumed.out), "CRL 3 of issuing with 2 revoked");
  CHECK(is_revoked("first.pem"));
  CHECK(is_revoked("since/second.pem"));
  // What the CRL says counts for the records too.
  const auto www = cli.run({"cert", "list", "--all", "--json", "--name", "www.example.com"}).json();
  CHECK(www.at("certificates").as_array().at(0).at("status").as_string() == "revoked");
  const auto stolen = cli.run({"enroll", "--profile", "server", "--key", "www", "--san", "dns:www.example.com"});
  CHECK(stolen.status == 4);
  has(flat(stolen.err), "compromised");
  const auto request = cli.run({"request", "list", "--open", "--json"}).json();
  const auto id = request.at("requests").as_array().at(0).at("id").as_string();
  REQUIRE(cli.run({"request", "cancel", id}).status == 0);
  REQUIRE(enroll("again", "again.example.com").status == 0);
  trusted("www.pem");
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(Restored, "a CA that is made in a store that was restored before has nothing to be told") {
  accept();
  REQUIRE(resume({"--certificates", "since", "--crl", "last.crl"}).status == 0);
  std::string text = cli.read("hsmbridge.yaml");
  const auto replace = [&](const std::string& from, const std::string& to) {
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), from.size(), to);
  };
  replace("    key: {token: root, key: root-2026}\n",
          "    key: {token: root, key: root-2026}\n    crl: {file: root.crl, read_back: false}\n");
  replace("      sub-ca:\n", "      sub-ca:\n        for: [sub-ca, sub-b]\n");
  replace("\nprofiles:\n", R"(
  second:
    type: local-ca
    certificate: second.pem
    chain: root.pem
    key: {token: ca, key: second-2026}
    crl: {file: second.crl, read_back: false}
    profiles: {tls: {validity: 90d}}

profiles:
  sub-b: {key: "ec:P-256", subject: {C: CH, O: Example, CN: Second}, extended_usage: [serverAuth], anchors: [root.pem]}
)");
  cli.write("hsmbridge.yaml", text);
  const auto root =
      cli.run({"ca", "resume", "root", "--certificates", "issuing.pem", "--next-crl-number", "1", "--yes"});
  INFO(root.out << root.err);
  REQUIRE(root.status == 0);
  const auto made =
      cli.run({"ca", "init", "second", "--parent", "root", "--profile", "sub-b", "--path-length", "0", "--yes"});
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  const auto crl = cli.run({"ca", "crl", "second"});
  INFO(crl.err);
  CHECK(crl.status == 0);
  has(audit(), "ca-begun");
}

TEST_CASE_METHOD(Place, "the serial log says what was signed, and is enough to go on with") {
  std::string text = cli.read("hsmbridge.yaml");
  const std::string chain = "    chain: root.pem\n";
  cli.write("hsmbridge.yaml", text.replace(text.find(chain), chain.size(), chain + "    serial_log: issuing.log\n"));
  make_both();
  REQUIRE(cli.run({"store", "backup", "backup.db"}).status == 0);
  REQUIRE(enroll("www", "www.example.com").status == 0);
  const Json listed = cli.run({"cert", "list", "--json", "--name", "www.example.com"}).json();
  const auto certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
  REQUIRE(cli.run({"cert", "revoke", certificate, "--reason", "superseded", "--yes"}).status == 0);
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  const auto serial = cli.other({"openssl", "x509", "-in", "www.pem", "-noout", "-serial"}).out;
  has(cli.read("issuing.log"), "\t" + serial.substr(serial.find('=') + 1, serial.size() - serial.find('=') - 2) + "\t");
  has(cli.read("issuing.log"), "CN=www.example.com\n");

  for (const char* side : {"store.db-wal", "store.db-shm"}) std::filesystem::remove(cli / side);
  std::filesystem::copy(cli / "backup.db", cli / "store.db", std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy(cli / "issuing.crl", cli / "last.crl");
  REQUIRE(cli.run({"store", "accept-restored"}).status == 0);
  // An old copy says less than the log that is there.
  cli.write("copy.log", "");
  std::filesystem::rename(cli / "issuing.log", cli / "away.log");
  const auto lost = cli.run({"ca", "resume", "issuing", "--certificates", "www.pem", "--crl", "last.crl", "--yes"});
  CHECK(lost.status == 1);
  has(flat(lost.err), "the serial log " + (cli / "issuing.log").string() + " is not there");
  CHECK(cli.run({"ca", "resume", "issuing", "--serial-log", "copy.log", "--crl", "last.crl", "--yes"}).status == 1);
  std::filesystem::rename(cli / "away.log", cli / "issuing.log");
  const auto resumed = cli.run({"ca", "resume", "issuing", "--serial-log", "copy.log", "--crl", "last.crl", "--yes"});
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  has(flat(resumed.out), "CRL 2 of issuing with 1 revoked");

  // Where it cannot be written nothing is signed.
  std::filesystem::remove(cli / "issuing.log");
  std::filesystem::create_directory(cli / "issuing.log");
  std::filesystem::remove(cli / "www.pem");
  CHECK(enroll("again", "again.example.com").status == 3);
  CHECK_FALSE(cli.exists("www.pem"));
}

TEST_CASE_METHOD(Place, "a store that was restored with its mark is noticed by the serial log, and resumed") {
  std::string text = cli.read("hsmbridge.yaml");
  const std::string chain = "    chain: root.pem\n";
  cli.write("hsmbridge.yaml", text.replace(text.find(chain), chain.size(), chain + "    serial_log: issuing.log\n"));
  make_both();
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  const Words files{"store.db", "store.db-wal", "store.db-shm", "store.db.head"};
  std::filesystem::create_directory(cli / "snapshot");
  for (const auto& file : files) {
    if (cli.exists(file)) std::filesystem::copy(cli / file, cli / "snapshot" / file);
  }
  REQUIRE(enroll("www", "www.example.com").status == 0);
  for (const auto& file : files) {
    std::filesystem::remove(cli / file);
    if (cli.exists("snapshot/" + file)) std::filesystem::copy(cli / "snapshot" / file, cli / file);
  }
  std::filesystem::rename(cli / "www.pem", cli / "before.pem");
  const auto waits = enroll("web", "web.example.com");
  CHECK(waits.status == 3);
  has(flat(waits.out + waits.err), "which this store has not given: the store is an older copy of itself");
  CHECK_FALSE(cli.exists("www.pem"));
  const auto resumed = cli.run({"ca", "resume", "issuing", "--crl", "issuing.crl", "--yes"});
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  const Json open = cli.run({"request", "list", "--open", "--json"}).json();
  const auto id = open.at("requests").as_array().at(0).at("id").as_string();
  const auto done = cli.run({"request", "wait", id});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  trusted("www.pem");
}

TEST_CASE_METHOD(Restored, "what the last CRL revokes must be known, and an older CRL is not the last one") {
  accept();
  SECTION("the certificate that it revokes is not given") {
    const auto refused = resume({"--certificates", "first.pem", "--crl", "last.crl"});
    CHECK(refused.status == 1);
    has(flat(refused.err), "and what is given of its certificates lacks it");
  }
  SECTION("another CRL is at its place") {
    const auto refused = resume({"--certificates", "since", "--next-crl-number", "100"});
    CHECK(refused.status == 1);
    has(flat(refused.err), "holds the CRL number 2, and was not touched");
  }
  SECTION("the CRL of the backup, while the last one is at its place") {
    const auto refused = resume({"--certificates", "since", "--crl", "before.crl"});
    CHECK(refused.status == 1);
    has(flat(refused.err), "holds the CRL number 2, and was not touched");
  }
  SECTION("the same, and the number of the last one was taken before the backup") {
    REQUIRE(cli.other({"sqlite3", "store.db",
                       "INSERT INTO crls (issuer, number, taken_at) SELECT issuer, 2, taken_at FROM crls"})
                .status == 0);
    const auto refused = resume({"--certificates", "since", "--crl", "before.crl"});
    CHECK(refused.status == 1);
    has(flat(refused.err), "holds the CRL number 2, and was not touched");
  }
  SECTION("no CRL") {
    CHECK(resume({"--certificates", "since"}).status == 2);
  }
  CHECK(cli.run({"ca", "crl", "issuing"}).status == 4);
}

TEST_CASE_METHOD(Restored, "killed at any commit `ca resume` goes on with the same last CRL") {
  const Words words{"--certificates", "since", "--crl", "last.crl"};
  for (unsigned passing = 1;; ++passing) {
    REQUIRE(passing < 20);
    accept();
    cli.set("HSMBRIDGE_FAILPOINT", "store.before-commit:" + std::to_string(passing));
    const auto died = resume(words);
    cli.unset("HSMBRIDGE_FAILPOINT");
    const auto next = resume(words);
    INFO(passing << died.err << next.err);
    // Once its first CRL is written down it is done.
    if (next.status != 0) has(flat(next.err), "the store itself knows number 3");
    CHECK(is_revoked("first.pem"));
    CHECK(is_revoked("since/second.pem"));
    CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 0);
    if (died.status != 128 + SIGKILL) {
      REQUIRE(died.status == 0);
      break;
    }
    restore();
    std::filesystem::copy(cli / "last.crl", cli / "issuing.crl", std::filesystem::copy_options::overwrite_existing);
  }
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(Restored, "where the last CRL is lost everywhere the numbers go on from one that a person names") {
  accept();
  std::filesystem::remove(cli / "issuing.crl");
  CHECK(resume({"--certificates", "since", "--next-crl-number", "1"}).status == 1);
  const auto resumed = resume({"--certificates", "since", "--next-crl-number", "100"});
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  has(flat(resumed.out), "CRL 100 of issuing with 0 revoked");
  // Nobody has told that they were revoked: that is done again.
  CHECK_FALSE(is_revoked("first.pem"));
  const auto second = cli.other({"openssl", "x509", "-in", "since/second.pem", "-noout", "-serial"}).out;
  const auto serial = second.substr(second.find('=') + 1, second.size() - second.find('=') - 2);
  REQUIRE(cli.run({"ca", "revoke", "issuing", serial, "--reason", "superseded", "--yes"}).status == 0);
  has(cli.run({"ca", "crl", "issuing"}).out, "CRL 101 of issuing with 1 revoked");
  CHECK(is_revoked("since/second.pem"));
}

TEST_CASE_METHOD(Restored, "killed at any commit such a CA goes on from that number, and none is given twice") {
  std::filesystem::remove(cli / "issuing.crl");
  for (unsigned passing = 1;; ++passing) {
    REQUIRE(passing < 20);
    INFO(passing);
    accept();
    cli.set("HSMBRIDGE_FAILPOINT", "store.before-commit:" + std::to_string(passing));
    const auto died = resume({"--certificates", "since", "--next-crl-number", "100"});
    cli.unset("HSMBRIDGE_FAILPOINT");
    const auto next = resume({"--certificates", "since", "--next-crl-number", "100"});
    INFO(died.err << next.out << next.err);
    REQUIRE(next.status == 0);
    CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 0);
    const std::string doubled = "SELECT number FROM crls GROUP BY issuer, number HAVING count(*) > 1";
    CHECK(cli.other({"sqlite3", "store.db", doubled}).out.empty());
    if (died.status != 128 + SIGKILL) break;
    std::filesystem::remove(cli / "issuing.crl");
    restore();
  }
}

TEST_CASE_METHOD(Restored, "in a restored store no root is made of a key that may have made one") {
  accept();
  std::filesystem::rename(cli / "root.pem", cli / "away.pem");
  const auto refused = cli.run({"ca", "init", "root", "--yes"});
  CHECK(refused.status == 4);
  has(flat(refused.err), "whether it made a root before is not known");
  CHECK_FALSE(cli.exists("root.pem"));
}

TEST_CASE_METHOD(Place, "a CA that is made in a store that was restored before signs at once") {
  REQUIRE(cli.run({"store", "init"}).status == 0);
  REQUIRE(cli.other({"sqlite3", "store.db", "INSERT INTO restored VALUES (1, 0, 'a test')"}).status == 0);
  REQUIRE(cli.run({"store", "accept-restored"}).status == 0);
  REQUIRE(cli.run({"ca", "init", "root", "--yes"}).status == 0);
  REQUIRE(cli.run({"ca", "init", "issuing", "--parent", "root", "--path-length", "0", "--yes"}).status == 0);
  CHECK(enroll("www", "www.example.com").status == 0);
}
