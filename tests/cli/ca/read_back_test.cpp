// A CRL is read back from its URL, by plain http: what that gives is said, and the exit code tells.
#include "place.h"
#include "support/tls_server.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

// A web server for the CRL of the issuing CA; it may have something else to give than the file.
struct Served : Place {
  std::mutex mutex;
  std::optional<std::pair<int, std::string>> instead;
  TlsServer server;

  Served()
      : server({}, [this](ServerConnection& connection) {
          if (!connection.read_request()) return;
          const std::lock_guard lock(mutex);
          if (instead) return connection.answer(instead->first, instead->second, "application/pkix-crl", "Age: 7\r\n");
          std::ifstream file(cli / "issuing.crl", std::ios::binary);
          const std::string crl{std::istreambuf_iterator<char>(file), {}};
          connection.answer(200, crl, "application/pkix-crl");
        }) {
    std::string text = cli.read("hsmbridge.yaml");
    const std::string before = "url: \"http://ca.example.com/issuing.crl\", read_back: false";
    REQUIRE(text.find(before) != std::string::npos);
    cli.write("hsmbridge.yaml", text.replace(text.find(before), before.size(), "url: \"" + url() + "\""));
    make_both();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server.port()) + "/issuing.crl"; }
  void give(int status, const std::string& body) {
    const std::lock_guard lock(mutex);
    instead = {status, body};
  }
  void give_file() {
    const std::lock_guard lock(mutex);
    instead.reset();
  }
};

}  // namespace

TEST_CASE_METHOD(Served, "what the URL of a CRL gives is said, and the exit code tells") {
  const auto first = cli.run({"ca", "crl", "issuing"});
  INFO(first.out << first.err);
  CHECK(first.status == 0);
  has(flat(first.out), url() + " gives it");
  CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 0);
  has(flat(cli.run({"ca", "show", "issuing"}).out), url() + " gives it");
  has(flat(cli.run({"doctor"}).out), url() + " gives it");

  // A cache that has not asked again: the new one is published all the same.
  give(200, cli.read("issuing.crl"));
  const auto second = cli.run({"ca", "crl", "issuing"});
  CHECK(second.status == 3);
  has(flat(second.out), url() + " still gives CRL number 1 of ");
  has(flat(second.out), "and number 2 is published: a cache in front of it may keep it for a while (Age: 7)");
  has(cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-crlnumber"}).out, "0x02");
  const auto checked = cli.run({"ca", "crl", "issuing", "--check"});
  CHECK(checked.status == 3);
  has(flat(checked.out), "still gives CRL number 1");
  const auto json = cli.run({"ca", "crl", "issuing", "--check", "--json"}).json();
  CHECK(json.at("url_gives").as_string() == "an-older-one");
  has(flat(cli.run({"ca", "show", "issuing"}).out), "still gives CRL number 1");
  const auto doctor = cli.run({"doctor"});
  CHECK(doctor.status == 1);
  has(flat(doctor.out), "still gives CRL number 1");

  for (const auto& [status, body] : {std::pair(200, "<html>"), std::pair(404, ""), std::pair(302, "")}) {
    give(status, body);
    CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 1);
  }
  give(503, "");
  CHECK(cli.run({"ca", "crl", "issuing"}).status == 5);
  give_file();
  CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 0);
  // The file is at fault first.
  cli.write("issuing.crl", "something else");
  const auto other = cli.run({"ca", "crl", "issuing", "--check"});
  CHECK(other.status == 1);
  has(flat(other.out), "does not hold CRL number 3");
}

TEST_CASE_METHOD(Served,
                 "a machine that was set back as a whole signs nothing before it is told what its CA did since") {
  REQUIRE(enroll("www", "www.example.com").status == 0);
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  const auto all = std::filesystem::copy_options::overwrite_existing;
  const Words machine{"store.db", "store.db.head", "issuing.crl"};
  std::filesystem::create_directory(cli / "snapshot");
  for (const std::string& file : machine) std::filesystem::copy(cli / file, cli / "snapshot" / file, all);
  std::filesystem::copy(cli / "www.pem", cli / "first.pem");
  const Json listed = cli.run({"cert", "list", "--json", "--name", "www.example.com"}).json();
  const auto certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
  REQUIRE(cli.run({"cert", "revoke", certificate, "--reason", "keyCompromise", "--yes"}).status == 0);
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  // What the world has stays; the machine does not know of it.
  cli.write("world.crl", cli.read("issuing.crl"));
  give(200, cli.read("world.crl"));
  for (const char* side : {"store.db-wal", "store.db-shm"}) std::filesystem::remove(cli / side);
  for (const std::string& file : machine) std::filesystem::copy(cli / "snapshot" / file, cli / file, all);

  const auto refused = cli.run({"ca", "crl", "issuing"});
  INFO(refused.out << refused.err);
  CHECK(refused.status == 1);
  has(flat(refused.err), url() + " gives CRL number 2 of ");
  has(flat(refused.err), "the last one that this store knows is number 1: this store is an older copy of itself");
  has(flat(refused.err), "hsmbridge ca resume issuing --crl FILE");
  CHECK(cli.other({"sqlite3", "store.db", "SELECT count(*) FROM crls"}).out == "1\n");
  // A number alone is not enough while the CRL is there.
  const auto lost =
      cli.run({"ca", "resume", "issuing", "--certificates", "first.pem", "--next-crl-number", "2", "--yes"});
  CHECK(lost.status == 1);
  has(flat(lost.err), "give the CRL that is there as the last one: --crl FILE");
  const auto resumed =
      cli.run({"ca", "resume", "issuing", "--certificates", "first.pem", "--crl", "world.crl", "--yes"});
  INFO(resumed.out << resumed.err);
  CHECK(resumed.status == 0);
  has(flat(resumed.out), "CRL 3 of issuing with 1 revoked");
  give_file();
  CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 0);
  has(cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-text"}).out, "Key Compromise");
}

TEST_CASE_METHOD(Place, "a URL that nobody can fetch a CRL from is an error of the configuration") {
  std::string text = cli.read("hsmbridge.yaml");
  const std::string before = "url: \"http://ca.example.com/issuing.crl\", read_back: false";
  cli.write("hsmbridge.yaml", text.replace(text.find(before), before.size(), "url: \"http://user@ca.example.com/a\""));
  const auto listed = cli.run({"ca", "list"});
  CHECK(listed.status == 2);
  has(flat(listed.err), "a user name or password does not belong in a URL");
}
