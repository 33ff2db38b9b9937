#include "support/bench/bench.h"
#include "support/faulty_module/faults.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

constexpr const char* kConfiguration = ".config/hsmbridge/hsmbridge.yaml";
constexpr const char* kSignFails = "C_Sign=0x6:1";         // CKR_FUNCTION_FAILED
constexpr const char* kSignKills = "C_Sign=0xdead0009:1";  // SIGKILL in the call

// Every token behind the module that fails on command.
void with_faulty_module(Bench& bench) {
  auto text = bench.cli().read(kConfiguration);
  const auto module = Cli::module().string();
  const auto faulty = Faults::module().string();
  for (auto at = text.find(module); at != std::string::npos; at = text.find(module, at + faulty.size())) {
    text.replace(at, module.size(), faulty);
  }
  bench.cli().write(kConfiguration, text);
}

CliResult with_faults(Bench& bench, const std::string& faults, const std::vector<std::string>& words) {
  bench.cli().set("HSMBRIDGE_FAULTS", faults);
  auto result = bench.run(words);
  bench.cli().unset("HSMBRIDGE_FAULTS");
  return result;
}

// How many leaves of the audit log are of that kind and hold those words.
int leaves(Bench& bench, const std::string& kind, const std::string& words = "") {
  const auto counted = bench.cli().other({"sqlite3", "hsmbridge.db",
                                          "SELECT count(*) FROM leaves WHERE CAST(data AS TEXT) LIKE '%\"kind\":\"" +
                                              kind + "\"%' AND CAST(data AS TEXT) LIKE '%" + words + "%'"});
  INFO(counted.err);
  REQUIRE(counted.status == 0);
  return std::stoi(counted.out);
}

// A key `bare` in token `web` of which only a certificate tells the public key.
void make_bare_key(Bench& bench) {
  const auto must = [](const CliResult& result) {
    INFO(result.out << result.err);
    REQUIRE(result.status == 0);
  };
  auto& cli = bench.cli();
  must(bench.run({"key", "generate", "--token", "web", "--label", "bare", "--id", "0a0b"}));
  must(bench.run({"csr", "create", "--token", "web", "--key", "bare", "--subject", "CN=bare", "--out", "bare.csr"}));
  must(cli.other({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-keyout", "other.key", "-out", "other.pem", "-subj", "/CN=other", "-days", "2"}));
  must(cli.other({"openssl", "x509", "-req", "-in", "bare.csr", "-CA", "other.pem", "-CAkey", "other.key",
                  "-set_serial", "7", "-days", "2", "-outform", "DER", "-out", "bare.der"}));
  must(cli.pkcs11_tool("web", {"--delete-object", "--type", "pubkey", "--id", "0a0b"}));
  must(cli.pkcs11_tool("web", {"--write-object", "bare.der", "--type", "cert", "--id", "0a0b", "--label", "bare"}));
}

}  // namespace

TEST_CASE("an approver's signature that fails or kills the process was written down before, and only then") {
  BenchOptions options;
  options.quorum = 1;
  Bench bench(options);
  with_faulty_module(bench);
  const auto list = [&](const std::string& faults) {
    return with_faults(bench, faults, {"approval", "list", "--as", "alice"}).status;
  };
  CHECK(list(kSignFails) != 0);
  CHECK(leaves(bench, "approver-key-use", "alice") == 1);
  CHECK(leaves(bench, "approver-key-used") == 0);
  CHECK(list(kSignKills) == 128 + SIGKILL);
  CHECK(leaves(bench, "approver-key-use", "alice") == 2);
  CHECK(leaves(bench, "approver-key-used") == 0);
  CHECK(list("") == 0);
  CHECK(leaves(bench, "approver-key-use", "signed_sha256") == 3);
  CHECK(leaves(bench, "approver-key-used", "signed_sha256") == 1);
}

TEST_CASE("a key that only a certificate tells signs no proof for an enrolment that is not in the audit log") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  make_bare_key(bench);
  with_faulty_module(bench);
  const std::vector<std::string> check{"enroll", "--check", "--key", "bare", "--san", "dns:bare.example.com"};
  const std::vector<std::string> queue{"enroll", "--queue", "--key", "bare", "--san", "dns:bare.example.com"};
  CHECK(with_faults(bench, kSignKills, check).status == 128 + SIGKILL);
  CHECK(leaves(bench, "key-prove", "enroll") == 1);
  const auto checked = bench.run(check);
  INFO(checked.out << checked.err);
  CHECK(checked.status == 0);
  // Found for the enrolment, then for its check, which signs a CSR.
  CHECK(leaves(bench, "key-prove", "enroll") == 3);
  CHECK(leaves(bench, "key-use", "enroll --check") == 1);

  const auto queued = bench.run(queue);
  INFO(queued.out << queued.err);
  REQUIRE(queued.status == 3);
  CHECK(leaves(bench, "key-prove", "enroll") == 4);
  CHECK(leaves(bench, "key-prove", "\"purpose\":\"csr\"") == 0);
  const auto run_once = [&](const std::string& faults) {
    return with_faults(bench, faults, {"request", "wait", Bench::id_in(queued), "--timeout", "30s"}).status;
  };
  const int uses = leaves(bench, "key-use");
  CHECK(run_once(kSignKills) == 128 + SIGKILL);
  CHECK(leaves(bench, "key-prove", "\"purpose\":\"csr\"") == 1);
  CHECK(leaves(bench, "key-use") == uses);
  CHECK(run_once("") == 0);
  CHECK(leaves(bench, "key-prove", "\"purpose\":\"csr\"") == 2);
  CHECK(leaves(bench, "key-use", "\"purpose\":\"csr\"") == 2);  // with the one of its birth, above
}

TEST_CASE("enroll --check without a store signs nothing and says that it needs one") {
  Cli cli;
  cli.make_token("web");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "web"})).status == 0);
  cli.write(kConfiguration, "tokens:\n  web: {module: " + Faults::module().string() +
                                ", uri: \"pkcs11:token=web\", pin: \"file:" + (cli / "web.pin").string() + "\"}\n");
  cli.set("HSMBRIDGE_FAULTS", kSignKills);
  const auto refused = cli.run({"enroll", "--check", "--key", "web", "--san", "dns:www.example.com"});
  INFO(refused.err);
  CHECK(refused.status == 2);
  CHECK(refused.err.find("no store is configured") != std::string::npos);
}

}  // namespace hsmbridge::test
