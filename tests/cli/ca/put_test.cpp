// A CRL is put on a web server over HTTPS: by `ca crl`, by `run`, and after a process was killed on the way.
#include "quorum.h"
#include "support/put_server.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

namespace {

using Fault = PutServer::Fault;

struct Served : Place {
  PutServer server;

  Served() {
    configure_put("");
    make_both();
  }
  void configure_put(const std::string& more) const {
    configure();
    std::string text = cli.read("hsmbridge.yaml");
    const std::string from = "crl: {file: issuing.crl, ";
    REQUIRE(text.find(from) != std::string::npos);
    std::filesystem::copy_file(server.ca(), cli / "files-ca.pem", std::filesystem::copy_options::overwrite_existing);
    cli.write("hsmbridge.yaml", text.replace(text.find(from), from.size(),
                                             from + "put: {url: \"" + url() +
                                                 "\", ca: files-ca.pem, bearer_token: \"file:files.token\"}, " + more));
    cli.write("files.token", "open sesame\n");
    std::filesystem::permissions(cli / "files.token",
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  std::string url() const { return server.url() + "/issuing.crl"; }
  std::string there() { return server.file("/issuing.crl").value_or("nothing"); }
  std::string numbers() const { return cli.other({"sqlite3", "store.db", "SELECT count(*) FROM crls"}).out; }
  std::size_t signatures() const {
    return std::stoul(cli.other({"sqlite3", "store.db",
                                 "SELECT count(*) FROM leaves WHERE CAST(data AS TEXT) LIKE "
                                 "'%\"ca-key-use-for-crl\"%'"})
                          .out);
  }
  template <class Done>
  static void wait_until(Done done) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!done()) {
      REQUIRE(std::chrono::steady_clock::now() < end);
      std::this_thread::sleep_for(50ms);
    }
  }
};

}  // namespace

TEST_CASE_METHOD(Served, "ca crl puts what it signed, and what it could not put is said until it is there") {
  server.expect("Bearer open sesame");
  const auto first = cli.run({"ca", "crl", "issuing"});
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  has(flat(first.out), "it is at " + url());
  CHECK(there() == cli.read("issuing.crl"));
  has(audit(), "\"crl-put\"");
  has(flat(cli.run({"ca", "show", "issuing"}).out), "CRL put: at " + url());

  server.fail(Fault::error);
  const auto second = cli.run({"ca", "crl", "issuing"});
  CHECK(second.status == 5);
  has(flat(second.out), "CRL 2 of issuing with 0 revoked");
  has(flat(second.err), url() + ": the server answers with status 500 when this program puts it");
  const std::string waits = "CRL number 2 is not at " + url() + " yet";
  has(flat(cli.run({"ca", "show", "issuing"}).out), waits);
  const auto doctor = cli.run({"doctor"});
  CHECK(doctor.status == 1);
  has(flat(doctor.out), waits);
  const auto checked = cli.run({"ca", "crl", "issuing", "--check"});
  CHECK(checked.status == 1);
  has(flat(checked.out), waits);
  CHECK(cli.run({"ca", "show", "issuing", "--json"}).json().at("crls").as_array().at(0).at("not_put").as_string() ==
        waits);

  // The same CRL, and no other signature.
  server.fail(Fault::none);
  const auto again = cli.run({"ca", "crl", "issuing"});
  CHECK(again.status == 0);
  has(flat(again.out), "CRL 2 of issuing was published before, and nothing was signed it is at " + url() + " now");
  CHECK(there() == cli.read("issuing.crl"));
  CHECK(numbers() == "2\n");
  CHECK(signatures() == 2);
  CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 0);

  // Somebody else's is left alone, whoever has it there.
  server.set("/issuing.crl", "something else");
  const auto other = cli.run({"ca", "crl", "issuing"});
  CHECK(other.status == 1);
  has(flat(other.err), url() + " holds something that is not a CRL of ");
  CHECK(there() == "something else");
  server.expect("Bearer another");
  CHECK(cli.run({"ca", "crl", "issuing"}).err.find("sesame") == std::string::npos);
}

