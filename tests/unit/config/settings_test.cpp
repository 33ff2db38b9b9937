#include "config/settings.h"

#include "base/file.h"
#include "support/error_of.h"
#include "support/temp_folder.h"
#include "support/variable.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

using hsmbridge::test::error_of;
using hsmbridge::test::Variable;
using namespace hsmbridge;
using namespace hsmbridge::config;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

Settings read(std::string_view text, const std::map<std::string, ProviderReader>& readers = {}) {
  return read_settings(Document::parse(text, "c.yaml", "/etc/hsmbridge"), readers);
}

std::string problems(std::string_view text, const std::map<std::string, ProviderReader>& readers = {}) {
  try {
    read(text, readers);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

constexpr const char* kExample = R"(
store: {path: /var/lib/hsmbridge/hsmbridge.db, must_exist: true}
tokens:
  web: {module: /usr/lib/softhsm/libsofthsm2.so, uri: "pkcs11:token=web", pin: "file:web.pin"}
  luna:
    module: /usr/lib/luna/libCryptoki2.so
    uri: "pkcs11:token=partition;serial=1234"
    pin: protected
    key_pin: prompt
    user_type: 0x80000001
    certificates: false
    sessions: 8
    deadline: 90s
providers:
  tsb: {type: securosys-tsb, url: "https://tsb.example", api_key: "env:TSB_KEY", concurrency: 2, calls_per_minute: 30, poll_first: 2s}
people:
  alice: {public_key: alice.pem}
  bob: {spki: MCowBQYDK2VwAyEA}
  carol: {public_key: /keys/carol.pem}
profiles:
  server:
    provider: tsb
    token: web
    key: "ec:P-256"
    subject: {O: "Example, Inc.", C: CH}
    san: dns:www.example.com
    usage: [digitalSignature]
    extended_usage: [serverAuth]
    validity: 90d
    renew_before: 30d
    max_age: 7d
    accept: [serial-not-positive]
    anchors: ca.pem
    install: {token: true, file: [www.pem], hook: [systemctl, reload, nginx]}
    approval: {quorum: 2, of: [alice, bob, carol]}
    operator_command: true
  person:
    subject: [{C: CH}, {OU: A}, {OU: B}, {CN: "#x", UID: " b "}]
)";

}  // namespace

TEST_CASE("the whole file becomes plain values") {
  const Settings settings = read(kExample);
  CHECK(settings.store.path == "/var/lib/hsmbridge/hsmbridge.db");
  CHECK(settings.store.must_exist);

  REQUIRE(settings.tokens.size() == 2);
  const TokenSettings& web = settings.token("web");
  CHECK(web.module == "/usr/lib/softhsm/libsofthsm2.so");
  CHECK(web.uri == "pkcs11:token=web");
  CHECK(web.pin->name() == "file:/etc/hsmbridge/web.pin");
  CHECK(web.user_type == 1);
  CHECK(web.stores_certificates);
  CHECK(web.sessions == 4);
  CHECK_FALSE(web.deadline);
  const TokenSettings& luna = settings.token("luna");
  CHECK(luna.pin->kind() == SecretSource::Kind::protected_path);
  CHECK(luna.key_pin->kind() == SecretSource::Kind::prompt);
  CHECK(luna.user_type == 0x80000001UL);
  CHECK_FALSE(luna.stores_certificates);
  CHECK(luna.sessions == 8);
  CHECK(luna.deadline == 90s);

  const ProviderSettings& tsb = settings.provider("tsb");
  CHECK(tsb.type == "securosys-tsb");
  CHECK(tsb.concurrency == 2);
  CHECK(tsb.calls_per_minute == 30U);
  CHECK(tsb.poll_first == 2s);
  CHECK_FALSE(tsb.settle);

  REQUIRE(settings.people.size() == 3);
  CHECK(settings.people[0].public_key == "/etc/hsmbridge/alice.pem");
  CHECK(settings.people[1].spki == "MCowBQYDK2VwAyEA");

  const ProfileSettings& server = settings.profile("server");
  CHECK(server.provider == "tsb");
  CHECK(server.token == "web");
  CHECK(server.key == "ec:P-256");
  CHECK(server.subject == "O=Example\\, Inc., C=CH");
  CHECK(server.san == std::vector<std::string>{"dns:www.example.com"});
  CHECK(server.usage == std::vector<std::string>{"digitalSignature"});
  CHECK(server.extended_usage == std::vector<std::string>{"serverAuth"});
  CHECK(server.validity == 90 * 24h);
  CHECK(server.max_age == 7 * 24h);
  CHECK(server.renew_before == RenewBefore{30 * 24h, 0});
  CHECK(server.accept == std::vector<std::string>{"serial-not-positive"});
  CHECK(server.anchors == std::vector<fs::path>{"/etc/hsmbridge/ca.pem"});
  CHECK(server.install.token);
  CHECK(server.install.files == std::vector<fs::path>{"/etc/hsmbridge/www.pem"});
  CHECK(server.install.hook == std::vector<std::string>{"systemctl", "reload", "nginx"});
  REQUIRE(server.approval.size() == 1);
  CHECK(server.approval[0].timeout == 0s);
  REQUIRE(server.approval[0].groups.size() == 1);
  CHECK(server.approval[0].groups[0].quorum == 2);
  CHECK(server.approval[0].groups[0].of == std::vector<std::string>{"alice", "bob", "carol"});
  CHECK(server.wants_command);
  CHECK(settings.profile("person").subject == "C=CH, OU=A, OU=B, CN=\\#x+UID=\\ b\\ ");
}

