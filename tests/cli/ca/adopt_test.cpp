// A CA that openssl ran until now is taken over; openssl judges what comes after.
#include "old_ca.h"

#include <csignal>
#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::test;

TEST_CASE(
    "a CA of openssl with 1,000 certificates and 50 revoked is taken over, and its next CRL has the old entries") {
  const OldCa old(1000, 50);
  const auto adopted = old.adopt();
  INFO(adopted.out << adopted.err);
  REQUIRE(adopted.status == 0);
  has(flat(adopted.out), "1001 certificates, 1001 of them new here");  // the root's own is one of them
  has(flat(adopted.out), "Revoked: 50, 50 of them new here");
  has(flat(adopted.out), "CRL 43 of old with 50 revoked");
  const std::string text = old.crl_text();
  has(text, "crlNumber=0x2B");
  for (std::size_t i = 0; i < 50; ++i) has(text, "Serial Number: " + OldCa::serial(i) + "\n");
  has(text, "Key Compromise");
  CHECK(old.judged(0).status != 0);
  CHECK(old.judged(50).status == 0);
  CHECK(old.cli.run({"audit", "verify"}).status == 0);
  has(old.asked("SELECT CAST(data AS TEXT) FROM leaves"), "\"ca-adopted\"");
  has(old.asked("SELECT CAST(data AS TEXT) FROM leaves"), "\"key-prove\"");
}

TEST_CASE_METHOD(OldCa, "a CA that was taken over issues, revokes what it issued before, and counts its CRLs on") {
  REQUIRE(adopt().status == 0);
  const auto issued = cli.run({"enroll", "--profile", "server", "--new-key", "www", "--subject", "CN=www.example.com",
                               "--san", "dns:www.example.com"});
  INFO(issued.out << issued.err);
  REQUIRE(issued.status == 0);
  good({"openssl", "verify", "-x509_strict", "-CAfile", "old.pem", "www.pem"});

  CHECK(judged(4).status == 0);
  const auto revoked = cli.run({"ca", "revoke", "old", serial(4), "--reason", "superseded", "--yes"});
  INFO(revoked.out << revoked.err);
  REQUIRE(revoked.status == 0);
  const auto next = cli.run({"ca", "crl", "old", "--json"}).json();
  CHECK(next.at("number").as_integer() == 0x2c);
  CHECK(next.at("entries").as_integer() == 3);
  has(judged(4).err, "certificate revoked");
  has(crl_text(), "Superseded");

  CHECK(cli.run({"ca", "revoke", "old", serial(4), "--reason", "superseded", "--yes"}).status == 1);
  const auto unknown = cli.run({"ca", "revoke", "old", "FFFF", "--reason", "superseded", "--yes"});
  CHECK(unknown.status == 1);
  has(flat(unknown.err), "the CA old has neither taken over a certificate with the serial number ffff nor given");
}

TEST_CASE_METHOD(OldCa, "what ended before the last CRL is said to be on none when it is revoked") {
  good(openssl_ca({"-notext", "-startdate", "20250101000000Z", "-enddate", "20250201000000Z", "-infiles", "leaf.csr"}));
  REQUIRE(adopt().status == 0);
  const auto revoked = cli.run({"ca", "revoke", "old", serial(5), "--reason", "superseded", "--yes"});
  INFO(revoked.out << revoked.err);
  REQUIRE(revoked.status == 0);
  has(flat(revoked.err), "it ended 2025-02-01T00:00:00Z, before the last CRL, and is on no CRL");
  CHECK(cli.run({"ca", "crl", "old", "--json"}).json().at("entries").as_integer() == 2);
  const auto other = cli.run({"ca", "revoke", "old", serial(4), "--reason", "superseded", "--yes"});
  has(flat(other.err), "it is on the next CRL: hsmbridge ca crl old");
}

