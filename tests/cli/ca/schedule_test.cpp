// CRLs by schedule, and a CA that signs on an operator's command alone.
#include "place.h"
#include "support/bench/bench.h"

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

namespace {

struct Scheduled : Place {
  Scheduled() {
    std::string text = cli.read("hsmbridge.yaml");
    const std::string crl = "crl: {file: issuing.crl, ";
    REQUIRE(text.find(crl) != std::string::npos);
    cli.write("hsmbridge.yaml", text.replace(text.find(crl), crl.size(), crl + "every: 24h, "));
  }
  // Waits until the CRL in its file has that number.
  void wait_for_number(const std::string& number) const {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < end) {
      const auto read = cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-crlnumber"});
      if (read.out == "crlNumber=" + number + "\n") return;
      std::this_thread::sleep_for(100ms);
    }
    FAIL("there is no CRL " << number);
  }
};

}  // namespace

TEST_CASE_METHOD(Scheduled,
                 "run publishes a CRL after a revocation, and neither the first one nor one that is not due") {
  make_both();
  REQUIRE(enroll("www", "www.example.com").status == 0);
  CHECK(cli.run({"ca", "crl", "issuing", "--check"}).status == 1);
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  Process daemon(cli, {HSMBRIDGE_PROGRAM, "run"}, {});
  wait_for_number("0x01");
  const auto good = cli.run({"ca", "crl", "issuing", "--check"});
  CHECK(good.status == 0);
  has(good.out, "CRL 1 is valid until");
  const Json listed = cli.run({"cert", "list", "--json", "--name", "www.example.com"}).json();
  const std::string certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
  REQUIRE(cli.run({"cert", "revoke", certificate, "--reason", "keyCompromise", "--yes"}).status == 0);
  wait_for_number("0x02");
  has(cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-text"}).out, "Key Compromise");
  CHECK(cli.run({"ca", "show", "issuing", "--json"}).json().find("crl_due") == nullptr);
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
  has(audit(), "crl-published");
}

TEST_CASE_METHOD(Scheduled, "a CRL that is overdue is an alarm of run, doctor and ca crl --check") {
  make_both();
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  // What it says of itself is over: nobody published another one in five days.
  const auto later = [&](const Words& words) {
    Words all{"faketime", "-m", "--exclude-monotonic", "-f", "+5d", Cli::program().string()};
    all.insert(all.end(), words.begin(), words.end());
    return cli.other(all);
  };
  const auto checked = later({"ca", "crl", "issuing", "--check"});
  CHECK(checked.status == 1);
  has(checked.out, "the CRL is overdue");
  has(later({"ca", "list"}).out, "OVERDUE");
  const auto doctor = later({"doctor"});
  CHECK(doctor.status != 0);
  has(flat(doctor.out + doctor.err), "OVERDUE: number 1 is valid from");
  cli.write("issuing.crl", "something else");
  const auto other = cli.run({"ca", "crl", "issuing", "--check"});
  CHECK(other.status == 1);
  has(flat(other.out), "does not hold CRL number 1");
}

TEST_CASE_METHOD(Place, "a root with operator_command certifies nothing without the command") {
  std::string text = cli.read("hsmbridge.yaml");
  const std::string root = "    certificate: root.pem\n";
  cli.write("hsmbridge.yaml", text.replace(text.find(root), root.size(), root + "    operator_command: true\n"));
  REQUIRE(cli.run({"ca", "init", "root", "--yes"}).status == 0);
  const auto asked = cli.run({"ca", "init", "issuing", "--parent", "root", "--path-length", "0", "--yes"});
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  CHECK_FALSE(cli.exists("issuing.pem"));
  const auto listed = cli.run({"request", "list", "--json"}).json();
  const std::string id = listed.at("requests").as_array().at(0).at("id").as_string();
  CHECK(listed.at("requests").as_array().at(0).at("state").as_string() == "AwaitingCommand");
  has(cli.run({"request", "explain", id}).out, "hsmbridge request command " + id);
  CHECK(cli.run({"request", "wait", id, "--timeout", "2s"}).status == 3);
  CHECK_FALSE(cli.exists("issuing.pem"));
  const auto unasked = cli.run({"request", "command", id});
  CHECK(unasked.status == 4);
  has(flat(unasked.err), "give --yes and --sha256");
  has(unasked.err, "CN=Example Issuing");
  has(unasked.err, "pathlen");
  CHECK(cli.run({"request", "command", id, "--yes"}).status == 2);
  CHECK(cli.run({"request", "command", id, "--yes", "--sha256", std::string(64, 'a')}).status == 4);
  const auto sha256 = sha256_in(unasked.err);
  const auto commanded = cli.run({"request", "command", id, "--yes", "--sha256", sha256});
  INFO(commanded.out << commanded.err);
  REQUIRE(commanded.status == 0);
  trusted("issuing.pem");
  CHECK(cli.run({"request", "command", id, "--yes", "--sha256", sha256}).status == 1);
  has(cli.run({"request", "history", id}).out, "Commanded");
}
