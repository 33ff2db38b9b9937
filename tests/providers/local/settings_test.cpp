// What the configuration says of a CA of this bridge.
#include "providers/local/settings.h"

#include "base/error.h"
#include "config/settings.h"
#include "support/temp_folder.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <variant>
#include <vector>

using namespace hsmbridge;
using namespace std::chrono_literals;

namespace {

// Reads `body` as the section of a provider named issuing, through the real reader of the file.
local::Settings read(const std::string& body) {
  local::Settings result;
  const std::string text = "providers:\n  issuing:\n    type: local-ca\n" + body;
  config::read_settings(config::Document::parse(text, "test.yaml", "/etc/hsmbridge"),
                        {{"local-ca", [&](const std::string& name, config::Section section) {
                            result = local::read_settings(name, std::move(section));
                            return config::ProviderFacts{};
                          }}});
  return result;
}
std::string problems(const std::string& body) {
  try {
    read(body);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}
const std::string kLeast = "    certificate: issuing.pem\n    key: {token: ca, key: issuing-2026}\n";
// One profile with this line in it.
std::string profile(const std::string& line) {
  return kLeast + "    profiles:\n      tls:\n        " + line + "\n";
}

}  // namespace

TEST_CASE("little is enough for a CA") {
  const local::Settings settings = read(kLeast);
  CHECK(settings.certificate == "/etc/hsmbridge/issuing.pem");
  CHECK(settings.key.token == "ca");
  CHECK(settings.key.key == "issuing-2026");
  CHECK_FALSE(settings.root);
  CHECK(settings.profile_for("server") == nullptr);
}

TEST_CASE("everything that a CA can be told is read") {
  const local::Settings settings = read(kLeast + R"(
    chain: root.pem
    algorithm: ecdsa-sha384
    root: {subject: {C: CH, O: "Example, Inc", CN: Root}, key: "ec:P-521", validity: 7300d, path_length: 2}
    profiles:
      tls:
        for: [web, api]
        validity: tls-br
        backdate: 1h
        subject: {C: CH, CN: "/[a-z.]+/"}
        names: ["permitted;dns:example.com"]
        usage: [digitalSignature]
        extended_usage: [serverAuth, clientAuth]
        policies: ["2.23.140.1.2.1;cps:https://ca.example.com/cps"]
        extensions: [1.2.3.4]
        ocsp_url: "http://ocsp.example.com/"
        issuer_url: "http://ca.example.com/issuing.crt"
        crl_url: ["http://ca.example.com/issuing.crl"]
        key_identifier: sha1
        policy_url: "https://ca.example.com/cps#7.1"
        rules: cabf-tls
      sub-ca:
        validity: "2030-12-31T23:59:59Z"
        usage: [keyCertSign, cRLSign]
        basic_constraints: "CA:TRUE,pathlen:0"
        name_constraints: ["permitted;dns:example.com", "excluded;ip:0.0.0.0/0"]
        rules: [cabf-sub-ca]
)");
  CHECK(settings.algorithm == "ecdsa-sha384");
  REQUIRE(settings.root);
  CHECK(settings.root->root.subject.to_string() == "C=CH, O=Example\\, Inc, CN=Root");
  CHECK(x509::to_string(settings.root->key) == "ec:P-521");
  CHECK(settings.root->root.validity == 24h * 7300);
  CHECK(settings.root->root.path_length == 2);

  CHECK(settings.profile_for("tls") == nullptr);
  const ca::Profile* const tls = settings.profile_for("api");
  REQUIRE(tls != nullptr);
  CHECK(tls == settings.profile_for("web"));
  CHECK(std::holds_alternative<ca::TlsMaximum>(tls->lifetime));
  CHECK(tls->backdate == 1h);
  REQUIRE(tls->subject.size() == 2);
  CHECK(tls->subject[0].value == "CH");
  CHECK(tls->subject[1].expression == "[a-z.]+");
  CHECK(tls->names.permitted.size() == 1);
  CHECK(tls->extended_key_usage.size() == 2);
  CHECK(tls->policies.front().cps_uris == std::vector<std::string>{"https://ca.example.com/cps"});
  CHECK(tls->ocsp == std::vector<std::string>{"http://ocsp.example.com/"});
  CHECK(tls->key_identifier == x509::KeyIdentifierMethod::sha1);
  CHECK(tls->rules == std::vector<ca::Rules>{ca::Rules::cabf_tls});
  const ca::Profile* const sub_ca = settings.profile_for("sub-ca");
  REQUIRE(sub_ca != nullptr);
  CHECK(std::get<Instant>(sub_ca->lifetime) == parse_rfc3339("2030-12-31T23:59:59Z"));
  CHECK(sub_ca->name_constraints->excluded.size() == 1);
  CHECK(sub_ca->key_identifier == x509::KeyIdentifierMethod::sha256);
}

TEST_CASE("where CRLs go is read, and their address is put into certificates whose profile names none") {
  const auto settings = read(kLeast + R"(
    crl: {file: issuing.crl, url: "http://ca.example.com/issuing.crl", next_update: 7d}
    profiles:
      own: {crl_url: "http://elsewhere.example.com/own.crl"}
      other: {}
)");
  REQUIRE(settings.crl);
  CHECK(settings.crl->file == "/etc/hsmbridge/issuing.crl");
  CHECK(settings.crl->next_update == 24h * 7);
  CHECK(settings.profile_for("own")->crl_urls == std::vector<std::string>{"http://elsewhere.example.com/own.crl"});
  CHECK(settings.profile_for("other")->crl_urls == std::vector<std::string>{"http://ca.example.com/issuing.crl"});
  CHECK(problems(kLeast + "    crl: {url: 'http://ca.example.com/a.crl'}\n").find("file") != std::string::npos);
  CHECK(problems(kLeast + "    crl: {file: a.crl, next_update: 10m}\n").find("between an hour and a year") !=
        std::string::npos);
  CHECK_FALSE(settings.crl->every);
  CHECK(read(kLeast + "    crl: {file: a.crl, every: 24h}\n").crl->every == Duration{std::chrono::hours{24}});
  CHECK(problems(kLeast + "    crl: {file: a.crl, every: 4d}\n").find("shorter than next_update (4d)") !=
        std::string::npos);
  CHECK(problems(kLeast + "    operator_command: true\n    crl: {file: a.crl, every: 24h}\n")
            .find("no timer signs with a CA of operator_command") != std::string::npos);
}

TEST_CASE("where the shards of CRLs go is read, and each has its file and its address") {
  const std::string shards = "    crl: {shards: 2, file: 'a-{shard}.crl', url: 'http://ca.example.com/{shard}.crl'";
  const auto settings = read(kLeast + shards + "}\n    profiles: {own: {}}\n");
  REQUIRE(settings.has_shards());
  CHECK(settings.crl->file.empty());
  REQUIRE(settings.crl->shards.size() == 2);
  CHECK(settings.crl->shards[1].shard == "1");
  CHECK(settings.crl->shards[1].file == "/etc/hsmbridge/a-1.crl");
  CHECK(settings.crl->shards[1].url == "http://ca.example.com/1.crl");
  CHECK(settings.crl->shards[1].read_back == workflow::CrlPlace::ReadBack::yes);
  // Each certificate names its own.
  CHECK(settings.profile_for("own")->crl_urls.empty());
  const auto both =
      read(kLeast + shards + ", read_back: false, complete: {file: a.crl, url: 'http://ca.example.com/a.crl'}}\n");
  CHECK(both.crl->file == "/etc/hsmbridge/a.crl");
  CHECK(both.crl->url == "http://ca.example.com/a.crl");
  CHECK(both.crl->shards[0].read_back == workflow::CrlPlace::ReadBack::no);
  const auto wrong = [&](const std::string& crl) { return problems(kLeast + "    crl: {" + crl + "}\n"); };
  CHECK(wrong("shards: 2, file: a.crl, url: 'http://a/{shard}'").find("must say with {shard}") != std::string::npos);
  CHECK(wrong("shards: 2, file: 'a-{shard}'").find("must say with {shard}") != std::string::npos);
  CHECK(wrong("shards: 1, file: 'a-{shard}', url: 'http://a/{shard}'").find("shards") != std::string::npos);
  CHECK(wrong("shards: 2, file: 'a-{shard}', url: 'https://a/{shard}'").find("must begin with http://") !=
        std::string::npos);
  CHECK(wrong("file: a.crl, complete: {file: b.crl}").find("complete") != std::string::npos);
  CHECK(problems(kLeast + shards + "}\n    profiles: {own: {crl_url: 'http://a/b'}}\n")
            .find("the profile own has a crl_url of its own") != std::string::npos);
}

TEST_CASE("a CA of CAs alone may have CRLs about them, and then certifies nobody else") {
  using Scope = workflow::CrlPlace::Scope;
  const std::string sub_ca = "    profiles: {sub: {usage: [keyCertSign], basic_constraints: 'CA:TRUE'}}\n";
  const auto with = [&](const std::string& more) { return kLeast + "    crl: {file: a.crl" + more + "}\n" + sub_ca; };
  CHECK(read(with("")).crl->scope == Scope::all);
  CHECK(read(with("")).crl->next_update == 24h * 4);
  CHECK(read(with(", scope: all")).crl->scope == Scope::all);
  const auto settings = read(with(", scope: ca"));
  CHECK(settings.crl->scope == Scope::authorities);
  CHECK(settings.crl->next_update == 24h * 365);
  CHECK(read(with(", scope: ca, next_update: 30d")).crl->next_update == 24h * 30);
  CHECK(problems(with(", scope: ca, next_update: 366d")).find("valid for 12 months at most") != std::string::npos);
  CHECK(problems(with(", scope: users")).find("scope") != std::string::npos);
  CHECK(problems(kLeast + "    crl: {file: a.crl, scope: ca}\n    profiles: {tls: {usage: [digitalSignature]}}\n")
            .find("crl.scope: is ca, and the profile tls makes no CAs") != std::string::npos);
  CHECK(problems(kLeast + "    crl: {shards: 2, file: 'a-{shard}', url: 'http://a/{shard}', scope: ca}\n")
            .find("a CA of CAs alone has no `shards`") != std::string::npos);
}

TEST_CASE("where CRLs are put is read, and how the server is reached") {
  const auto with = [&](const std::string& put) { return kLeast + "    crl: {file: a.crl, put: " + put + "}\n"; };
  const auto plain = read(with("'https://files.example.com/pki/a.crl'"));
  CHECK(plain.crl->put == "https://files.example.com/pki/a.crl");
  REQUIRE(plain.crl->server);
  CHECK(plain.crl->server->connection.url == "https://files.example.com");
  CHECK_FALSE(plain.crl->server->bearer_token);
  const auto told =
      read(with("{url: 'https://files.example.com:8443/a.crl', ca: f.pem, user: ann, password: 'env:PW'}"));
  CHECK(told.crl->put == "https://files.example.com:8443/a.crl");
  CHECK(told.crl->server->connection.url == "https://files.example.com:8443");
  CHECK(told.crl->server->connection.ca == "/etc/hsmbridge/f.pem");
  CHECK(told.crl->server->user == "ann");
  CHECK(told.crl->server->password);
  for (const auto& [put, problem] : std::vector<std::pair<std::string, std::string>>{
           {"'http://files.example.com/a.crl'", "must be the address of a file: https://HOST[:PORT]/PATH"},
           {"'https://files.example.com/'", "must be the address of a file"},
           {"'https://files.example.com/a b.crl'", "put"},
           {"'https://files.example.com/get.cgi?name=a.crl'", "must be the address of a file"},
           {"'https://files.example.com/a.crl#1'", "must be the address of a file"},
           {"'https://files.example.com/{shard}.crl'", "and there are no `shards`"},
           {"{url: 'https://f.example.com/a.crl', user: ann}", "goes together with a password"},
           {"{url: 'https://f.example.com/a.crl', bearer_token: 'env:T', user: a, password: 'env:P'}",
            "is another way than user and password"},
           {"{url: 'https://f.example.com/a.crl', token: 'env:T'}", "token"}}) {
    CAPTURE(put);
    CHECK(problems(with(put)).find(problem) != std::string::npos);
  }
  const std::string shards = "    crl: {shards: 2, file: 'a-{shard}.crl', url: 'http://ca.example.com/{shard}.crl', ";
  const auto each = read(kLeast + shards +
                         "put: 'https://f.example.com/{shard}.crl', complete: {file: a.crl, put: "
                         "'https://f.example.com/a.crl'}}\n");
  CHECK(each.crl->shards[1].put == "https://f.example.com/1.crl");
  CHECK(each.crl->put == "https://f.example.com/a.crl");
  CHECK(problems(kLeast + shards + "put: 'https://f.example.com/a.crl'}\n").find("must say with {shard}") !=
        std::string::npos);
  CHECK(problems(kLeast + shards +
                 "put: 'https://f.example.com/{shard}.crl', complete: {file: a.crl, put: 'https://g.example.com/a'}}\n")
            .find("not on the server of the shards' `put`") != std::string::npos);
}

namespace {

template <class Kind>
Kind only(const local::Settings& settings) {
  REQUIRE(settings.linters.size() == 1);
  REQUIRE(std::holds_alternative<Kind>(settings.linters.front()));
  return std::get<Kind>(settings.linters.front());
}
// What is said of a linter of its own, with these lines in it.
std::string linter(const std::string& lines) {
  return kLeast + "    lint: [built-in, own]\n    linters:\n      own:\n" + lines;
}

}  // namespace

TEST_CASE("who lints is read, and the linter that is built in cannot be left out") {
  CHECK(read(kLeast).linters.empty());
  CHECK(read(kLeast + "    lint: built-in\n").linters.empty());
  CHECK(only<ca::ZlintSettings>(read(kLeast + "    lint: [built-in, zlint]\n")).program == "zlint");
  const auto zlint = only<ca::ZlintSettings>(
      read(kLeast + "    lint: [built-in, zlint]\n    zlint: {program: /opt/zlint, sources: [RFC5280, CABF_BR], "
                    "exclude: w_subject_common_name_included}\n"));
  CHECK(zlint.program == "/opt/zlint");
  CHECK(zlint.sources == std::vector<std::string>{"RFC5280", "CABF_BR"});
  CHECK(zlint.exclude == std::vector<std::string>{"w_subject_common_name_included"});
  CHECK(problems(kLeast + "    lint: zlint\n").find("lacks built-in") != std::string::npos);
  CHECK(problems(kLeast + "    lint: [built-in, certlint]\n").find("'certlint' is none of") != std::string::npos);
  CHECK(problems(kLeast + "    lint: [built-in, zlint, zlint]\n").find("names zlint twice") != std::string::npos);
  for (const std::string known : {"zlint: {sources: RFC5280}", "pkilint: {crls: lint_crl}", "pkimetal: {socket: s}"}) {
    CAPTURE(known);
    CHECK(problems(kLeast + "    " + known + "\n").find("is not used: add it to lint: [built-in, ") !=
          std::string::npos);
  }
}

TEST_CASE("pkilint and pkimetal are read as what they are asked") {
  const auto usual = only<ca::PkilintSettings>(read(kLeast + "    lint: [built-in, pkilint]\n"));
  CHECK(usual.certificates == std::vector<std::string>{"lint_pkix_cert", "lint"});
  CHECK(usual.crls == std::vector<std::string>{"lint_crl", "lint", "--type", "CRL", "--profile", "PKIX"});
  const auto told = only<ca::PkilintSettings>(
      read(kLeast + "    lint: [built-in, pkilint]\n    pkilint: {certificates: [lint_cabf_serverauth_cert, lint, "
                    "--detect]}\n"));
  CHECK(told.certificates == std::vector<std::string>{"lint_cabf_serverauth_cert", "lint", "--detect"});
  CHECK(told.crls == usual.crls);

  const std::string named = kLeast + "    lint: [built-in, pkimetal]\n";
  const auto there = only<local::PkimetalSettings>(
      read(named + "    pkimetal: {socket: /run/pkimetal/web.sock, crl_profile: tbr_crl}\n"));
  CHECK(there.connection.socket == std::filesystem::path("/run/pkimetal/web.sock"));
  CHECK(there.profile == "autodetect");
  CHECK(there.crl_profile == "tbr_crl");
  const auto far = only<local::PkimetalSettings>(
      read(named + "    pkimetal: {url: \"https://lint.example.com\", ca: ca.pem, profile: tbr_leaf_tlsserver_dv}\n"));
  CHECK(far.connection.url == "https://lint.example.com");
  CHECK(far.connection.ca == std::filesystem::path("/etc/hsmbridge/ca.pem"));
  CHECK_FALSE(far.connection.socket);

  CHECK(problems(named).find("say where it is, pkimetal: {socket: PATH}") != std::string::npos);
  for (const auto& [its, problem] : std::vector<std::pair<std::string, std::string>>{
           {"{profile: x}", "socket: or url must say where pkimetal is"},
           {"{socket: a, url: \"https://b\"}", "url: and socket are both there"},
           {"{socket: a, ca: b}", "ca: is for a url"},
           {"{url: \"http://127.0.0.1:8080\"}", "whoever has an account on that machine could answer by plain http"},
           {"{url: \"ftp://lint.example.com\"}", "providers.issuing.pkimetal.url: "},
           {"{socket: /" + std::string(107, 's') + "}", "is longer than the path of a socket may be (107 octets)"},
           {"{socket: a, linters: [zlint]}", "linters"},
       }) {
    CAPTURE(its);
    CHECK(problems(named + "    pkimetal: " + its + "\n").find(problem) != std::string::npos);
  }
}

TEST_CASE("any program lints by a verdict rule that is declared") {
  const auto command = only<ca::LinterCommand>(read(linter(R"(
        certificates: [certlint, /dev/stdin]
        input: pem
        version: [certlint, --version]
        lines: {"E: ": error, "W: ": warning, "I: ": none}
        exit_status: {0: none, 1: error}
)")));
  CHECK(command.name == "own");
  CHECK(command.certificates == std::vector<std::string>{"certlint", "/dev/stdin"});
  CHECK(command.crls.empty());
  CHECK(command.input == ca::LinterCommand::Input::pem);
  CHECK(command.version == std::vector<std::string>{"certlint", "--version"});
  CHECK(command.lines == std::map<std::string, ca::Meaning>{
                             {"E: ", ca::LintSeverity::error}, {"W: ", ca::LintSeverity::warning}, {"I: ", {}}});
  CHECK(command.exit_status == std::map<int, ca::Meaning>{{0, {}}, {1, ca::LintSeverity::error}});
  const auto least = only<ca::LinterCommand>(read(linter("        crls: x\n        lines: {\"E\": error}\n")));
  CHECK(least.certificates.empty());
  CHECK(least.input == ca::LinterCommand::Input::der);
  CHECK(least.exit_status == std::map<int, ca::Meaning>{{0, {}}});

  const std::string program = "        certificates: x\n";
  for (const auto& [lines, problem] : std::vector<std::pair<std::string, std::string>>{
           {"        exit_status: {0: none}\n", "certificates: or crls, or both, must say which program"},
           {program, "lines: or exit_status, or both, must say what its verdict is"},
           {program + "        lines: {\"E\": bad}\n", "lines: 'bad' is none of: error, warning, none"},
           {program + "        exit_status: {256: none}\n", "exit_status: '256' is not a number from 0 to 255"},
           {program + "        exit_status: {-1: none}\n", "exit_status: '-1' is not a number from 0 to 255"},
           {program + "        exit_status: {0: fine}\n", "exit_status: 'fine' is none of"},
           {program + "        exit_status: {0: none}\n        input: text\n", "input: "},
           {program + "        exit_status: {0: none}\n        verdict: x\n", "verdict"},
       }) {
    CAPTURE(lines);
    const std::string said = problems(linter(lines));
    INFO(said);
    CHECK(said.find("providers.issuing.linters.own") != std::string::npos);
    CHECK(said.find(problem) != std::string::npos);
  }
  const std::string unused = "    linters: {own: {certificates: x, exit_status: {0: none}}}\n";
  CHECK(problems(kLeast + unused).find("linters.own: is not used: add it to lint: [built-in, own]") !=
        std::string::npos);
  CHECK(problems(kLeast + "    lint: [built-in, zlint]\n    linters: {zlint: {certificates: x, exit_status: {0: "
                          "none}}}\n")
            .find("is the name of a linter that is known") != std::string::npos);
}

TEST_CASE("what a CA cannot be told is a problem with its place") {
  CHECK(problems("    certificate: issuing.pem\n").find("providers.issuing.key: is missing") != std::string::npos);
  for (const auto& [line, problem] : std::vector<std::pair<std::string, std::string>>{
           {"validity: soon", "'soon' is none of: a time such as 90d"},
           {"validity: 1s", "must be a minute or more"},
           {"subject: {CN: '/(/'}", "is not a regular expression"},
           {"subject: {NOSUCH: x}", "NOSUCH"},
           {"names: ['dns:example.com']", "dns:example.com"},
           {"usage: [sign]", "sign"},
           {"usage: [keyCertSign]", "has keyCertSign, and the profile makes no CAs"},
           {"basic_constraints: 'CA:TRUE'", "must have keyCertSign: the profile makes CAs"},
           {"name_constraints: ['permitted;dns:example.com']", "is for CAs"},
           {"crl_url: 'https://ca.example.com/issuing.crl'", "must begin with http://"},
           {"rules: cabf", "'cabf' is none of: cabf-tls, cabf-sub-ca"},
           {"key_identifier: md5", "md5"},
           {"approval: 2", "approval"}}) {
    CAPTURE(line);
    const std::string found = problems(profile(line));
    CHECK(found.find("test.yaml:") == 0);
    CHECK(found.find(problem) != std::string::npos);
  }
  CHECK(problems(kLeast + "    profiles:\n      a: {for: [web]}\n      web: {}\n")
            .find("is for requests of the profile web, and another one is too") != std::string::npos);
  CHECK(problems(kLeast + "    root: {validity: 10d}\n").find("must say what the CA is called") != std::string::npos);
}

TEST_CASE("a CA's key is in a token or at a provider") {
  const std::string at_tsb = "    certificate: issuing.pem\n    key: {provider: tsb, key: issuing-2026}\n";
  const auto settings = read(at_tsb);
  REQUIRE(settings.key_service);
  CHECK(settings.key_service->provider == "tsb");
  CHECK(settings.key.key == "issuing-2026");
  CHECK(settings.key.token.empty());
  CHECK_FALSE(settings.key_service->password);
  CHECK(read("    certificate: issuing.pem\n    key: {provider: tsb, key: k, password: 'env:PW'}\n")
            .key_service->password);
  CHECK_FALSE(read(kLeast).key_service);
  CHECK(problems("    certificate: issuing.pem\n    key: {provider: tsb, token: ca, key: k}\n")
            .find("names both a token and a provider") != std::string::npos);
  CHECK(problems("    certificate: issuing.pem\n    key: {provider: tsb, key: k, accept: [key-not-local]}\n")
            .find("accept") != std::string::npos);
  CHECK(problems(at_tsb + "    root: {subject: {CN: Root}}\n").find("is for a key in a token") != std::string::npos);
}