TEST_CASE_METHOD(OldCa, "typed again it changes nothing, and takes what the other program issued meanwhile") {
  REQUIRE(adopt().status == 0);
  const std::string crl = cli.read("published.crl");
  const std::string leaves = asked("SELECT count(*) FROM leaves WHERE CAST(data AS TEXT) LIKE '%\"ca-adopted\"%'");
  const auto again = adopt();
  INFO(again.err);
  REQUIRE(again.status == 0);
  has(flat(again.out), "0 of them new here");
  CHECK(cli.read("published.crl") == crl);
  CHECK(asked("SELECT count(*) FROM leaves WHERE CAST(data AS TEXT) LIKE '%\"ca-adopted\"%'") == leaves);

  issue(1);
  const auto more = adopt();
  INFO(more.err);
  REQUIRE(more.status == 0);
  has(flat(more.out), "7 certificates, 1 of them new here");
  has(crl_text(), "crlNumber=0x2C");

  // It published one more, under a number that was given here.
  publish();
  const auto refused = adopt();
  CHECK(refused.status == 1);
  has(flat(refused.err), "the CRL with the number 43 is not the last one, or another one has its number");
}

TEST_CASE_METHOD(OldCa, "typed again with the certificates it learns their keys, of which the index said nothing") {
  const auto status_of_keys = [&] { return asked("SELECT DISTINCT status FROM keys"); };
  REQUIRE(adopt({"--index", "index.txt", "--crl", "last.pem"}).status == 0);
  CHECK(asked("SELECT count(*) FROM certified_elsewhere WHERE spki <> '' AND subject LIKE '%leaf%'") == "0\n");
  CHECK(status_of_keys() == "");
  const auto again = adopt();
  INFO(again.out << again.err);
  REQUIRE(again.status == 0);
  CHECK(asked("SELECT count(*) FROM certified_elsewhere WHERE spki = '' OR holder = ''") == "0\n");
  // One of them was revoked for keyCompromise: no certificate is made for that key any more.
  CHECK(status_of_keys() == "compromised\n");
  const auto refused = cli.run({"enroll", "--profile", "server", "--csr", "leaf.csr"});
  CHECK(refused.status == 4);
  has(flat(refused.out + refused.err), "key-compromised");
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(OldCa, "killed at any commit it goes on where it was, and no number is given twice") {
  for (unsigned passing = 1;; ++passing) {
    REQUIRE(passing < 20);
    cli.set("HSMBRIDGE_FAILPOINT", "store.before-commit:" + std::to_string(passing));
    const auto died = adopt();
    cli.unset("HSMBRIDGE_FAILPOINT");
    const auto next = adopt();
    INFO(passing << died.err << next.err);
    REQUIRE(next.status == 0);
    const std::string text = crl_text();
    has(text, "Serial Number: 1000\n");
    has(text, "Serial Number: 1001\n");
    CHECK(asked("SELECT count(*) FROM certified_elsewhere") == "6\n");
    CHECK(asked("SELECT number FROM crls WHERE sha256 <> '' GROUP BY issuer, number HAVING count(*) > 1").empty());
    if (died.status != 128 + SIGKILL) {
      REQUIRE(died.status == 0);
      break;
    }
    for (const char* file : {"store.db", "store.db-wal", "store.db-shm", "store.db.head", "published.crl"}) {
      std::filesystem::remove(cli / file);
    }
  }
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(OldCa, "what contradicts itself is not taken over") {
  std::string why;
  int status = 1;
  Words words{"--index", "index.txt", "--certificates", "newcerts", "--crl", "last.pem"};
  SECTION("a serial number twice") {
    REQUIRE(cli.exists("last.pem"));
    const std::string index = cli.read("index.txt");
    cli.write("index.txt", index + index.substr(index.rfind('\n', index.size() - 2) + 1));
    why = "the serial number 1004 is there twice";
  }
  SECTION("a revoked serial number that the index does not have") {
    REQUIRE(cli.exists("last.pem"));
    const std::string index = cli.read("index.txt");
    cli.write("index.txt", index.substr(index.find('\n') + 1));
    words = {"--index", "index.txt", "--crl", "last.pem"};
    why = "revokes the serial number 1000, and the index lacks it";
  }
  SECTION("an index that is older than the CRL") {
    REQUIRE(cli.exists("last.pem"));
    cli.write("old.txt", cli.read("index.txt"));
    revoke(3, "superseded");
    publish();
    words = {"--index", "old.txt", "--crl", "last.pem"};
    why = "does not say so: it is older than the CRL";
  }
  SECTION("a CRL that is older than the index") {
    REQUIRE(cli.exists("last.pem"));
    cli.write("older.pem", cli.read("last.pem"));
    // A revocation of the second in which the CRL was made may be on it or not: one that was before is not there.
    std::string index = cli.read("index.txt");
    const auto line = index.rfind("V\t");
    const auto end = index.find("\t\t", line);
    index.replace(end, 2, "\t200101000000Z\t").replace(line, 1, "R");
    cli.write("index.txt", index);
    why = "was revoked 2020-01-01T00:00:00Z";
  }
  SECTION("a CRL of another CA") {
    REQUIRE(cli.exists("last.pem"));
    good({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
          "old.key", "-out", "other.pem", "-days", "30", "-subj", "/CN=Other"});
    good({"openssl", "ca", "-config", "openssl.cnf", "-cert", "other.pem", "-gencrl", "-out", "last.pem"});
    why = "it is a CRL of CN=Other";
    status = 2;
  }
  SECTION("a CRL without a number") {
    REQUIRE(cli.exists("last.pem"));
    std::string config = cli.read("openssl.cnf");
    const std::string line = "crlnumber = crlnumber\n";
    cli.write("openssl.cnf", config.replace(config.find(line), line.size(), ""));
    publish();
    why = "it has no CRL number";
    status = 2;
  }
  SECTION("a certificate that the index lacks") {
    REQUIRE(cli.exists("last.pem"));
    const std::string index = cli.read("index.txt");
    cli.write("index.txt", index.substr(0, index.rfind('\n', index.size() - 2) + 1));
    why = "the index lacks 1004.pem";
  }
  SECTION("no certificate of a revoked one") {
    REQUIRE(cli.exists("last.pem"));
    std::filesystem::remove(cli / "newcerts/1000.pem");
    words = {"--certificates", "newcerts", "--crl", "last.pem"};
    why = "revokes the serial number 1000, and what is given of its certificates lacks it";
  }
  SECTION("no CRL") {
    REQUIRE(cli.exists("last.pem"));
    words = {"--index", "index.txt"};
    why = "give the last CRL that was published";
    status = 2;
  }
  SECTION("nothing of what was issued") {
    REQUIRE(cli.exists("last.pem"));
    words = {"--crl", "last.pem"};
    why = "say what the CA has issued";
    status = 2;
  }
  const auto refused = adopt(words);
  CHECK(refused.status == status);
  has(flat(refused.err), why);
  untouched();
}

TEST_CASE_METHOD(OldCa,
                 "a key that is not the certificate's, or was imported without a word about it, takes nothing over") {
  std::string config = cli.read("hsmbridge.yaml");
  const auto replace = [&](const std::string& old, const std::string& by) {
    REQUIRE(config.find(old) != std::string::npos);
    config.replace(config.find(old), old.size(), by);
    cli.write("hsmbridge.yaml", config);
  };
  std::string why;
  SECTION("another key") {
    REQUIRE(cli.run({"key", "generate", "--token", "ca", "--label", "another"}).status == 0);
    replace("key: old-ca", "key: another");
    why = "is not the key of";
  }
  SECTION("an imported one") {
    replace(", accept: [key-not-local, key-may-sign-recover]", "");
    why = "it was not made in the token";
  }
  const auto refused = adopt();
  CHECK(refused.status != 0);
  has(flat(refused.err), why);
  untouched();
}

TEST_CASE_METHOD(OldCa, "a folder of certificates is enough where there is no index") {
  cli.write("newcerts/notes.txt", "not a certificate");
  std::filesystem::copy(cli / "leaf.key", cli / "newcerts/leaf.key");
  const auto adopted = adopt({"--certificates", "newcerts", "--crl", "last.pem"});
  INFO(adopted.out << adopted.err);
  REQUIRE(adopted.status == 0);
  has(flat(adopted.out), "Not read: 2 files without a certificate");
  CHECK(judged(0).status != 0);
  CHECK(judged(4).status == 0);
}

TEST_CASE_METHOD(OldCa, "in a store that was restored a CA is taken over that was never there") {
  const auto restore = [&] {
    REQUIRE(cli.other({"sqlite3", "store.db", "INSERT INTO restored VALUES (1, 0, 'a test')"}).status == 0);
    REQUIRE(cli.run({"store", "accept-restored"}).status == 0);
  };
  const auto is_refused = [&] {
    const auto refused = adopt();
    CHECK(refused.status == 4);
    has(flat(refused.err), "the CA old is suspended");
    has(flat(refused.err), "hsmbridge ca resume old");
  };
  REQUIRE(cli.run({"store", "init"}).status == 0);
  restore();
  SECTION("nothing is known of it") {
    const auto adopted = adopt();
    INFO(adopted.out << adopted.err);
    REQUIRE(adopted.status == 0);
    has(flat(adopted.err), "Where the lost store had taken over this CA already");
    has(crl_text(), "crlNumber=0x2B");
    CHECK(adopt().status == 0);
    restore();
    is_refused();
  }
  SECTION("a request was made there") {
    CHECK(cli.run({"enroll", "--profile", "server", "--new-key", "www", "--subject", "CN=www.example.com", "--san",
                   "dns:www.example.com"})
              .status == 3);
    is_refused();
  }
  SECTION("its serial log tells that it has signed here") {
    std::string config = cli.read("hsmbridge.yaml");
    const std::string line = "    certificate: old.pem\n";
    REQUIRE(config.find(line) != std::string::npos);
    cli.write("hsmbridge.yaml", config.insert(config.find(line), "    serial_log: old.log\n"));
    cli.write("old.log", "V\t270101000000Z\t\t2000\tunknown\t/CN=leaf\n");
    is_refused();
    untouched();
    cli.write("old.log", "");
    CHECK(adopt().status == 0);
  }
}

TEST_CASE_METHOD(OldCa, "a CA that has signed with another store of this program is resumed, and not adopted") {
  std::string config = cli.read("hsmbridge.yaml");
  const std::string line = "    certificate: old.pem\n";
  cli.write("hsmbridge.yaml", config.insert(config.find(line), "    serial_log: old.log\n"));
  cli.write("old.log", "V\t270101000000Z\t\t2000\tunknown\t/CN=leaf\n");
  const auto refused = adopt();
  CHECK(refused.status == 4);
  has(flat(refused.err), "the CA old has signed with another store of this program");
  has(flat(refused.err), "hsmbridge ca resume old");
}

TEST_CASE_METHOD(OldCa, "a CRL of a CA in its place tells in any form that the CA was elsewhere before") {
  SECTION("as openssl writes it, in PEM") {
    std::filesystem::copy(cli / "last.pem", cli / "published.crl");
    CHECK(cli.exists("published.crl"));
  }
  SECTION("without a number") {
    std::string config = cli.read("openssl.cnf");
    const std::string number = "crlnumber = crlnumber\n";
    cli.write("openssl.cnf", config.erase(config.find(number), number.size()));
    publish("numberless.pem");
    good({"openssl", "crl", "-in", "numberless.pem", "-outform", "DER", "-out", "published.crl"});
    CHECK(cli.exists("published.crl"));
  }
  const auto issued = cli.run({"enroll", "--profile", "server", "--new-key", "www", "--subject", "CN=www.example.com",
                               "--san", "dns:www.example.com"});
  CHECK(issued.status != 0);
  CHECK_FALSE(cli.exists("www.pem"));
  has(flat(issued.out + issued.err), "hsmbridge ca adopt old");
  const auto crl = cli.run({"ca", "crl", "old"});
  CHECK(crl.status == 1);
  has(flat(crl.err), "hsmbridge ca adopt");
}

TEST_CASE_METHOD(OldCa, "without an index the CRL must be the one that the certificates name") {
  std::string config = cli.read("openssl.cnf");
  const std::string leaf = "basicConstraints = CA:FALSE\n";
  REQUIRE(config.find(leaf) != std::string::npos);
  cli.write("openssl.cnf",
            config.insert(config.find(leaf), "crlDistributionPoints = URI:http://old.example.com/part3.crl\n"));
  issue(1);
  publish();
  const Words words{"--certificates", "newcerts", "--crl", "last.pem"};
  const auto refused = adopt(words);
  CHECK(refused.status == 2);
  has(flat(refused.err),
      "1005.pem names the CRL at http://old.example.com/part3.crl, and nothing says that last.pem is");
  untouched();
  configure(", url: 'http://old.example.com/part3.crl', read_back: false");
  const auto adopted = adopt(words);
  INFO(adopted.err);
  CHECK(adopted.status == 0);
}

TEST_CASE_METHOD(OldCa, "a CA that never published a CRL begins with number 1, and does so once") {
  cli.write("index.txt", "V\t270101000000Z\t\t1000\tunknown\t/CN=leaf\n");
  for (int time = 0; time < 2; ++time) {
    const auto adopted = adopt({"--index", "index.txt", "--next-crl-number", "1"});
    INFO(adopted.err);
    REQUIRE(adopted.status == 0);
    has(crl_text(), "crlNumber=0x01");
  }
}

TEST_CASE_METHOD(OldCa, "where CRLs were published and the last one is lost, an index must say what is revoked") {
  const auto refused = adopt({"--certificates", "newcerts", "--next-crl-number", "500"});
  CHECK(refused.status == 2);
  has(flat(refused.err), "a CA whose next CRL is number 500 has published CRLs, and what it revoked stands on them");
  const auto adopted = adopt({"--index", "index.txt", "--next-crl-number", "500"});
  INFO(adopted.err);
  REQUIRE(adopted.status == 0);
  has(crl_text(), "crlNumber=0x01F4");
  CHECK(judged(0).status != 0);
}

TEST_CASE_METHOD(OldCa, "what is at the place of the CRLs is replaced where it is the last one, and else not touched") {
  SECTION("the last one as PEM") {
    std::filesystem::copy(cli / "last.pem", cli / "published.crl");
    REQUIRE(adopt().status == 0);
    has(crl_text(), "crlNumber=0x2B");
  }
  SECTION("a newer one") {
    cli.write("older.pem", cli.read("last.pem"));
    publish("published.crl");
    const std::string there = cli.read("published.crl");
    const auto refused = adopt({"--index", "index.txt", "--crl", "older.pem"});
    CHECK(refused.status == 1);
    has(flat(refused.err), "holds the CRL number 43, and was not touched");
    CHECK(cli.read("published.crl") == there);
  }
  SECTION("something else") {
    cli.write("published.crl", "something else");
    CHECK(adopt().status == 1);
    CHECK(cli.read("published.crl") == "something else");
  }
}

TEST_CASE_METHOD(OldCa, "a CRL that the old program publishes while a person is asked is not replaced") {
  std::filesystem::copy(cli / "last.pem", cli / "published.crl");
  // The one before it is given, and stays so until the question is asked.
  cli.write("given.pem", cli.read("last.pem"));
  publish("newer.pem");
  const std::string command = Cli::program().string() + " ca adopt old --index index.txt --crl given.pem";
  const auto adopted = cli.other({"sh", "-c",
                                  "mkfifo answers; script -qec '" + command +
                                      "' /dev/null < answers > said & exec 3> answers; "
                                      "until grep -q 'yes/NO' said; do sleep 0.05; done; "
                                      "cp newer.pem published.crl; echo yes >&3; wait $!"});
  std::string said = cli.read("said");
  std::erase(said, '\r');
  INFO(adopted.err << said);
  CHECK(adopted.status == 1);
  has(flat(said), "holds another CRL now, and was not touched");
  CHECK(cli.read("published.crl") == cli.read("newer.pem"));
  // With that one it goes on.
  const auto again = adopt({"--index", "index.txt", "--crl", "newer.pem"});
  INFO(again.err);
  CHECK(again.status == 0);
  has(crl_text(), "crlNumber=0x2C");
}

TEST_CASE_METHOD(OldCa, "a CA is taken over into shards beside its complete CRL, and not into shards alone") {
  const std::string text = cli.read("hsmbridge.yaml");
  const std::string complete = "file: published.crl";
  const auto at = text.find(complete);
  REQUIRE(at != std::string::npos);
  const std::string shards = "shards: 2, file: 'part-{shard}.crl', url: 'http://ca/{shard}.crl', read_back: false";
  const auto configure = [&](const std::string& crl) {
    std::string changed = text;
    cli.write("hsmbridge.yaml", changed.replace(at, complete.size(), crl));
  };
  configure(shards);
  const auto alone = adopt();
  CHECK(alone.status == 2);
  has(flat(alone.err), "provider old publishes shards alone, and what the CA has issued before names none of them");
  configure(shards + ", complete: {" + complete + "}");
  const auto adopted = adopt();
  INFO(adopted.out << adopted.err);
  REQUIRE(adopted.status == 0);
  has(crl_text(), "crlNumber=0x2B");
  has(adopted.out, "CRL 44 of old, shard 0 with 0 revoked");
  has(adopted.out, "CRL 45 of old, shard 1 with 0 revoked");
  CHECK(judged(0).status != 0);
}
