#include "support/cli/cli.h"
#include "support/echoed.h"
#include "support/running_rig.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace hsmbridge::test {
namespace {

// A token, the simulated DigiCert, and a configuration with both.
struct Desk {
  explicit Desk(const std::vector<std::string>& serve = {}, const std::string& profile = "000000000001")
      : rig(serve, "digicert") {
    cli.make_token("web");
    write_key(rig.api_key("service"));
    configure(profile);
  }
  void write_key(const std::string& value) const { cli.write("digicert.key", value + "\n"); }
  void configure(const std::string& profile, const std::string& seat = "ops@example.com",
                 const std::string& lag = "2s") const {
    cli.write(
        ".config/hsmbridge/hsmbridge.yaml",
        "store: {path: " + (cli / "hsmbridge.db").string() + "}\ntokens:\n  web: {module: " + Cli::module().string() +
            ", uri: \"pkcs11:token=web\", pin: \"file:" + (cli / "web.pin").string() +
            "\"}\nproviders:\n  digicert:\n    type: digicert-tlm\n    url: " + rig.about().at("url").as_string() +
            "\n    ca: " + rig.about().at("ca").as_string() +
            "\n    api_key: \"file:" + (cli / "digicert.key").string() + "\"\n    profile: 36f011b7-5fa1-4c6d-83f3-" +
            profile + "\n    seat: " + seat + "\n    time_limit: 3s\n    settle: 1s\n    search_lag: " + lag +
            "\n    poll_first: 200ms\n"
            "    poll_longest: 500ms\nprofiles:\n  server:\n    token: web\n    key: \"ec:P-256\"\n"
            "    subject: [{C: CH}, {O: Example}]\n    usage: [digitalSignature]\n"
            "    extended_usage: [serverAuth]\n    validity: 20d\n    anchors: [" +
            rig.about().at("root").as_string() + "]\n    install: {token: true}\n");
  }
  CliResult enroll(const std::string& label, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{"enroll",         "--provider", "digicert", "--profile",           "server",
                                   "--new-key",      label,        "--san",    "dns:www.example.com", "--cn",
                                   "www.example.com"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }
  std::string id() const {
    return cli.run({"request", "list", "--json"}).json().at("requests").as_array().at(0).at("id").as_string();
  }
  // Of every certificate that the simulator has issued, oldest first.
  std::vector<std::string> serials() const {
    std::vector<std::string> found;
    const auto text = cli.other({HSMBRIDGE_RIG, "requests", "--dir", rig.dir()}).out;
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      const Json line = Json::parse(rest.substr(0, end));
      if (line.at("kind").as_string() == "certificate") found.push_back(line.at("serial_number").as_string());
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    return found;
  }
  std::string state() const { return cli.run({"request", "show", id(), "--json"}).json().at("state").as_string(); }

  Cli cli;
  RunningRig rig;
};

// What it printed, on one line: texts are wrapped to the terminal's width.
std::string words(const CliResult& result) {
  std::string line;
  for (const char c : result.out + " " + result.err) {
    const bool space = c == '\n' || c == ' ';
    if (!space || (!line.empty() && line.back() != ' ')) line.push_back(space ? ' ' : c);
  }
  return line;
}

}  // namespace

TEST_CASE("a certificate of DigiCert is beside its key in one command") {
  const Desk desk;
  const auto file = (desk.cli / "web.pem").string();
  const auto done = desk.enroll("web-2026", {"--install", "file:" + file, "--wait", "--timeout", "30s"});
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  CHECK(desk.cli
            .other({"openssl", "verify", "-CAfile", desk.rig.about().at("root").as_string(), "-untrusted", "web.pem",
                    "web.pem"})
            .out == "web.pem: OK\n");
  CHECK(desk.rig.count("POST /mpki/api/v1/certificate 201") == 1);
}

TEST_CASE("an approval at DigiCert is waited for and explained") {
  const Desk desk({}, "000000000003");
  const auto asked = desk.enroll("web-2026");
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = desk.id();
  const auto explained = desk.cli.run({"request", "explain", id});
  INFO(explained.out);
  CHECK(words(explained).find("reports PENDING; it waits for an approval by an administrator.") != std::string::npos);
  desk.rig.command("digicert approve");
  const auto done = desk.cli.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
}

TEST_CASE("a rejection at DigiCert ends the request as rejected") {
  const Desk desk({}, "000000000003");
  REQUIRE(desk.enroll("web-2026").status == 3);
  desk.rig.command("digicert reject --reason not-today");
  const auto done = desk.cli.run({"request", "wait", desk.id(), "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 4);
  CHECK(desk.state() == "Rejected");
  CHECK(words(done).find("not-today") != std::string::npos);
}

TEST_CASE("a wrong API key is one clear sentence before anything is sent, and may be corrected") {
  const Desk desk({"--wrong-key", "text"});
  desk.write_key("wrong");
  const auto done = desk.enroll("web-2026", {"--wait", "--timeout", "2s"});
  INFO(done.out << done.err);
  CHECK(done.status == 3);
  CHECK(words(done).find("DigiCert does not accept our credentials: HTTP 401 with \"Unauthorized\"") !=
        std::string::npos);
  CHECK(desk.rig.count("POST ") == 0);
  const auto test = desk.cli.run({"provider", "test", "digicert"});
  CHECK(test.status == 4);
  CHECK(test.err.find("does not accept our credentials") != std::string::npos);
  desk.write_key(desk.rig.api_key("service"));
  CHECK(desk.cli.run({"request", "wait", desk.id(), "--timeout", "30s"}).status == 0);
}

TEST_CASE("a profile that cannot be used is refused with every reason") {
  const Desk desk({}, "000000000011");
  const auto done = desk.enroll("web-2026", {"--wait", "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status != 0);
  const auto said = words(done);
  CHECK(said.find("fixes organization_name to \"Example AG\"") != std::string::npos);
  CHECK(said.find("user_principal_names") != std::string::npos);
  CHECK(said.find("dns_names") != std::string::npos);
  CHECK(desk.rig.count("POST ") == 0);
}

TEST_CASE("a proxy's page after the submission is looked up and nothing is sent twice") {
  const Desk desk;
  desk.rig.command("fault --kind drop-after --method POST --path /mpki/api/v1/certificate");
  const auto done = desk.enroll("web-2026", {"--wait", "--timeout", "40s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(desk.rig.count("POST /mpki/api/v1/certificate ") == 1);
}

TEST_CASE("what a template adds is said before anything is sent, and its certificate is used") {
  const Desk desk({}, "000000000014");
  const auto check = desk.enroll("web-2026", {"--spec", "rsa:2048", "--check"});
  INFO(check.out << check.err);
  CHECK(check.status == 0);
  CHECK(words(check).find("the profile \"Server, as commercial templates issue\" issues clientAuth too") !=
        std::string::npos);
  CHECK(desk.rig.count("POST ") == 0);
  const auto done = desk.enroll("web-2026", {"--spec", "rsa:2048", "--wait", "--timeout", "30s"});
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  const auto history = desk.cli.run({"request", "history", desk.id()});
  INFO(history.out);
  CHECK(words(history).find("issues clientAuth too") != std::string::npos);
  const auto shown = desk.cli.run({"request", "show", desk.id()});
  INFO(shown.out);
  CHECK(words(shown).find("keyEncipherment") != std::string::npos);
  CHECK(words(shown).find("clientAuth") != std::string::npos);
  CHECK(desk.rig.count("POST /mpki/api/v1/certificate 201") == 1);
}

TEST_CASE("an API key that DigiCert repeats, whatever the status, is written nowhere") {
  const Desk desk;
  const auto key = desk.rig.api_key("service");
  unsigned made = 0;
  for (const char* status : {"200", "201", "400", "401", "403", "404", "409", "422", "429", "500", "503"}) {
    CAPTURE(status);
    const auto echo = R"({"errors":[{"code":"odd_)" + key + R"(","message":"key )" + key + R"( is odd"}],"status":")" +
                      key + R"(","request_id":"x y","serial_number":")" + key + R"("})";
    desk.rig.command(std::string("fault --kind status --method POST --path /mpki/api/v1/certificate --status ") +
                     status + " --body '" + echo + "'");
    const auto label = "web-" + std::to_string(++made);
    const auto said = desk.enroll(label, {"--wait", "--timeout", "1s"});
    CHECK(words(said).find(key) == std::string::npos);
    const auto as_json = desk.cli.run({"request", "list", "--json"});
    CHECK(words(as_json).find(key) == std::string::npos);
    const auto id = as_json.json().at("requests").as_array().at(0).at("id").as_string();
    for (const char* verb : {"show", "explain", "history"}) {
      CHECK(words(desk.cli.run({"request", verb, id, "--json"})).find(key) == std::string::npos);
    }
    desk.rig.command("fault --clear");
  }
  // The store, with what is still in its log.
  const auto found = desk.cli.other({"sh", "-c", "cat hsmbridge.db* | grep -c -a -F " + key});
  CHECK(found.out == "0\n");
}

TEST_CASE("an API key that DigiCert repeats in whatever spelling and call is written nowhere") {
  const Desk desk;
  const auto key = desk.rig.api_key("service");
  unsigned made = 0;
  for (const char* status : {"200", "201", "302", "400", "401", "403", "404", "429", "500", "503"}) {
    CAPTURE(status);
    desk.rig.command(std::string("fault --kind status --times 0 --path / --status ") + status + " --body '" +
                     echo_of(key) + "'");
    const auto clean = [&](const CliResult& result) {
      INFO(words(result));
      CHECK(found_of(key, words(result)) == "");
    };
    clean(desk.enroll("web-" + std::to_string(++made), {"-v", "-v", "--wait", "--timeout", "500ms"}));
    clean(desk.cli.run({"-v", "-v", "provider", "test", "digicert"}));
    const auto id = desk.id();
    for (const char* verb : {"show", "explain", "history"}) {
      clean(desk.cli.run({"request", verb, id}));
      clean(desk.cli.run({"request", verb, id, "--json"}));
    }
    desk.rig.command("fault --clear");
  }
  for (const char* file : {"hsmbridge.db", "hsmbridge.db-wal"}) {
    if (desk.cli.exists(file)) CHECK(found_of(key, desk.cli.read(file)) == "");
  }
}

TEST_CASE("an order that the search shows late is found, and no second one is sent") {
  // Two looks one settle time apart would both miss it.
  const Desk desk({"--search-lag", "9s"});
  desk.configure("000000000001", "ops@example.com", "20s");
  desk.rig.command("fault --kind drop-after --method POST --path /mpki/api/v1/certificate");
  const auto done = desk.enroll("web-2026", {"--wait", "--timeout", "40s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(desk.rig.count("POST /mpki/api/v1/certificate ") == 1);
  CHECK(desk.rig.count("GET /mpki/api/v1/certificate-search") > 4);
}

TEST_CASE("an order of another account is not sent again because our search does not show it") {
  const Desk desk;
  desk.rig.command("fault --kind drop-before --method POST --path /mpki/api/v1/certificate");
  desk.rig.command("fault --kind status --status 503 --times 2 --path /mpki/api/v1/certificate-search");
  const auto lost = desk.enroll("web-2026", {"--wait", "--timeout", "4s"});
  INFO(lost.out << lost.err);
  REQUIRE(lost.status == 3);
  desk.write_key(desk.rig.api_key("other"));
  const auto done = desk.cli.run({"request", "wait", desk.id(), "--timeout", "60s"});
  INFO(done.out << done.err);
  CHECK(done.status == 6);
  CHECK(desk.state() == "Unresolved");
  CHECK(words(done).find("which proves nothing: it was ordered by user") != std::string::npos);
  CHECK(desk.rig.count("POST /mpki/api/v1/certificate ") == 1);
}

TEST_CASE("a service that wants the other form of a request gets it in the next attempt") {
  const Desk desk({"--shape", "tutorial"});
  const auto done = desk.enroll("web-2026", {"--wait", "--timeout", "40s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(desk.rig.count("POST /mpki/api/v1/certificate 400") == 1);
  CHECK(desk.rig.count("POST /mpki/api/v1/certificate 201") == 1);
  const auto history = desk.cli.run({"request", "history", desk.id()});
  INFO(history.out);
  CHECK(words(history).find("the next attempt sends the other form of a request") != std::string::npos);
}

TEST_CASE("a lost answer is looked for where the order went, whatever the configuration says by then") {
  const Desk desk;
  desk.rig.command("fault --kind drop-after --method POST --path /mpki/api/v1/certificate");
  desk.rig.command("fault --kind html --times 0 --path /mpki/api/v1/certificate-search");
  const auto lost = desk.enroll("web-2026", {"--wait", "--timeout", "4s"});
  INFO(lost.out << lost.err);
  REQUIRE(lost.status == 3);
  const auto id = desk.id();
  REQUIRE(desk.state() == "LookingUp");
  desk.configure("000000000003", "others@example.com");
  desk.rig.command("fault --clear");
  const auto done = desk.cli.run({"request", "wait", id, "--timeout", "40s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(desk.rig.count("POST /mpki/api/v1/certificate ") == 1);
  CHECK(desk.serials().size() == 1);
}

TEST_CASE("a pending order whose answer was lost is resolved by the serial number of its certificate") {
  const Desk desk({}, "000000000003");
  desk.rig.command("fault --kind drop-after --method POST --path /mpki/api/v1/certificate");
  const auto lost = desk.enroll("web-2026", {"--wait", "--timeout", "40s"});
  INFO(lost.out << lost.err);
  REQUIRE(lost.status == 6);
  CHECK(words(lost).find("resolve") != std::string::npos);
  const auto id = desk.id();
  // Somebody else's certificate at the same service.
  desk.configure("000000000001");
  REQUIRE(desk.enroll("other-2026", {"--wait", "--timeout", "30s"}).status == 0);
  desk.configure("000000000003");
  const auto others = desk.serials();
  REQUIRE(others.size() == 1);
  const auto wrong = desk.cli.run({"request", "resolve", id, "--serial", others.front()});
  INFO(wrong.out << wrong.err);
  CHECK(wrong.status == 1);
  CHECK(words(wrong).find("is for another key than request " + id + ": nothing was changed") != std::string::npos);
  CHECK(desk.cli.run({"request", "resolve", id, "--serial", "AB"}).err.find("knows no certificate AB") !=
        std::string::npos);
  CHECK(desk.cli.run({"request", "resolve", id, "--serial", "no number"}).status == 2);
  CHECK(desk.cli.run({"request", "resolve", id, "--serial", "AB", "--reference", "r"}).status == 2);
  CHECK(desk.cli.run({"request", "show", id, "--json"}).json().at("state").as_string() == "Unresolved");

  desk.rig.command("digicert approve");
  const auto issued = desk.serials();
  REQUIRE(issued.size() == 2);
  const auto resolved = desk.cli.run({"request", "resolve", id, "--serial", issued.back()});
  INFO(resolved.out << resolved.err);
  CHECK(resolved.status == 3);
  const auto done = desk.cli.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(desk.rig.count("POST /mpki/api/v1/certificate 201") == 1);
}

TEST_CASE("a certificate that a person brings is compared with the request's key before anything changes") {
  const Desk desk({}, "000000000003");
  desk.rig.command("fault --kind drop-after --method POST --path /mpki/api/v1/certificate");
  REQUIRE(desk.enroll("web-2026", {"--wait", "--timeout", "40s"}).status == 6);
  const auto id = desk.id();
  const auto wrong = desk.cli.run({"request", "resolve", id, "--certificate", desk.rig.about().at("root").as_string()});
  INFO(wrong.out << wrong.err);
  CHECK(wrong.status == 1);
  CHECK(words(wrong).find("is for another key") != std::string::npos);
  CHECK(desk.state() == "Unresolved");
}

TEST_CASE("the catalogue shows what can be ordered, to people and to programs") {
  const Desk desk;
  const auto text = desk.cli.run({"provider", "show", "digicert", "--profiles"});
  INFO(text.out << text.err);
  CHECK(text.status == 0);
  CHECK(text.out.find("Server, at once") != std::string::npos);
  CHECK(text.out.find("its status is Deleted, not Active") != std::string::npos);
  const auto profiles = desk.cli.run({"provider", "show", "digicert", "--profiles", "--json"}).json();
  CHECK(profiles.at("schema").as_string() == "hsmbridge.provider-profiles/1");
  CHECK(profiles.at("profiles").as_array().size() == 14);
  CHECK(desk.cli.run({"provider", "test", "digicert"}).status == 0);
}

}  // namespace hsmbridge::test
