#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <map>
#include <sstream>
#include <string>
#include <vector>

// What an operation costs on every HSM: the number of Cryptoki calls, counted by a module in front of SoftHSM.

using hsmbridge::test::Cli;

namespace {

using Calls = std::map<std::string, unsigned>;

struct Counted {
  Cli cli;
  Counted() {
    cli.make_token("web");
    cli.set("HSMBRIDGE_CALLS", (cli / "calls").string());
  }
  // The calls of one command by function; under "" their sum.
  Calls calls(const std::vector<std::string>& arguments) const {
    auto all = arguments;
    for (const char* word : {"--module", HSMBRIDGE_COUNTING_MODULE, "--token", "web", "--pin", "file:web.pin"}) {
      all.emplace_back(word);
    }
    const auto done = cli.run(all);
    INFO(done.out << done.err);
    REQUIRE(done.status == 0);
    return written();
  }
  // What the module wrote down last.
  Calls written() const {
    std::istringstream lines(cli.read("calls"));
    Calls calls;
    std::string function;
    unsigned count = 0;
    while (lines >> function >> count) {
      calls[function] = count;
      calls[""] += count;
    }
    REQUIRE(calls[""] > 0);
    return calls;
  }
  Calls make(const std::string& label, unsigned count) const {
    return calls({"key", "generate", "--label", label, "--count", std::to_string(count)});
  }
  // That many rows, with one key.
  void write_rows(unsigned count) const {
    std::string csv = "key,san,out\n";
    for (unsigned i = 0; i < count; ++i) {
      csv += "web-1,dns:h" + std::to_string(i) + ".example.com,h" + std::to_string(i) + ".csr\n";
    }
    cli.write("rows.csv", csv);
  }
  Calls sign(const std::string& key) const {
    return calls({"csr", "create", "--key", key, "--san", "dns:www.example.com", "--out", "x.csr", "--force"});
  }
};

}  // namespace

TEST_CASE_METHOD(Counted, "what a key and a signature cost does not grow with the keys on the token") {
  make("first", 10);
  const auto signing = sign("first-1");
  const auto making = make("one", 1);
  make("more", 190);
  CHECK(sign("first-2") == signing);
  CHECK(sign("more-190") == signing);
  CHECK(make("two", 1) == making);
}

TEST_CASE_METHOD(Counted, "opening a token, logging in and signing a CSR takes at most 30 calls") {
  make("web", 1);
  auto calls = sign("web-1");
  CHECK(calls[""] <= 30);
  CHECK(calls["C_Login"] == 1);
  CHECK(calls["C_SignInit"] == 1);
  CHECK(calls["C_Sign"] == 1);
}

TEST_CASE_METHOD(Counted, "each further key of a batch takes at most 18 calls") {
  const unsigned one = make("a", 1)[""];
  const unsigned many = make("b", 21)[""];
  CHECK(many - one <= 20 * 18);
}

TEST_CASE_METHOD(Counted, "each further CSR of a batch with one key takes C_SignInit and C_Sign alone") {
  make("web", 1);
  const auto rows = [&](unsigned count) {
    write_rows(count);
    return calls({"csr", "create", "--from", "rows.csv", "--force"});
  };
  auto one = rows(1);
  auto many = rows(51);
  // Beside them only the sessions of the pool are opened and closed, each once.
  const unsigned pool = many["C_OpenSession"] - one["C_OpenSession"];
  CHECK(pool <= 3);
  CHECK(many["C_CloseSession"] - one["C_CloseSession"] == pool);
  CHECK(many[""] - one[""] == 2 * 50 + 2 * pool);
  CHECK(many["C_Sign"] == 51);
  CHECK(many["C_Login"] == 1);
}

TEST_CASE_METHOD(Counted, "each further key of a batch of CSRs takes at most 4 calls beside its signature") {
  make("k", 62);
  const auto rows = [&](unsigned keys) {
    std::string csv = "key,san,out\n";
    for (unsigned i = 1; i <= keys; ++i) {
      csv += "k-" + std::to_string(i) + ",dns:h.example.com,h" + std::to_string(i) + ".csr\n";
    }
    cli.write("rows.csv", csv);
    auto made = calls({"csr", "create", "--from", "rows.csv", "--force"});
    CHECK(made["C_Sign"] == keys);
    return made[""] - 2 * made["C_OpenSession"];
  };
  const unsigned one = rows(1);
  // Opening the token and leaving it takes less than 30.
  CHECK(rows(62) <= 30 + 62 * (4 + 2));
  // Of a token with many more keys each is searched for.
  CHECK(rows(2) - one <= 2 * 14);
}

TEST_CASE_METHOD(Counted, "a batch has as many signatures at once in the token as it has sessions and never more") {
  make("web", 1);
  for (const unsigned sessions : {1U, 4U, 6U}) {
    INFO(sessions);
    cli.write(
        ".config/hsmbridge/hsmbridge.yaml",
        std::string("tokens: {web: {module: " HSMBRIDGE_COUNTING_MODULE ", uri: 'pkcs11:token=web', pin: 'file:") +
            (cli / "web.pin").string() + "', sessions: " + std::to_string(sessions) + "}}\n");
    cli.set("HSMBRIDGE_SIGN_TOGETHER", std::to_string(sessions));
    write_rows(12 * sessions);
    const auto done = cli.run({"csr", "create", "--from", "rows.csv", "--force"});
    INFO(done.out << done.err);
    CHECK(done.status == 0);
    CHECK(written()["at_once"] == sessions);
  }
}
