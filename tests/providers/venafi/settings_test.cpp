#include "providers/venafi/settings.h"

#include "base/error.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;

namespace {

Settings settings_of(const std::string& yaml) {
  auto document = config::Document::parse("cloud:\n" + yaml, "test.yaml", "/etc/hsmbridge");
  Settings settings = read_settings("cloud", *document.root().section("cloud"));
  document.finish();
  return settings;
}

std::string problem(const std::string& yaml) {
  try {
    settings_of(yaml);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return error.message();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

const std::string kUrl = "  url: https://api.venafi.cloud\n";
const std::string kZone = "  zone: 'Payments\\Default'\n";

}  // namespace

TEST_CASE("the short configuration of Venafi is enough") {
  const Settings settings = settings_of(kUrl + "  api_key: env:KEY\n" + kZone);
  CHECK(settings.name == "cloud");
  CHECK(settings.url == "https://api.venafi.cloud");
  CHECK(settings.api_key.has_value());
  CHECK(settings.zone == Zone{"Payments", "Default"});
  CHECK(settings.tags.empty());
  CHECK_FALSE(settings.validity);
}

TEST_CASE("everything of Venafi's settings is read") {
  const Settings settings = settings_of(kUrl + kZone +
                                        "  service_account: {client_id: abc, key: {token: web, key: jwt}}\n"
                                        "  tags: [env:prod, team]\n"
                                        "  validity: 30d\n"
                                        "  approvers: {alice: B11E2720-2DA1-11EB-A549-1B98453C62C9}\n"
                                        "  inventory_lag: 10m\n"
                                        "  search_lag: 20m\n"
                                        "  time_limit: 12s\n");
  REQUIRE(settings.service_account);
  CHECK(settings.service_account->client_id == "abc");
  CHECK(settings.service_account->key.token == "web");
  CHECK(settings.service_account->key.key == "jwt");
  CHECK(settings.tags == std::vector<std::string>{"env:prod", "team"});
  CHECK(settings.validity == std::chrono::hours{24 * 30});
  CHECK(settings.people.at("b11e2720-2da1-11eb-a549-1b98453c62c9") == "alice");
  CHECK(settings.inventory_lag == std::chrono::minutes{10});
  CHECK(settings.search_lag == std::chrono::minutes{20});
  CHECK(settings.time_limit == std::chrono::seconds{12});
}

TEST_CASE("exactly one credential is wanted") {
  CHECK(says(problem(kUrl + kZone), "exactly one credential is required"));
  CHECK(says(problem(kUrl + kZone + "  api_key: env:A\n  access_token: env:B\n"), "exactly one is required"));
  CHECK(says(problem(kUrl + kZone + "  api_key: env:A\n  service_account: {client_id: a, key: {token: t, key: k}}\n"),
             "exactly one is required"));
  CHECK(says(problem(kUrl + kZone + "  token_url: https://api.venafi.cloud/v1/oauth2/v2.0/x/token\n"),
             "needs an external_jwt"));
  CHECK(says(problem(kUrl + kZone + "  external_jwt: env:J\n"), "needs a token_url"));
  CHECK(says(problem(kUrl + kZone + "  token_url: http://x/y\n  external_jwt: env:J\n"), "must start with https://"));
  CHECK(says(problem(kUrl + kZone + "  service_account: {client_id: a}\n"), "of the key that signs the JWT"));
  const Settings federated = settings_of(
      kUrl + kZone + "  token_url: https://api.venafi.cloud/v1/oauth2/v2.0/x/token\n  external_jwt: file:/run/jwt\n");
  REQUIRE(federated.federated);
  CHECK(federated.federated->token_url == "https://api.venafi.cloud/v1/oauth2/v2.0/x/token");
}

TEST_CASE("a zone is judged while the configuration is read") {
  CHECK(says(problem(kUrl + "  api_key: env:A\n  zone: Payments\n"), "has no backslash"));
  CHECK(says(problem(kUrl + "  api_key: env:A\n"), "zone"));
  // A base path is another edition of the service: the alias may stand alone there.
  const Settings ngts =
      settings_of("  url: https://api.strata.example/ngts/\n  access_token: env:T\n  zone: Default\n");
  CHECK(ngts.url == "https://api.strata.example/ngts");
  CHECK(ngts.zone == Zone{"", "Default"});
}

TEST_CASE("what Venafi's settings do not know is a problem, and all are told at once") {
  const std::string all =
      problem(kUrl + kZone + "  api_key: env:A\n  zoen: x\n  tags: ['hsmbridge:1']\n  validity: 0s\n");
  CHECK(says(all, "zoen"));
  CHECK(says(all, "mark the requests of this bridge"));
  CHECK(says(all, "must be above zero"));
}
