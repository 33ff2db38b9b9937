// What Venafi's service repeats of our credentials is written nowhere: neither in the store and its side files nor on
// the terminal nor in JSON, whatever the call and the status.
#include "base/file.h"
#include "cloud_bench.h"
#include "support/echoed.h"

#include <algorithm>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

const std::vector<std::string> kStatuses{"200", "201", "302", "400", "401", "403", "404", "412", "429", "500", "503"};

// A JWT of nobody: the service is not asked whether it is good, its answers are the test's.
std::string jwt_of(const std::string& subject) {
  const auto part = [](const Json& json) {
    std::string text = base64(as_bytes(json.dump()));
    text.erase(std::find(text.begin(), text.end(), '='), text.end());
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    return text;
  };
  return part(Json::object({{"alg", "RS256"}, {"typ", "JWT"}})) + "." +
         part(Json::object({{"iss", "https://idp.test"}, {"sub", subject}})) + ".c2lnbmF0dXJlLW9mLXRoZS1qd3Q";
}

// Asks with this credential while `path` repeats it, and looks for it everywhere.
void expect_unseen(CloudBench& bench, const std::string& credential, const std::string& secret,
                   const std::string& path) {
  bench.configure("Default", credential);
  unsigned made = 0;
  for (const std::string& status : kStatuses) {
    CAPTURE(status);
    bench.rig.command("fault --kind status --times 0 --path " + path + " --status " + status + " --body '" +
                      echo_of(secret) + "'");
    const auto clean = [&](const CliResult& result) {
      INFO(result.out << result.err);
      CHECK(found_of(secret, result.out) == "");
      CHECK(found_of(secret, result.err) == "");
    };
    const std::string label = "web-" + std::to_string(++made);
    const auto asked = bench.cli.run({"-v", "-v", "enroll", "--provider", "cloud", "--profile", "server", "--new-key",
                                      label, "--san", "dns:www.example.com", "--wait", "--timeout", "500ms"});
    CHECK(asked.status != 0);
    clean(asked);
    clean(bench.cli.run({"-v", "-v", "provider", "test", "cloud"}));
    const auto list = bench.cli.run({"request", "list", "--json"});
    clean(list);
    const auto id = list.json().at("requests").as_array().at(0).at("id").as_string();
    for (const char* verb : {"show", "explain", "history"}) {
      clean(bench.cli.run({"request", verb, id}));
      clean(bench.cli.run({"request", verb, id, "--json"}));
    }
    bench.rig.command("fault --clear");
  }
  for (const auto& entry : std::filesystem::directory_iterator(bench.cli / "")) {
    const auto name = entry.path().filename().string();
    if (!entry.is_regular_file() || !name.starts_with("hsmbridge.db")) continue;
    CAPTURE(name);
    CHECK(found_of(secret, as_text(read_file(entry.path()))) == "");
  }
  CHECK(bench.cli.exists("hsmbridge.db"));
}

}  // namespace

TEST_CASE("a JWT that Venafi's token endpoint repeats is written nowhere") {
  CloudBench bench;
  const std::string jwt = jwt_of("planted");
  const auto file = bench.cli.write("jwt", jwt + "\n");
  const auto url = bench.rig.about().at("url").as_string() + "/v1/oauth2/v2.0/" +
                   bench.rig.about().at("company").as_string() + "/token";
  expect_unseen(bench, "token_url: " + url + "\n    external_jwt: \"file:" + file.string() + "\"", jwt, "/v1/oauth2");
}

TEST_CASE("an access token that Venafi repeats is written nowhere") {
  CloudBench bench;
  const std::string token = jwt_of("planted-bearer");
  const auto file = bench.cli.write("bearer", token + "\n");
  expect_unseen(bench, "access_token: \"file:" + file.string() + "\"", token, "/");
}

TEST_CASE("an API key that Venafi repeats in whatever spelling and call is written nowhere") {
  CloudBench bench;
  expect_unseen(bench, bench.key_of_ops(), bench.rig.api_key("ops"), "/");
}

}  // namespace hsmbridge::test
