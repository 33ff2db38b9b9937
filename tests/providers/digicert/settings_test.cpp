#include "providers/digicert/settings.h"

#include "base/error.h"
#include "config/settings.h"
#include "support/temp_folder.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace std::chrono_literals;

namespace {

const char* const kProfile = "36f011b7-5fa1-4c6d-83f3-ee59c4d54bb0";

// Reads `body` (indented by four) as the section of a provider named tlm, through the real reader of the file.
Settings read(const test::TempFolder& folder, const std::string& body) {
  Settings result;
  std::string text = "providers:\n  tlm:\n    type: digicert-tlm\n" + body;
  config::read_settings(config::Document::parse(text, "test.yaml", folder.path()),
                        {{"digicert-tlm", [&](const std::string& name, config::Section section) {
                            result = read_settings(name, std::move(section));
                            return config::ProviderFacts{};
                          }}});
  return result;
}
std::string problems(const test::TempFolder& folder, const std::string& body) {
  try {
    read(folder, body);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}
std::string least() {
  return std::string(
             "    url: https://one.digicert.com/\n    api_key: env:KEY\n    seat: ops@example.com\n    profile: ") +
         kProfile + "\n";
}
bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("little is enough for a DigiCert provider") {
  const test::TempFolder folder;
  const Settings settings = read(folder, least());
  CHECK(settings.name == "tlm");
  CHECK(settings.url == "https://one.digicert.com");
  CHECK(settings.profile == kProfile);
  CHECK_FALSE(settings.shape);
  CHECK(settings.delivery_format.empty());
  CHECK(settings.validity == Settings::Validity::as_asked);
  CHECK(settings.check == Settings::LocalCheck::profile);
  CHECK(static_cast<bool>(api_key_of(settings, {}).get));
  CHECK(api_key_of(settings, {}).reread);
  CHECK_FALSE(
      api_key_of(read(folder, "    url: https://one.digicert.com/\n    api_key: prompt\n    seat: s\n"), {}).reread);
}

TEST_CASE("everything that a DigiCert provider can be told is read") {
  const test::TempFolder folder;
  const Settings settings = read(folder, least() + R"(    ca: ca.pem
    client_cert: client.pem
    client_key: {token: web, key: tls}
    request_shape: nested
    delivery_format: pkcs7
    include_ca_chain: true
    validity: profile
    check: none
    tags: [prod, web]
    chain: chain.pem
    search_lag: 20m
    time_limit: 12s
)");
  CHECK(settings.ca == folder / "ca.pem");
  CHECK(settings.client_key->key == "tls");
  CHECK(settings.shape == Shape::nested);
  CHECK(settings.delivery_format == "pkcs7");
  CHECK(settings.include_ca_chain);
  CHECK(settings.validity == Settings::Validity::of_profile);
  CHECK(settings.check == Settings::LocalCheck::none);
  CHECK(settings.tags == std::vector<std::string>{"prod", "web"});
  CHECK(settings.chain == folder / "chain.pem");
  CHECK(settings.search_lag == 20min);
  CHECK(settings.time_limit == 12s);
}

TEST_CASE("every problem of a DigiCert provider is told with its line") {
  const test::TempFolder folder;
  const std::string text = problems(folder, R"(    url: https://one.digicert.com/mpki/api/v1
    api_key: 0123456789_abcdef
    profile: web-server
    request_shape: tutorial
    delivery_format: p12
    client_cert: a.pem
    sait: oops
)");
  CAPTURE(text);
  for (const char* part : {":4:", ":5:", ":6:", ":7:", ":8:", ":9:", ":10:", "before /mpki", "UUID", "sait", "seat"}) {
    CAPTURE(part);
    CHECK(has(text, part));
  }
  CHECK_FALSE(has(text, "0123456789_abcdef"));
}

TEST_CASE("a client certificate alone needs the host that asks for it") {
  const test::TempFolder folder;
  const std::string rest = std::string("    seat: a\n    profile: ") + kProfile +
                           "\n    client_cert: c.pem\n    client_key: {token: web, key: tls}\n";
  CHECK(has(problems(folder, "    url: https://one.digicert.com\n" + rest), "clientauth."));
  const Settings settings = read(folder, "    url: https://clientauth.one.digicert.com\n" + rest);
  CHECK_FALSE(static_cast<bool>(api_key_of(settings, {}).get));
  CHECK_NOTHROW(read(folder, "    url: https://tlm.example\n" + rest));
  CHECK(read(folder, "    url: https://tlm.example\n    api_key: env:K\n    seat: a\n").profile.empty());
  CHECK(has(problems(folder, "    url: https://tlm.example\n    seat: a\n    profile: " + std::string(kProfile) + "\n"),
            "api_key"));
}

TEST_CASE("the seat may be the common name and wants one then") {
  Settings settings;
  settings.name = "tlm";
  settings.seat = "ops@example.com";
  CHECK(seat_for(settings, "") == "ops@example.com");
  settings.seat = "host-{cn}";
  CHECK(seat_for(settings, "www.example.com") == "host-www.example.com");
  CHECK_THROWS_WITH(seat_for(settings, ""), Catch::Contains("no common name"));
}
