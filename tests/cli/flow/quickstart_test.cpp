#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

CliResult quickstart(Cli& cli, const std::vector<std::string>& mode, const std::string& folder = "demo") {
  const std::string script = std::string(HSMBRIDGE_SOURCE) + "/scripts/quickstart";
  std::vector<std::string> words{"bash", script, "--no-install", "--build", HSMBRIDGE_BUILD};
  words.insert(words.end(), mode.begin(), mode.end());
  words.push_back((cli / folder).string());
  const auto result = cli.other(words, "", std::chrono::seconds{120});
  if (cli.exists(folder + "/simulator.pid")) cli.other({"bash", "-c", "kill $(cat '" + folder + "/simulator.pid')"});
  return result;
}

}  // namespace

TEST_CASE("scripts/quickstart shows the whole job and leaves a configuration that works") {
  Cli cli;
  const auto shown = quickstart(cli, {"--mode", "raw-signature"});
  INFO(shown.out << shown.err);
  REQUIRE(shown.status == 0);
  CHECK(shown.out.find("web-2026.pem: OK") != std::string::npos);
  CHECK(shown.out.find("bob approved at tsb: certificate for") != std::string::npos);
  CHECK(cli.run({"--config", (cli / "demo/hsmbridge.yaml").string(), "request", "list"}).out.find("Completed") !=
        std::string::npos);
  // It never writes into a folder that is there.
  CHECK(quickstart(cli, {"--mode", "raw-signature"}).status == 1);
}

TEST_CASE("scripts/quickstart shows the same job with DigiCert and with Venafi, to its revocation") {
  const auto provider = GENERATE(as<std::string>{}, "digicert", "venafi");
  Cli cli;
  const auto shown = quickstart(cli, {"--provider", provider});
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
  const auto shown = quickstart(cli, {"--mode", "certificate"});
  INFO(shown.out << shown.err);
  REQUIRE(shown.status == 0);
  CHECK(shown.err.find("/v1/certificate/import/plain") != std::string::npos);
  CHECK(shown.out.find("Serial Number: 0 (0x0)") != std::string::npos);
}

TEST_CASE("scripts/quickstart --ca makes CAs, and openssl refuses what they revoked") {
  Cli cli;
  // Nothing of it minds a blank.
  const auto shown = quickstart(cli, {"--ca"}, "demo of a CA");
  INFO(shown.out << shown.err);
  REQUIRE(shown.status == 0);
  CHECK(shown.out.find("bob") != std::string::npos);
  CHECK(shown.out.find("web-2026.pem: OK") != std::string::npos);
  CHECK((shown.out + shown.err).find("certificate revoked") != std::string::npos);
  CHECK(shown.out.find("Chain verification output: Verified") != std::string::npos);
  // What it leaves works in a shell of somebody who types what it says.
  const auto listed =
      cli.other({"bash", "-c", ". 'demo of a CA/env.sh' && hsmbridge ca list && hsmbridge cert list --status revoked"});
  INFO(listed.out << listed.err);
  CHECK(listed.status == 0);
  CHECK(listed.out.find("issuing") != std::string::npos);
  CHECK(listed.out.find("shop.partner.example.com") != std::string::npos);
  // It never writes into a folder that is there, and is one mode among others.
  CHECK(quickstart(cli, {"--ca"}, "demo of a CA").status == 1);
  CHECK(quickstart(cli, {"--ca", "--mode", "certificate"}, "x").status == 2);
  CHECK(quickstart(cli, {"--ca", "--provider", "venafi"}, "x").status == 2);
}

}  // namespace hsmbridge::test
