#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <string>

namespace hsmbridge::test {
namespace {

CliResult quickstart(Cli& cli, const std::string& flag, const std::string& value) {
  const std::string script = std::string(HSMBRIDGE_SOURCE) + "/scripts/quickstart";
  const auto result =
      cli.other({"bash", script, "--no-install", "--build", HSMBRIDGE_BUILD, flag, value, (cli / "demo").string()}, "",
                std::chrono::seconds{120});
  if (cli.exists("demo/simulator.pid")) cli.other({"bash", "-c", "kill $(cat demo/simulator.pid)"});
  return result;
}

}  // namespace

TEST_CASE("scripts/quickstart shows the whole job and leaves a configuration that works") {
  Cli cli;
  const auto shown = quickstart(cli, "--mode", "raw-signature");
  INFO(shown.out << shown.err);
  REQUIRE(shown.status == 0);
  CHECK(shown.out.find("web-2026.pem: OK") != std::string::npos);
  CHECK(shown.out.find("bob approved at tsb: certificate for") != std::string::npos);
  CHECK(cli.run({"--config", (cli / "demo/hsmbridge.yaml").string(), "request", "list"}).out.find("Completed") !=
        std::string::npos);
  // It never writes into a folder that is there.
  CHECK(quickstart(cli, "--mode", "raw-signature").status == 1);
}

TEST_CASE("scripts/quickstart shows the same job with DigiCert and with Venafi, to its revocation") {
  const auto provider = GENERATE(as<std::string>{}, "digicert", "venafi");
  Cli cli;
  const auto shown = quickstart(cli, "--provider", provider);
  INFO(shown.out << shown.err);
  REQUIRE(shown.status == 0);
  CHECK(shown.out.find("web-2026.pem: OK") != std::string::npos);
  CHECK(shown.out.find("is revoked at provider") != std::string::npos);
  const auto config = (cli / "demo/hsmbridge.yaml").string();
  CHECK(cli.run({"--config", config, "cert", "list", "--status", "revoked"}).out.find("www.example.com") !=
        std::string::npos);
  // Modes are a thing of the TSB.
  CHECK(cli.other({"bash", std::string(HSMBRIDGE_SOURCE) + "/scripts/quickstart", "--provider", provider, "--mode",
                   "certificate", "x"})
            .status == 2);
}

TEST_CASE("scripts/quickstart walks the certificate tutorial to its end") {
  Cli cli;
  const auto shown = quickstart(cli, "--mode", "certificate");
  INFO(shown.out << shown.err);
  REQUIRE(shown.status == 0);
  CHECK(shown.err.find("/v1/certificate/import/plain") != std::string::npos);
  CHECK(shown.out.find("Serial Number: 0 (0x0)") != std::string::npos);
}

}  // namespace hsmbridge::test
