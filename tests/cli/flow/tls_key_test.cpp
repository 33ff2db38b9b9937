#include "support/bench/bench.h"
#include "support/temp_folder.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

void must(const CliResult& result) {
  INFO(result.out << result.err);
  REQUIRE(result.status == 0);
}

}  // namespace

TEST_CASE("a provider that demands a client certificate gets one whose key never leaves its token") {
  const TempFolder clients;
  const auto path = [&clients](const char* name) { return (clients / name).string(); };
  const Cli elsewhere;
  must(elsewhere.other({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", path("ca.key"), "-out", path("ca.pem"), "-subj", "/CN=clients", "-days", "2"}));
  BenchOptions options;
  options.quorum = 1;
  options.serve = {"--client-ca", path("ca.pem")};
  options.provider = "    client_cert: " + path("client.pem") + "\n    client_key: {token: web, key: tls-client}\n";
  Bench bench(options);

  // Without its certificate nothing is sent, and the sentence says what the server wants.
  const auto without = bench.run({"provider", "test", "tsb"});
  INFO(without.out << without.err);
  CHECK(without.status != 0);
  CHECK(bench.count("GET /v1/versionInfo") == 0);

  must(bench.run({"key", "generate", "--token", "web", "--label", "tls-client", "--spec", "ec:P-256"}));
  must(bench.run({"csr", "create", "--token", "web", "--key", "tls-client", "--subject", "CN=bridge", "--out",
                  path("client.csr")}));
  must(elsewhere.other({"openssl", "x509", "-req", "-in", path("client.csr"), "-CA", path("ca.pem"), "-CAkey",
                        path("ca.key"), "-set_serial", "7", "-days", "2", "-out", path("client.pem")}));
  const auto tested = bench.run({"provider", "test", "tsb"});
  INFO(tested.out << tested.err);
  CHECK(tested.status == 0);
  CHECK(bench.count("GET /v1/versionInfo") == 1);

  // The same token signs the CSR while its other key holds the connection.
  const auto asked = bench.run({"enroll", "--profile", "server", "--new-key", "web-2026", "--san", "dns:a.example"});
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  CHECK(bench.approve_all("alice") == 1);
  const auto done = bench.run({"request", "wait", Bench::id_in(asked), "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(bench.count("POST /v1/sign") == 1);
  CHECK(bench.objects("web-2026").certificates == 1);
  // Each handshake is a signature of a key in a token: it is written down like every other.
  CHECK(bench.cli()
            .other({"sqlite3", "hsmbridge.db", "SELECT CAST(data AS TEXT) FROM leaves"})
            .out.find("\"kind\":\"client-key-use\"") != std::string::npos);
  // Without a store there is no audit log, and that is said.
  auto text = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  bench.cli().write("no-store.yaml", text.substr(text.find("tokens:")));
  const auto unlogged = bench.run({"--config", "no-store.yaml", "provider", "test", "tsb"});
  INFO(unlogged.out << unlogged.err);
  CHECK(unlogged.status == 0);
  CHECK(unlogged.err.find("no store is configured, so this use of a key is in no audit log") != std::string::npos);
}

TEST_CASE("each use of the application key is written down with what it signed") {
  BenchOptions options;
  options.quorum = 0;
  options.provider = "    application_key: {token: web, key: app}\n";
  Bench bench(options);
  must(bench.run({"key", "generate", "--token", "web", "--label", "app", "--spec", "ec:P-256"}));
  const auto done =
      bench.run({"enroll", "--new-key", "web-2026", "--san", "dns:a.example", "--wait", "--timeout", "30s"});
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  const auto leaves = bench.cli().other({"sqlite3", "hsmbridge.db", "SELECT CAST(data AS TEXT) FROM leaves"}).out;
  INFO(leaves);
  CHECK(leaves.find("\"kind\":\"application-key-used\"") != std::string::npos);
  CHECK(leaves.find("signing a submission at tsb") != std::string::npos);
  CHECK(leaves.find("signed_sha256") != std::string::npos);
}

}  // namespace hsmbridge::test
