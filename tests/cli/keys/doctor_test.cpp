#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

using hsmbridge::Json;
using hsmbridge::test::Cli;

namespace {

// The health of the check of that subject, or "absent".
std::string health(const Json& result, const std::string& subject) {
  for (const Json& check : result.at("checks").as_array()) {
    if (check.at("subject").as_string() == subject) return check.at("health").as_string();
  }
  return "absent";
}

}  // namespace

TEST_CASE("doctor finds nothing wrong with a good configuration and logs in nowhere") {
  const Cli cli;
  cli.make_token("web");
  cli.configure("store: {path: " + (cli / "store.db").string() + "}\n");
  const auto result = cli.run({"doctor", "--json"});
  INFO(result.out);
  CHECK(result.status == 0);
  const Json json = result.json();
  CHECK(health(json, "configuration") == "ok");
  CHECK(health(json, "store") == "ok");
  CHECK(health(json, "token web: module") == "ok");
  CHECK(health(json, "token web: PIN source") == "ok");
  CHECK(health(json, "token web") == "ok");
  CHECK(health(json, "token web: PIN") == "ok");
  CHECK(health(json, "token web: signs") == "ok");
  CHECK(health(json, "token web: login") == "absent");
  CHECK_FALSE(cli.exists("store.db"));
}

TEST_CASE("doctor logs in when it is told to and finds a wrong PIN and remembers it") {
  const Cli cli;
  cli.make_token("web");
  cli.configure();
  CHECK(health(cli.run({"doctor", "--login", "--json"}).json(), "token web: login") == "ok");
  cli.write("web.pin", "9999\n");
  const auto wrong = cli.run({"doctor", "--login", "--json"});
  CHECK(wrong.status == 1);
  CHECK(health(wrong.json(), "token web: login") == "fault");
  const auto after = cli.run({"doctor", "--json"});
  CHECK(after.status == 1);
  CHECK(health(after.json(), "token web: PIN") == "fault");
}

TEST_CASE("doctor names each fault of a bad configuration") {
  const Cli cli;
  cli.make_token("web");
  cli.configure();
  cli.write("web.pin", "1234\n", 0644);
  CHECK(health(cli.run({"doctor", "--json"}).json(), "token web: PIN source") == "fault");

  cli.write(".config/hsmbridge/hsmbridge.yaml", "tokens:\n  web: {module: /none.so, uri: \"pkcs11:token=web\"}\n");
  CHECK(health(cli.run({"doctor", "--json"}).json(), "token web: module") == "fault");

  cli.write(".config/hsmbridge/hsmbridge.yaml", "tokens:\n  web: {modul: /none.so}\n");
  const auto unknown = cli.run({"doctor"});
  CHECK(unknown.status == 1);
  CHECK(unknown.out.find("hsmbridge.yaml:2") != std::string::npos);
  CHECK(unknown.out.find("modul") != std::string::npos);
}

TEST_CASE("doctor names each file that says whom to believe and that others may write") {
  const Cli cli;
  cli.make_token("web");
  for (const char* name : {"ca", "bob"}) {
    const std::string file = name;
    REQUIRE(cli.other({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                       "-subj", "/CN=" + file, "-keyout", file + ".key", "-out", file + ".pem"})
                .status == 0);
  }
  const std::string ca = (cli / "ca.pem").string();
  const std::string bob = (cli / "bob.pem").string();
  cli.configure(
      "providers:\n  tsb:\n    type: securosys-tsb\n    url: https://127.0.0.1:1\n    sign_key: ca\n    ca: " + ca +
      "\n    issuer: " + ca + "\n    application_public_key: " + bob + "\npeople:\n  bob: {public_key: " + bob +
      "}\nprofiles:\n  www: {anchors: [" + ca + "]}\n");
  const std::vector<std::string> subjects{"provider tsb: ca", "provider tsb: issuer",
                                          "provider tsb: application_public_key", "person bob", "profile www"};
  const auto good = cli.run({"doctor", "--json"}).json();
  for (const auto& subject : subjects) {
    INFO(subject);
    CHECK(health(good, subject) == "ok");
  }
  for (const auto& file : {ca, bob}) std::filesystem::permissions(file, std::filesystem::perms(0664));
  const auto result = cli.run({"doctor", "--json"});
  INFO(result.out);
  const auto bad = result.json();
  for (const auto& subject : subjects) {
    INFO(subject);
    CHECK(health(bad, subject) == "fault");
  }
  CHECK(result.out.find("chmod go-w " + bob) != std::string::npos);
}

TEST_CASE("a configuration with an unknown key stops every command with file and line") {
  const Cli cli;
  cli.make_token("web");
  cli.write(".config/hsmbridge/hsmbridge.yaml", "stor: {path: x}\n");
  const auto result = cli.run({"key", "list"});
  CHECK(result.status == 2);
  CHECK(result.out.empty());
  CHECK(result.err.find("hsmbridge.yaml:1") != std::string::npos);
  CHECK(result.err.find("stor") != std::string::npos);
  const auto named = cli.run({"key", "list", "--config", "nowhere.yaml"});
  CHECK(named.status == 1);
  CHECK(named.err.find("nowhere.yaml") != std::string::npos);
}