TEST_CASE("renewal and places of a certificate are read in every form") {
  const Settings settings = read(R"(profiles:
  part: {renew_before: 15%, renew_key: always-new, overlap: 3d}
  hours:
    renew_before: 10h
    renew_key: same
    install:
      token: true
      on_renew: keep
      file: [a.pem]
      files:
        - {path: /etc/nginx/www.pem, content: leaf, owner: root, group: www-data, mode: "0640"}
        - {path: b.p7b, content: pkcs7}
        - {path: c.pem, order: root-first}
)");
  const ProfileSettings& part = settings.profile("part");
  CHECK(part.renew_before == RenewBefore{{}, 15});
  CHECK(part.renew_key == RenewKey::always_make);
  CHECK(part.overlap == 72h);
  const ProfileSettings& hours = settings.profile("hours");
  CHECK(hours.renew_before == RenewBefore{10h, 0});
  CHECK(hours.renew_key == RenewKey::same);
  CHECK(hours.install.keep_in_token);
  CHECK(hours.install.files == std::vector<fs::path>{"/etc/hsmbridge/a.pem"});
  REQUIRE(hours.install.more_files.size() == 3);
  const FileTargetSettings& first = hours.install.more_files[0];
  CHECK(first.path == "/etc/nginx/www.pem");
  CHECK(first.content == "leaf");
  CHECK(first.owner == "root");
  CHECK(first.group == "www-data");
  CHECK(first.mode == 0640U);
  CHECK(hours.install.more_files[1].path == "/etc/hsmbridge/b.p7b");
  CHECK(hours.install.more_files[1].content == "pkcs7");
  CHECK(hours.install.more_files[2].content == "full");
  CHECK(hours.install.more_files[2].order == "root-first");

  CHECK(problems(R"(profiles:
  a: {renew_before: 67%}
  b: {renew_before: soon, install: {on_renew: keep}}
  c: {renew_before: 0s, install: {files: [{path: /x, content: half, mode: "rw"}]}}
)") == R"(c.yaml:2:21: profiles.a.renew_before: a part of the certificate's life is 1% to 66%
c.yaml:3:21: profiles.b.renew_before: 'soon' is not a valid time before the end: write 30d, 10h or 15%
c.yaml:3:47: profiles.b.install.on_renew: belongs to token: true
c.yaml:4:21: profiles.c.renew_before: must be longer than nothing
c.yaml:4:63: profiles.c.install.files[1].content: 'half' is none of: full, leaf, chain, pkcs7
c.yaml:4:75: profiles.c.install.files[1].mode: must be an octal number up to 0777, for example 0640)");
}

TEST_CASE("an empty file configures nothing and is no error") {
  const Settings settings = read("");
  CHECK_FALSE(settings.store.path);
  CHECK(settings.tokens.empty());
  CHECK(settings.profiles.empty());
}

TEST_CASE("wrong values anywhere in the file are all reported with their lines") {
  CHECK(problems(R"(store: {pth: x}
tokens:
  web: {module: /m.so, uri: "token=web", pin: "1234", user_type: root}
  "bad name": {module: /m.so, uri: "pkcs11:token=a?pin-value=1234"}
provider: {}
providers:
  tsb: {concurrency: 0}
profiles:
  server: {provider: digicert, validity: 90, renew_before: 1d, keys: x, approval: {quorum: 2, of: [alice]}}
  short: {validity: 1d, renew_before: 2d, install: {tokn: true}}
people:
  bob: {}
)") == R"(c.yaml:1:1: store: path is missing
c.yaml:1:9: store.pth: unknown key (did you mean 'path'?)
c.yaml:3:29: tokens.web.uri: must start with pkcs11: (RFC 7512)
c.yaml:3:47: tokens.web.pin: is not the source of a secret: write env:NAME, file:PATH, credential:NAME, protected or prompt; a secret is never written in a configuration
c.yaml:3:66: tokens.web.user_type: must be user, so or a vendor's number such as 0x80000001
c.yaml:4:15: tokens.bad name: a name is made of letters, digits, '-', '_' and '.', and starts with neither '-' nor '.'
c.yaml:4:36: tokens.bad name.uri: must not hold a PIN: use the key 'pin' with env:NAME, file:PATH, credential:NAME or prompt
c.yaml:5:1: provider: unknown key (did you mean 'providers'?)
c.yaml:7:3: providers.tsb: type is missing
c.yaml:7:22: providers.tsb.concurrency: must be between 1 and 1000000
c.yaml:9:22: profiles.server.provider: 'digicert' is not among the providers of this file
c.yaml:9:42: profiles.server.validity: '90' is not a duration such as 90d, 12h, 30m or 45s
c.yaml:9:64: profiles.server.keys: unknown key (did you mean 'key'?)
c.yaml:9:92: profiles.server.approval.quorum: asks for 2 approvals of 1 people
c.yaml:9:99: profiles.server.approval.of: 'alice' is not among the people of this file
c.yaml:10:39: profiles.short.renew_before: must be at most two thirds of validity
c.yaml:10:53: profiles.short.install.tokn: unknown key (did you mean 'token'?)
c.yaml:12:3: people.bob: a person has either public_key (a PEM file) or spki (base64))");
}

TEST_CASE("approvals are a group, groups, groups with times, or any of such") {
  const std::string people = "people: {ann: {public_key: a.pem}, ben: {public_key: b.pem, accounts: [ben, benny]}}\n";
  const auto approval = [&](const std::string& text) {
    return read(people + "profiles: {p: {approval: " + text + "}}\n").profile("p").approval;
  };
  const auto two = approval("[{quorum: 1, of: ann}, {name: audit, quorum: 1, of: [ben]}]");
  REQUIRE(two.size() == 1);
  REQUIRE(two[0].groups.size() == 2);
  CHECK(two[0].groups[1].name == "audit");
  const auto timed = approval("{timelock: 1h, timeout: 2d, groups: {quorum: 2, of: [ann, ben]}}");
  REQUIRE(timed.size() == 1);
  CHECK(timed[0].timelock == 1h);
  CHECK(timed[0].timeout == 48h);
  CHECK(timed[0].groups.at(0).quorum == 2);
  const auto any = approval(
      "{any: [{name: usual, groups: [{quorum: 2, of: [ann, ben]}]}, {timelock: 1d, groups: [{quorum: 1, of: ben}]}]}");
  REQUIRE(any.size() == 2);
  CHECK(any[0].name == "usual");
  CHECK(any[1].timelock == 24h);
  const Settings settings = read(people);
  CHECK(settings.person("ann").accounts == std::vector<std::string>{"ann"});
  CHECK(settings.person("ben").accounts == std::vector<std::string>{"ben", "benny"});
  CHECK_FALSE(settings.store.rehearsal);

  CHECK(problems(people + "profiles: {p: {approval: {timelock: 30d, groups: {quorum: 1, of: [ann]}}}}\n")
            .find("timelock: must be under 30 days: no approval counts longer") != std::string::npos);
  for (const char* nobody : {"[]", "{any: []}"}) {
    CHECK_FALSE(problems(people + "profiles: {p: {approval: " + nobody + "}}\n").empty());
  }
  CHECK(problems("tokens: {t: {module: /m.so, uri: 'pkcs11:token=t', pin: prompt}}\n"
                 "people: {ann: {token: t, key: k}}\n"
                 "profiles: {p: {approval: {quorum: 1, of: ann}},\n"
                 "  q: {approval: {timeout: 1h, timelock: 1h, groups: []}}}\n") ==
        "c.yaml:3:42: profiles.p.approval.of: 'ann' has no public_key, by which approvals are known (`hsmbridge key "
        "public` writes it)\n"
        "c.yaml:4:27: profiles.q.approval.timeout: must be longer than timelock\n"
        "c.yaml:4:53: profiles.q.approval.groups: must name the groups that have to approve");
}

TEST_CASE("checkpoints that nobody would make are refused in the configuration") {
  CHECK(problems("audit: {token: web, interval: 1h}\n") ==
        "c.yaml:1:8: audit: checkpoints of the audit log are not supported yet, and this would do nothing; remove it "
        "(the "
        "log itself is kept in the store: see `hsmbridge audit verify`)");
}

TEST_CASE("a provider's own reader reports in the same pass") {
  std::string url;
  const std::map<std::string, ProviderReader> readers{
      {"securosys-tsb", [&url](const std::string& name, Section section) {
         CHECK(name == "tsb");
         url = section.text("url");
         section.optional_secret("api_key");
         section.finish();
         return ProviderFacts{};
       }}};
  CHECK(problems("providers: {tsb: {type: securosys-tsb, url: \"https://a\", api_key: \"env:A\"}}\n", readers) == "");
  CHECK(url == "https://a");
  CHECK(problems("providers:\n  tsb: {type: securosys-tsb, ulr: x}\n  other: {type: nothing}\ntoken: {}\n", readers) ==
        "c.yaml:2:3: providers.tsb: url is missing\n"
        "c.yaml:2:30: providers.tsb.ulr: unknown key (did you mean 'url'?)\n"
        "c.yaml:3:17: providers.other.type: 'nothing' is none of: securosys-tsb\n"
        "c.yaml:4:1: token: unknown key (did you mean 'tokens'?)");
}

TEST_CASE("a provider's section can be read after the file") {
  const Settings settings = read("providers:\n  tsb: {type: securosys-tsb, url: \"https://a\", typo: 1}\n");
  Section section = settings.provider("tsb").section;
  CHECK(section.text("url") == "https://a");
  CHECK_THROWS_WITH(section.finish(), "c.yaml:2:48: providers.tsb.typo: unknown key (did you mean 'type'?)");
}

TEST_CASE("a name that is not configured is refused with those that are") {
  const Settings settings = read(kExample);
  const Error unknown = error_of([&] { settings.token("wbe"); });
  CHECK(unknown.kind() == ErrorKind::not_found);
  CHECK(unknown.message() == "the configuration has no token 'wbe'; it names: web, luna");
  const Error several = error_of([&] { settings.token(""); });
  CHECK(several.kind() == ErrorKind::ambiguous);
  CHECK(several.detail("candidate") == "web");
  CHECK(settings.provider("").name == "tsb");
  CHECK(error_of([] { Settings().profile(""); }).kind() == ErrorKind::not_found);
}

TEST_CASE("the file is found where it was named and then at home") {
  const test::TempFolder folder;
  const Variable home("HOME", folder.path().string());
  const Variable none("HSMBRIDGE_CONFIG", "");
  const auto write = [&](const fs::path& file) {
    fs::create_directories(file.parent_path());
    write_file(file, as_bytes(""), FileMode::private_0600, Existing::replace);
    return file;
  };
  if (!fs::exists("/etc/hsmbridge/hsmbridge.yaml")) CHECK_FALSE(find_file(std::nullopt));
  const fs::path at_home = write(folder.path() / ".config/hsmbridge/hsmbridge.yaml");
  CHECK(find_file(std::nullopt) == at_home);
  const fs::path other = write(folder.path() / "other.yaml");
  {
    const Variable named("HSMBRIDGE_CONFIG", other.string());
    CHECK(find_file(std::nullopt) == other);
    const fs::path given = write(folder.path() / "given.yaml");
    CHECK(find_file(given) == given);
    CHECK(error_of([&] { find_file(folder.path() / "absent.yaml"); }).kind() == ErrorKind::not_found);
  }
  const Variable absent("HSMBRIDGE_CONFIG", (folder.path() / "absent.yaml").string());
  CHECK(error_of([] { find_file(std::nullopt); }).kind() == ErrorKind::not_found);
}

TEST_CASE("a configuration that everybody may change is denied") {
  const test::TempFolder folder;
  const fs::path file = folder.path() / "c.yaml";
  write_file(file, as_bytes("tokens: {web: {module: m.so, uri: \"pkcs11:token=web\"}}\n"), FileMode::public_0644,
             Existing::refuse);
  const Settings settings = read_settings(file);
  CHECK(settings.file == file);
  CHECK(settings.sha256 == sha256(read_file(file)));
  CHECK(Document::sha256_of(file) == settings.sha256);
  CHECK_FALSE(settings.is_read_once);
  CHECK(settings.token("").module == folder.path() / "m.so");
  REQUIRE(::chmod(file.c_str(), 0646) == 0);
  CHECK(error_of([&] { read_settings(file); }).kind() == ErrorKind::denied);
}

TEST_CASE("a named pipe is not taken as a configuration, and not waited for") {
  const test::TempFolder folder;
  const fs::path pipe = folder / "c.yaml";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  ::alarm(20);  // who waits for a writer waits for ever
  for (const Error& refused : {error_of([&] { read_settings(pipe); }), error_of([&] { Document::sha256_of(pipe); })}) {
    CHECK(refused.kind() == ErrorKind::invalid_input);
    CHECK(refused.message() == pipe.string() + " is a named pipe, not a file");
  }
  ::alarm(0);
}

TEST_CASE("a pipe that the process was handed is a configuration that is read once") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const std::string_view text = "store: {path: /s.db}\n";
  REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const Settings settings = read_settings("/dev/fd/" + std::to_string(ends[0]));
  ::close(ends[0]);
  CHECK(settings.store.path == "/s.db");
  CHECK(settings.sha256 == sha256(as_bytes(text)));
  CHECK(settings.is_read_once);
}

TEST_CASE("what a CSR may decide is named in a profile and nothing else is known") {
  const auto settings = read("profiles:\n  web: {copy: [subject, san, tls_features]}\n  other: {}\n");
  CHECK(settings.profile("web").copy ==
        std::vector<CopyField>{CopyField::subject, CopyField::san, CopyField::tls_features});
  CHECK(settings.profile("other").copy.empty());
  CHECK(problems("profiles:\n  web: {copy: [san, extensions]}\n")
            .find("'extensions' cannot be taken from a CSR; there "
                  "are: subject, san, key, usage, "
                  "extended_usage, policies, tls_features") != std::string::npos);
  // A CA is what a profile makes, not what a CSR asks.
  CHECK_FALSE(problems("profiles:\n  web: {copy: [basic_constraints]}\n").empty());
}

TEST_CASE("lists of weak keys are files beside the configuration") {
  CHECK(read("weak_keys: [weak.txt, /usr/share/weak.txt]\n").weak_keys ==
        std::vector<fs::path>{"/etc/hsmbridge/weak.txt", "/usr/share/weak.txt"});
}

namespace {

// As the readers of the two types tell it.
std::string problems_of_keys(const std::string& providers) {
  const ProviderReader ca = [](const std::string&, Section section) {
    ProviderFacts facts;
    facts.key_at = {section.text("at"), section.text("key")};
    section.finish();
    return facts;
  };
  const ProviderReader keeper = [](const std::string&, Section section) {
    ProviderFacts facts;
    facts.keeps_keys = section.optional_text("sign_key").value_or("");
    section.finish();
    return facts;
  };
  const ProviderReader other = [](const std::string&, Section section) {
    section.finish();
    return ProviderFacts{};
  };
  try {
    read_settings(Document::parse("providers:\n" + providers, "test.yaml", "/etc/hsmbridge"),
                  {{"ca", ca}, {"tsb", keeper}, {"cloud", other}});
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("a key that another provider keeps is one CA's, at a provider that keeps keys and has another one itself") {
  const std::string ca = "  issuing: {type: ca, at: tsb, key: issuing-2026}\n";
  const std::string tsb = "  tsb: {type: tsb}\n";
  CHECK(problems_of_keys(ca + tsb).empty());
  CHECK(problems_of_keys(ca + "  tsb: {type: tsb, sign_key: ca-key}\n").empty());
  CHECK(problems_of_keys(ca).find("'tsb' is not among the providers of this file") != std::string::npos);
  CHECK(problems_of_keys(ca + "  tsb: {type: cloud}\n").find("is of type cloud, which keeps no key of a CA here") !=
        std::string::npos);
  CHECK(problems_of_keys(ca + "  tsb: {type: tsb, sign_key: issuing-2026}\n")
            .find("issuing-2026 is the sign_key of provider tsb too, which would certify past") != std::string::npos);
  CHECK(problems_of_keys(ca + tsb + "  other: {type: ca, at: tsb, key: issuing-2026}\n")
            .find("issuing-2026 at provider tsb is the key of issuing too") != std::string::npos);
}
