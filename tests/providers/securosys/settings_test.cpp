#include "providers/securosys/settings.h"

#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "support/temp_folder.h"
#include "test_ca.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace std::chrono_literals;

namespace {

// Reads `body` (indented by four) as the section of a provider named tsb, through the real reader of the file.
Settings read(const test::TempFolder& folder, const std::string& body) {
  Settings result;
  std::string text = "providers:\n  tsb:\n    type: securosys-tsb\n" + body;
  config::read_settings(config::Document::parse(text, "test.yaml", folder.path()),
                        {{"securosys-tsb", [&](const std::string& name, config::Section section) {
                            result = securosys::read_settings(name, std::move(section));
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
const std::string kLeast = "    url: https://tsb.example:8443/\n    sign_key: ca-key\n";

void write_key(const test::TempFolder& folder, const std::string& name, const Bytes& spki) {
  write_file(folder / name, to_bytes(x509::spki_to_pem(spki)), FileMode::public_0644, Existing::refuse);
}

}  // namespace

TEST_CASE("little is enough for a provider") {
  const test::TempFolder folder;
  const Settings settings = read(folder, kLeast);
  CHECK(settings.name == "tsb");
  CHECK(settings.url == "https://tsb.example:8443");
  CHECK(settings.mode == Mode::raw_signature);
  CHECK_FALSE(settings.generation);
  CHECK(settings.api_keys.empty());
  CHECK_FALSE(settings.policy);
}

TEST_CASE("everything that a provider can be told is read") {
  const test::TempFolder folder;
  test::SoftwareSigner anna("ec:P-256"), cleo("rsa:2048");
  test::TestCa ben("ec:P-256", "CN=Ben", "CA:FALSE"), reader("ec:P-256", "CN=Reader", "CA:FALSE");
  write_key(folder, "anna.pem", anna.subject_public_key_info());
  write_key(folder, "cleo.pem", cleo.subject_public_key_info());
  write_file(folder / "ben.pem", to_bytes(x509::certificate_to_pem(ben.certificate.der)), FileMode::public_0644,
             Existing::refuse);
  write_file(folder / "reader.pem", to_bytes(x509::certificate_to_pem(reader.certificate.der)), FileMode::public_0644,
             Existing::refuse);
  const Settings settings = read(folder, kLeast + R"(    ca: ca.pem
    api_key: env:TSB_KEY
    api_keys: {key_operation: [env:TSB_KEY2], service: env:TSB_SV, approver: [env:A, env:B]}
    bearer_token: env:TSB_JWT
    client_cert: client.pem
    client_key: {token: web, key: tls}
    key_password: env:PW
    mode: certificate
    generation: modern
    algorithm: rsa-sha384
    issuer: issuer.pem
    chain: chain.pem
    validity: 30d
    backdate: 5m
    result_once: true
    application_key: {token: web, key: app}
    request_signature: true
    roles: {certificate: key_management}
    reject: patch
    import_label: "{key}"
    approval_policy:
      timeout: 24h
      groups:
        - {name: ops, quorum: 2, approvers: {anna: anna.pem, ben: ben.pem}}
        - {quorum: 1, approvers: {cleo: cleo.pem}}
    approvers: {}
    task_reader: {certificate: reader.pem, token: web, key: reader}
)");
  CHECK(settings.api_keys.at(Role::key_operation).size() == 2);
  CHECK(settings.api_keys.at(Role::key_operation)[0].name() == "env:TSB_KEY");
  CHECK(settings.api_keys.at(Role::approver).size() == 2);
  CHECK(settings.client_key->key == "tls");
  CHECK(settings.mode == Mode::certificate);
  CHECK(settings.generation == Generation::modern);
  CHECK(settings.issuer == folder / "issuer.pem");
  CHECK(settings.roles.at(Endpoint::certificate) == Role::key_management);
  CHECK(settings.reject_verb == ClientOptions::RejectVerb::patch_task);
  REQUIRE(settings.policy);
  CHECK(approval::quorum_text(*settings.policy) == "2 of 2 in group ops and 1 of 1");
  CHECK(settings.policy->alternatives[0].timeout == 24h);
  CHECK(settings.names.at(x509::spki_hash(ben.certificate.spki())) == "ben");
  CHECK(settings.task_reader->key.token == "web");
  CHECK(client_options(settings, {}).api_keys.at(Role::key_operation).size() == 2);
}

TEST_CASE("every problem of a provider is told with its line") {
  const test::TempFolder folder;
  const std::string text = problems(folder, R"(    url: http://tsb.example/v1
    sign_key: ca-key
    mode: fast
    algorithm: ecdsa-md5
    api_key: tsb-x-token_secret
    client_cert: a.pem
    request_signature: true
    sing_key: oops
    roles: {sgin: service}
    approval_policy: {timeout: 1h, groups: [{quorum: 2, approvers: {anna: missing.pem}}]}
)");
  CAPTURE(text);
  for (const char* part : {":4:", ":6:", ":7:", ":8:", ":9:", ":10:", ":11:", ":12:", ":13:",
                           "must start with https://", "sing_key", "sgin", "missing.pem"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(text.find("token_secret") == std::string::npos);
}

TEST_CASE("a URL with a path is refused") {
  const test::TempFolder folder;
  CHECK(problems(folder, "    url: https://tsb.example/v1\n    sign_key: k\n").find("origin") != std::string::npos);
}

TEST_CASE("the key of an approver cannot be the task reader") {
  const test::TempFolder folder;
  test::TestCa anna("ec:P-256", "CN=Anna", "CA:FALSE");
  write_file(folder / "anna.pem", to_bytes(x509::certificate_to_pem(anna.certificate.der)), FileMode::public_0644,
             Existing::refuse);
  CHECK(problems(folder, kLeast + "    approvers: {anna: anna.pem}\n"
                                  "    task_reader: {certificate: anna.pem, token: web, key: anna}\n")
            .find("must not be able to approve") != std::string::npos);
}

TEST_CASE("a client key in a file is a path and one in a token a mapping") {
  const test::TempFolder folder;
  const Settings settings = read(folder, kLeast + "    client_cert: c.pem\n    client_key: k.pem\n");
  CHECK(settings.client_key_file == folder / "k.pem");
  CHECK_FALSE(settings.client_key);
}

TEST_CASE("an import over the CA's own certificate is refused") {
  const test::TempFolder folder;
  CHECK(problems(folder, kLeast + "    import_label: ca-key\n").find("is the signing key") != std::string::npos);
  CHECK(read(folder, kLeast + "    import_label: sub-{key}\n").import_label == "sub-{key}");
}

TEST_CASE("a proxy is an address without a name or password") {
  const test::TempFolder folder;
  CHECK(read(folder, kLeast + "    proxy: http://proxy.example:3128\n").proxy == "http://proxy.example:3128");
  for (const char* proxy : {"https://proxy", "proxy:3128", "http://user:hunter2@proxy", "http://"}) {
    CHECK(problems(folder, kLeast + "    proxy: \"" + proxy + "\"\n").find("http://HOST:PORT") != std::string::npos);
  }
}

TEST_CASE("a provider without a key of its own keeps those of CAs, and is told nothing about one") {
  const test::TempFolder folder;
  const std::string least = "    url: https://tsb.example:8443\n";
  CHECK(read(folder, least).sign_key.empty());
  CHECK(problems(folder, least + "    mode: certificate\n").find("providers.tsb.sign_key: is missing") !=
        std::string::npos);
  for (const char* const line : {"key_password: env:PW", "issuer: ca.pem", "algorithm: rsa-sha256"}) {
    CHECK(problems(folder, least + "    " + line + "\n").find("is about sign_key") != std::string::npos);
  }
}

TEST_CASE("what is said of the provider's own key is not said of a CA's") {
  const test::TempFolder folder;
  const Settings own = read(folder, kLeast +
                                        "    key_password: env:PW\n    issuer: ca.pem\n    algorithm: rsa-sha256\n"
                                        "    import_label: web\n    result_once: true\n");
  const Settings settings = for_key_of_ca(own, "issuing", "issuing-2026", std::nullopt);
  CHECK(settings.name == "issuing");
  CHECK(settings.sign_key == "issuing-2026");
  CHECK(settings.mode == Mode::given_bytes);
  CHECK_FALSE(settings.key_password);
  CHECK_FALSE(settings.issuer);
  CHECK(settings.algorithm.empty());
  CHECK(settings.import_label.empty());
  CHECK(settings.result_once);
}