TEST_CASE_METHOD(Served, "killed between file and PUT it goes on with the same CRL") {
  server.expect("Bearer open sesame");
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  server.fail(Fault::hangs);
  const auto before = server.lines().size();
  Process dies(cli, {HSMBRIDGE_PROGRAM, "ca", "crl", "issuing"}, {});
  wait_until([&] { return server.lines().size() > before + 1; });  // the first one is before it is signed
  dies.signal(SIGKILL);
  CHECK(dies.wait() == 128 + SIGKILL);
  const std::string signed_there = cli.read("issuing.crl");
  CHECK(there() != signed_there);
  server.fail(Fault::none);
  const auto next = cli.run({"ca", "crl", "issuing"});
  INFO(next.out << next.err);
  CHECK(next.status == 0);
  CHECK(cli.read("issuing.crl") == signed_there);
  CHECK(there() == signed_there);
  CHECK(numbers() == "2\n");
  CHECK(signatures() == 2);
}

TEST_CASE_METHOD(Served, "killed at any commit the CRL that was signed is put, under its own number") {
  server.expect("Bearer open sesame");
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  for (unsigned passing = 1;; ++passing) {
    REQUIRE(passing < 20);
    const std::string before = cli.read("issuing.crl");
    const std::string taken = numbers();
    cli.set("HSMBRIDGE_FAILPOINT", "store.before-commit:" + std::to_string(passing));
    const auto died = cli.run({"ca", "crl", "issuing"});
    cli.unset("HSMBRIDGE_FAILPOINT");
    const std::string left = cli.read("issuing.crl");
    if (died.status != 128 + SIGKILL) {
      REQUIRE(died.status == 0);
      break;
    }
    const bool was_put = there() == left;
    const auto next = cli.run({"ca", "crl", "issuing"});
    INFO(passing << next.out << next.err);
    REQUIRE(next.status == 0);
    CHECK(there() == cli.read("issuing.crl"));
    if (left != before && !was_put) {
      // It was signed and in its place: nothing else was signed in its stead.
      CHECK(cli.read("issuing.crl") == left);
    }
  }
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(Served, "run puts what is not there yet, without a schedule and without a signature") {
  server.expect("Bearer open sesame");
  server.fail(Fault::error);
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 5);
  server.fail(Fault::none);
  Process daemon(cli, {HSMBRIDGE_PROGRAM, "run"}, {});
  wait_until([&] { return there() == cli.read("issuing.crl"); });
  wait_until([&] { return audit().find("\"crl-put\"") != std::string::npos; });
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
  CHECK(signatures() == 1);
}

TEST_CASE("a CRL that a TSB has signed is put once it is published, and asked for only once") {
  PutServer server;
  server.fail(Fault::error);
  const Quorum place(0, "    crl: {file: /nowhere/issuing.crl, put: {url: \"" + server.url() +
                            "/issuing.crl\", ca: " + server.ca() + "}}\n");
  const Bench& bench = place.bench;
  std::string text = bench.cli().read(Quorum::kFile);
  const std::string nowhere = "/nowhere/issuing.crl";
  REQUIRE(text.find(nowhere) != std::string::npos);
  bench.cli().write(Quorum::kFile, text.replace(text.find(nowhere), nowhere.size(), (bench / "issuing.crl").string()));
  auto made = place.crl();
  const auto id = Bench::id_in(made);
  if (made.status == 3) made = place.wait(id);
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  CHECK(bench.state_of(id) == "Completed");
  const std::string waits = "CRL number 1 is not at " + server.url() + "/issuing.crl yet";
  has(flat(bench.run({"ca", "show", "issuing"}).out), waits);
  CHECK_FALSE(server.file("/issuing.crl"));
  CHECK(place.crl().status == 5);
  server.fail(Fault::none);
  const auto put = place.crl();
  INFO(put.out << put.err);
  CHECK(put.status == 0);
  has(flat(put.out), "was published before, and nothing was signed");
  CHECK(server.file("/issuing.crl") == bench.cli().read("issuing.crl"));
  CHECK(place.submissions() == 1);
  // The next one is put at once.
  auto next = place.crl();
  if (next.status == 3) next = place.wait(Bench::id_in(next));
  REQUIRE(next.status == 0);
  CHECK(server.file("/issuing.crl") == bench.cli().read("issuing.crl"));
  CHECK(server.count("PUT /issuing.crl") == 4);
  CHECK(place.submissions() == 2);
}
