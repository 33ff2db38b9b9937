#include "base/clock.h"
#include "store/sqlite_store.h"
#include "support/cli/cli.h"
#include "support/faulty_module/faults.h"
#include "support/requests.h"

#include <catch2/catch.hpp>
#include <cctype>
#include <string>
#include <vector>

using hsmbridge::Json;
using hsmbridge::test::Cli;

namespace {

Json the_keys(const Cli& cli) {
  const auto list = cli.run(cli.on("web", {"key", "list", "--json"}));
  REQUIRE(list.status == 0);
  return list.json().at("keys");
}

}  // namespace

TEST_CASE("every kind of key is made and its public half is what openssl reads") {
  const Cli cli;
  cli.make_token("web");
  struct Row {
    std::string spec;
    std::string openssl;
  };
  for (const Row& row : {Row{"ec:P-256", "prime256v1"}, Row{"ec:P-384", "secp384r1"}, Row{"ec:P-521", "secp521r1"},
                         Row{"rsa:2048", "2048 bit"}, Row{"ed25519", "ED25519"}}) {
    INFO(row.spec);
    const auto made = cli.run(cli.on("web", {"key", "generate", "--label", row.spec, "--spec", row.spec, "--json"}));
    REQUIRE(made.status == 0);
    const Json key = made.json().at("keys").as_array()[0];
    CHECK(key.at("type").as_string() == row.spec);
    CHECK(key.at("id").as_string().size() == 32);
    CHECK_FALSE(key.at("contract").at("violated").as_bool());
    const auto pem = cli.run(cli.on("web", {"key", "public", row.spec}));
    REQUIRE(pem.status == 0);
    const auto read = cli.other({"openssl", "pkey", "-pubin", "-noout", "-text"}, pem.out);
    CHECK(read.status == 0);
    CHECK(read.out.find(row.openssl) != std::string::npos);
    const auto hash = cli.other({"sh", "-c", "openssl pkey -pubin -outform DER | sha256sum"}, pem.out);
    CHECK(hash.out.substr(0, 64) == key.at("spki_sha256").as_string());
  }
  CHECK(the_keys(cli).as_array().size() == 5);
}

TEST_CASE("a foreign key whose label is not clean text spoils no answer and is named by what is printed") {
  const Cli cli;
  cli.make_token("web");
  // With an audit log, which is JSON too.
  cli.configure("store: {path: " + (cli / "store.db").string() + "}\n");
  for (const auto& [id, label] : std::vector<std::pair<std::string, std::string>>{
           {"01", "caf\xe9"}, {"02", "a\nb"}, {"03", "a\x1b[31mb"}, {"04", "plain"}}) {
    REQUIRE(
        cli.pkcs11_tool("web", {"--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", label}).status ==
        0);
  }
  const auto list = cli.run({"key", "list", "--token", "web", "--json"});
  INFO(list.err);
  REQUIRE(list.status == 0);
  unsigned latin1 = 0;
  const Json listed = list.json();
  for (const Json& key : listed.at("keys").as_array()) {
    if (key.string_or("label_hex", "").empty()) continue;
    ++latin1;
    CHECK(key.at("label").as_string() == "caf\\xE9");
    CHECK(key.at("label_hex").as_string() == "636166e9");
  }
  CHECK(latin1 == 1);
  const auto text = cli.run({"key", "list", "--token", "web"});
  CHECK(text.out.find('\x1b') == std::string::npos);
  CHECK(text.out.find("pkcs11:object=caf%e9") != std::string::npos);
  CHECK(text.out.find("pkcs11:object=a%0ab") != std::string::npos);
  for (const char* name : {"pkcs11:object=caf%e9", "pkcs11:object=a%0ab", "pkcs11:object=a%1b%5b31mb"}) {
    INFO(name);
    std::vector<std::string> words{"csr", "create", "--token", "web", "--key", name, "--san", "dns:www.example.com"};
    const auto refused = cli.run(words);
    CHECK(refused.status == 4);
    CHECK(refused.err.find(std::string("key ") + name + " on token web is not used") != std::string::npos);
    for (const char* const flaw : {"decrypt", "unwrap", "derive", "sign-recover"}) {
      words.insert(words.end(), {"--accept", std::string("key-may-") + flaw});
    }
    const auto csr = cli.run(words);
    INFO(csr.err);
    CHECK(csr.status == 0);
    CHECK(csr.err.find('\x1b') == std::string::npos);
    const auto gone = cli.run({"key", "delete", "--token", "web", name, "--yes"});
    INFO(gone.err);
    CHECK(gone.status == 0);
    CHECK(gone.out.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("the ssh form is what ssh-keygen reads and DER is what openssl reads") {
  const Cli cli;
  cli.make_token("web");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "a"})).status == 0);
  const auto ssh = cli.run(cli.on("web", {"key", "public", "a", "--format", "ssh"}));
  CHECK(ssh.out.rfind("ecdsa-sha2-nistp256 ", 0) == 0);
  const auto der = cli.run(cli.on("web", {"key", "public", "a", "--format", "der", "--out", "a.der"}));
  CHECK(der.status == 0);
  CHECK(cli.other({"openssl", "pkey", "-pubin", "-inform", "DER", "-in", "a.der", "-noout"}).status == 0);
  const auto again = cli.run(cli.on("web", {"key", "public", "a", "--out", "a.der"}));
  CHECK(again.status == 1);
  CHECK(again.err.find("a.der") != std::string::npos);
}

TEST_CASE("key show says what pkcs11-tool sees and what the contract asked") {
  const Cli cli;
  cli.make_token("web");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "a"})).status == 0);
  const auto shown = cli.run(cli.on("web", {"key", "show", "a", "--prove", "--json"}));
  REQUIRE(shown.status == 0);
  const Json key = shown.json();
  const Json& half = key.at("attributes").at("private");
  CHECK(half.at("CKA_EXTRACTABLE").as_string() == "false");
  CHECK(half.at("CKA_SENSITIVE").as_string() == "true");
  CHECK(half.at("CKA_NEVER_EXTRACTABLE").as_string() == "true");
  CHECK(half.at("CKA_LOCAL").as_string() == "true");
  CHECK(half.at("CKA_DECRYPT").as_string() == "false");
  CHECK(key.at("proof").at("algorithm").as_string() == "ecdsa-sha256");
  CHECK(key.at("contract").at("rows").as_array().size() > 10);
  const auto tool = cli.pkcs11_tool("web", {"--list-objects", "--type", "privkey"});
  CHECK(tool.out.find("never extractable") != std::string::npos);
  CHECK(tool.out.find(key.at("id").as_string()) != std::string::npos);
}

TEST_CASE("an RSA key made for TLS clients may do raw RSA and is judged by the contract it was made by") {
  const Cli cli;
  cli.make_token("web");
  const auto mechanisms = [&](const std::string& label) {
    const auto shown = cli.run(cli.on("web", {"key", "show", label, "--json"}));
    CHECK(shown.err.empty());
    const Json key = shown.json();
    CHECK_FALSE(key.at("contract").at("violated").as_bool());
    std::string verdict;
    for (const Json& row : key.at("contract").at("rows").as_array()) {
      if (row.at("attribute").as_string() == "CKA_ALLOWED_MECHANISMS") verdict = row.at("verdict").as_string();
    }
    CHECK(verdict == "held");
    const bool raw =
        key.at("attributes").at("private").at("CKA_ALLOWED_MECHANISMS").as_string().find("CKM_RSA_X_509") !=
        std::string::npos;
    return key.at("contract").at("use").as_string() + (raw ? " raw" : "");
  };
  const auto make = [&](const std::string& label, std::vector<std::string> more) {
    std::vector<std::string> words{"key", "generate", "--label", label, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(cli.on("web", words));
  };
  REQUIRE(make("client", {"--spec", "rsa:2048", "--for", "tls-client"}).status == 0);
  REQUIRE(make("web", {"--spec", "rsa:2048"}).status == 0);
  REQUIRE(make("ec", {"--for", "tls-client"}).status == 0);
  CHECK(mechanisms("client") == "tls-client raw");
  CHECK(mechanisms("web") == "sign");
  CHECK(mechanisms("ec") == "sign");
  CHECK(cli.run(cli.on("web", {"key", "show", "client"})).out.find("--for tls-client") != std::string::npos);
  const auto wrong = make("x", {"--for", "wrapping"});
  CHECK(wrong.status == 2);
  CHECK(wrong.err.find("sign or tls-client") != std::string::npos);
}

TEST_CASE("a taken label or id is refused and nothing is made") {
  const Cli cli;
  cli.make_token("web");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "a", "--id", "0a0b"})).status == 0);
  const auto label = cli.run(cli.on("web", {"key", "generate", "--label", "a"}));
  CHECK(label.status == 1);
  CHECK(label.err.find("0a0b") != std::string::npos);
  const auto id = cli.run(cli.on("web", {"key", "generate", "--label", "b", "--id", "0A0B"}));
  CHECK(id.status == 1);
  CHECK(id.err.find("id 0a0b is taken in token web") != std::string::npos);
  CHECK(the_keys(cli).as_array().size() == 1);
}

TEST_CASE("many keys are made with one command") {
  const Cli cli;
  cli.make_token("web");
  const auto made = cli.run(cli.on("web", {"key", "generate", "--label", "web", "--count", "3"}));
  REQUIRE(made.status == 0);
  const auto keys = the_keys(cli).as_array();
  REQUIRE(keys.size() == 3);
  CHECK(cli.run(cli.on("web", {"key", "show", "web-3"})).status == 0);
  const auto wrong = cli.run(cli.on("web", {"key", "generate", "--label", "x", "--count", "none"}));
  CHECK(wrong.status == 2);
  CHECK(wrong.err == "hsmbridge: --count must be a whole number from 1 to 10000, not \"none\"\n");
}

TEST_CASE("two keys of one label are refused by name with both ids and each is usable by its id") {
  const Cli cli;
  cli.make_token("web");
  for (const std::string id : {"01", "02"}) {
    REQUIRE(
        cli.pkcs11_tool("web", {"--keypairgen", "--key-type", "EC:prime256v1", "--label", "twin", "--id", id}).status ==
        0);
  }
  const auto refused = cli.run(cli.on("web", {"key", "show", "twin"}));
  CHECK(refused.status == 1);
  CHECK(refused.err.find("id=01") != std::string::npos);
  CHECK(refused.err.find("id=02") != std::string::npos);
  for (const std::string id : {"01", "02"}) {
    std::vector<std::string> words{"csr", "create", "--key", "id=" + id, "--san", "dns:a.example.com"};
    for (const char* const flaw : {"decrypt", "unwrap", "derive", "sign-recover"}) {
      words.insert(words.end(), {"--accept", std::string("key-may-") + flaw});
    }
    const auto csr = cli.run(cli.on("web", words));
    CHECK(csr.status == 0);
    CHECK(cli.other({"openssl", "req", "-verify", "-noout"}, csr.out).status == 0);
  }
}

TEST_CASE("an imported key is certified only where that is accepted by name") {
  const Cli cli;
  cli.make_token("web");
  REQUIRE(cli.other({"openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "file.key"})
              .status == 0);
  REQUIRE(cli.other({"softhsm2-util", "--import", "file.key", "--token", "web", "--label", "imported", "--id", "0a01",
                     "--pin", "1234"})
              .status == 0);
  const auto shown = cli.run(cli.on("web", {"key", "show", "imported", "--json"}));
  std::vector<std::string> flaws;
  const Json key = shown.json();
  for (const auto& flaw : key.at("flaws").as_array()) flaws.push_back(flaw.as_string());
  REQUIRE_FALSE(flaws.empty());
  CHECK(flaws.front() == "key-not-local");
  std::vector<std::string> words{"csr", "create", "--key", "imported", "--san", "dns:a.example.com"};
  const auto refused = cli.run(cli.on("web", words));
  CHECK(refused.status == 4);
  CHECK(refused.out.empty());
  CHECK(refused.err.find("it was not made in the token, so a copy of it was outside") != std::string::npos);
  for (const auto& flaw : flaws) words.insert(words.end(), {"--accept", flaw});
  const auto accepted = cli.run(cli.on("web", words));
  INFO(accepted.err);
  CHECK(accepted.status == 0);
  words.insert(words.end(), {"--accept", "serial-not-positive"});
  CHECK(cli.run(cli.on("web", words)).status == 2);
}

TEST_CASE("a key is destroyed only when somebody says so") {
  const Cli cli;
  cli.make_token("web");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "a"})).status == 0);
  const auto refused = cli.run(cli.on("web", {"key", "delete", "a"}), "yes\n");
  CHECK(refused.status == 4);
  CHECK(refused.err.find("give --yes to destroy it without being asked") != std::string::npos);
  CHECK(the_keys(cli).as_array().size() == 1);
  const auto gone = cli.run(cli.on("web", {"key", "delete", "a", "--yes"}));
  CHECK(gone.status == 0);
  CHECK(the_keys(cli).as_array().empty());
  CHECK(cli.pkcs11_tool("web", {"--list-objects"}).out.find("web") == std::string::npos);
}

TEST_CASE("a key that an open request names in whatever way is not destroyed without being forced") {
  const auto which = GENERATE(range(std::size_t{0}, std::size_t{6}));
  const Cli cli;
  cli.make_token("web");
  const std::string path = (cli / "store.db").string();
  cli.write(".config/hsmbridge/hsmbridge.yaml",
            "store: {path: " + path + "}\ntokens:\n  hsm: {module: " + Cli::module().string() +
                ", uri: \"pkcs11:token=web\", pin: \"file:" + (cli / "web.pin").string() + "\"}\n");
  const auto made = cli.run({"key", "generate", "--label", "a", "--json"});
  REQUIRE(made.status == 0);
  const Json key = made.json().at("keys").as_array()[0];
  struct Case {
    std::string how;
    hsmbridge::workflow::KeyWish wish;
    bool with_module = false;
    bool used = true;
  };
  std::string capitals = key.at("id").as_string();
  for (char& c : capitals) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const auto wish = [](const std::string& selector, const std::string& spki = "") {
    hsmbridge::workflow::KeyWish one;
    one.selector = selector;
    if (!spki.empty()) one.spki = hsmbridge::SpkiHash{spki};
    return one;
  };
  const std::vector<Case> cases{
      {"by its URI", wish(key.at("uri").as_string())},
      {"by an id in capitals", wish("id=" + capitals)},
      {"in the same token under another name", wish("a"), true},
      {"by its public key, whatever its label was", wish("before", key.at("spki_sha256").as_string())},
      {"not at all", wish("b"), false, false},
      {"by its label when another public key was meant", wish("a", std::string(64, 'a')), false, false},
  };
  REQUIRE(cases.size() == 6);
  const Case& chosen = cases[which];
  INFO(chosen.how);
  {
    const hsmbridge::SystemClock clock;
    const auto store = hsmbridge::store::SqliteStore::open(path, clock);
    auto order = hsmbridge::test::order_of("0123456789abcdef", clock.now());
    hsmbridge::test::wanted(order).token = "hsm";
    hsmbridge::test::wanted(order).key = chosen.wish;
    store->create(order, {{order.created_at, order.created_by, hsmbridge::workflow::Created{order}}},
                  hsmbridge::workflow::begin(order, {}));
  }
  const std::vector<std::string> words{"key", "delete", "a", "--yes"};
  const auto deleted = cli.run(chosen.with_module ? cli.on("web", words) : words);
  INFO(deleted.err);
  CHECK((deleted.status == 0) == !chosen.used);
  CHECK((deleted.err.find("is needed for request 0123456789abcdef, which is open") != std::string::npos) ==
        chosen.used);
  CHECK((cli.pkcs11_tool("web", {"--list-objects", "--type", "privkey"}).out.find("label:      a") !=
         std::string::npos) == chosen.used);
}

TEST_CASE("the label of a key that an open request is about to make is refused, with a chosen id too") {
  const Cli cli;
  cli.make_token("web");
  const std::string path = (cli / "store.db").string();
  cli.configure("store: {path: " + path + "}\n");
  {
    const hsmbridge::SystemClock clock;
    const auto store = hsmbridge::store::SqliteStore::open(path, clock);
    auto order = hsmbridge::test::order_of("0123456789abcdef", clock.now());
    hsmbridge::test::wanted(order).token = "web";
    hsmbridge::test::wanted(order).key = {};
    hsmbridge::test::wanted(order).key.source = hsmbridge::workflow::KeyWish::Source::make;
    hsmbridge::test::wanted(order).key.selector = "a";
    store->create(order, {{order.created_at, order.created_by, hsmbridge::workflow::Created{order}}},
                  hsmbridge::workflow::begin(order, {}));
    store->record_key(
        {"web", "a", "00112233445566778899aabbccddeeff", "ec:P-256", {}, "planned-at-random", clock.now()},
        "key-planned", "{}", "test", clock.now());
  }
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--id", "01"}}) {
    std::vector<std::string> words{"key", "generate", "--token", "web", "--label", "a", "--spec", "ec:P-256"};
    words.insert(words.end(), more.begin(), more.end());
    const auto refused = cli.run(words);
    INFO(refused.err);
    CHECK(refused.status == 1);
    CHECK(refused.err.find("request 0123456789abcdef makes the key a in token web") != std::string::npos);
  }
}

TEST_CASE("at a terminal the answer of a person decides and anything but yes destroys nothing") {
  const Cli cli;
  cli.make_token("web");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "a"})).status == 0);
  std::string command = Cli::program().string();
  for (const std::string& word : cli.on("web", {"key", "delete", "a"})) command += " " + word;
  const auto no = cli.other({"script", "-qec", command, "/dev/null"}, "no\n");
  CHECK(no.status == 4);
  CHECK(no.out.find("Destroy this key in token web permanently? [yes/NO]") != std::string::npos);
  CHECK(no.out.find("hsmbridge: not confirmed, nothing was destroyed") != std::string::npos);
  CHECK(the_keys(cli).as_array().size() == 1);
  CHECK(cli.other({"script", "-qec", command, "/dev/null"}, "yes\n").status == 0);
  CHECK(the_keys(cli).as_array().empty());
}

TEST_CASE("a result that cannot be written is no success") {
  const Cli cli;
  cli.make_token("web");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "a"})).status == 0);
  std::string command = Cli::program().string();
  for (const std::string& word : cli.on("web", {"key", "list"})) command += " " + word;
  const auto full = cli.other({"sh", "-c", command + " > /dev/full"});
  CHECK(full.status == 5);
  CHECK(full.err == "hsmbridge: standard output could not be written\n");
}

TEST_CASE("a store of a newer version is refused before a key is made and stays as it was") {
  const Cli cli;
  cli.make_token("web");
  const std::string store = (cli / "store.db").string();
  cli.configure("store: {path: " + store + "}\n");
  REQUIRE(cli.run({"key", "generate", "--label", "a"}).status == 0);
  const auto version = cli.other({"sqlite3", store, "PRAGMA user_version"}).out;
  REQUIRE(cli.other({"sqlite3", store, "PRAGMA user_version=99"}).status == 0);
  const auto refused = cli.run({"key", "generate", "--label", "b"});
  CHECK(refused.status == 1);
  CHECK(refused.out.empty());
  CHECK(refused.err.rfind("hsmbridge: ", 0) == 0);
  CHECK(refused.err.find("store.db") != std::string::npos);
  CHECK(cli.other({"sqlite3", store, "PRAGMA user_version"}).out == "99\n");
  REQUIRE(cli.other({"sqlite3", store, "PRAGMA user_version=" + version}).status == 0);
  CHECK(cli.run({"key", "list", "--json"}).json().at("keys").as_array().size() == 1);
}

TEST_CASE("bad input gets one sentence and its exit code and changes nothing") {
  const Cli cli;
  cli.make_token("web");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "a"})).status == 0);
  const std::string module = Cli::module().string();
  cli.write("open.pin", "1234\n", 0644);
  cli.write("no-module.so", "this is no module");
  struct Row {
    std::string what;
    std::vector<std::string> call;
    int status;
    std::string says;
  };
  const std::vector<Row> rows = {
      {"no such key", cli.on("web", {"key", "show", "nobody"}), 1, "no key"},
      {"unknown module", {"key", "list", "--module", "/nowhere/pkcs11.so", "--token", "web"}, 1, "/nowhere/pkcs11.so"},
      {"a file that is no module", {"key", "list", "--module", "no-module.so", "--token", "web"}, 2, "no-module.so"},
      {"token not present",
       {"key", "list", "--module", module, "--token", "absent", "--pin", "file:web.pin"},
       1,
       "absent"},
      {"no PIN", {"key", "list", "--module", module, "--token", "web"}, 4, "no PIN is configured"},
      {"PIN file missing",
       {"key", "list", "--module", module, "--token", "web", "--pin", "file:none.pin"},
       1,
       "none.pin"},
      {"PIN file readable by everybody",
       {"key", "list", "--module", module, "--token", "web", "--pin", "file:open.pin"},
       4,
       "open.pin"},
      {"a PIN on the command line",
       {"key", "list", "--module", module, "--token", "web", "--pin", "1234"},
       2,
       "env:NAME"},
      {"PIN asked where there is no terminal",
       {"key", "list", "--module", module, "--token", "web", "--pin", "prompt"},
       4,
       "terminal"},
      {"unsupported kind of key", cli.on("web", {"key", "generate", "--label", "b", "--spec", "rsa:1000"}), 2,
       "rsa:2048"},
      {"malformed id", cli.on("web", {"key", "generate", "--label", "b", "--id", "0"}), 2, "hex"},
      {"malformed URI", cli.on("web", {"key", "show", "pkcs11:objekt=a"}), 2, "pkcs11:objekt=a"},
      {"no token named", {"key", "list"}, 2, "no token is named"},
      {"unknown format", cli.on("web", {"key", "public", "a", "--format", "xml"}), 2, "xml"},
      {"--uri without --module", {"key", "list", "--uri", "pkcs11:token=web"}, 2, "--module"},
  };
  const auto before = cli.listing();
  for (const Row& row : rows) {
    const auto result = cli.run(row.call);
    INFO(row.what << ": " << result.err);
    CHECK(result.status == row.status);
    CHECK(result.out.empty());
    CHECK(result.err.rfind("hsmbridge: ", 0) == 0);
    CHECK(result.err.find(row.says) != std::string::npos);
  }
  CHECK(cli.listing() == before);
  CHECK(the_keys(cli).as_array().size() == 1);
}

TEST_CASE("with a store each act on a key is in the log and without one it is said") {
  const Cli cli;
  cli.make_token("web");
  const auto without = cli.run(cli.on("web", {"key", "generate", "--label", "a"}));
  CHECK(without.err.find("no store is configured, so this is in no audit log") != std::string::npos);
  cli.configure("store: {path: " + (cli / "store/hsmbridge.db").string() + "}\n");
  const auto with = cli.run({"key", "generate", "--label", "b"});
  CHECK(with.status == 0);
  CHECK(with.err.find("audit log") == std::string::npos);
  REQUIRE(cli.run({"csr", "create", "--key", "b", "--san", "dns:b.example.com", "--out", "b.csr"}).status == 0);
  REQUIRE(cli.run({"key", "delete", "b", "--yes"}).status == 0);
  const auto leaves =
      cli.other({"sqlite3", (cli / "store/hsmbridge.db").string(), "SELECT CAST(data AS TEXT) FROM leaves"});
  for (const char* kind : {"key-planned", "key-generated", "key-use", "key-destroy", "key-destroyed"}) {
    INFO(kind);
    CHECK(leaves.out.find(kind) != std::string::npos);
  }
}

TEST_CASE("a generation that is killed at any commit is carried on by the same command typed again") {
  for (int commit = 1;; ++commit) {
    REQUIRE(commit < 30);
    Cli cli;
    cli.make_token("web");
    const std::string store = (cli / "store.db").string();
    cli.configure("store: {path: " + store + "}\n");
    for (const std::string when : {"before", "after"}) {
      INFO(when << " commit " << commit);
      const std::string label = "key-" + when;
      cli.set("HSMBRIDGE_FAILPOINT", "store." + when + "-commit:" + std::to_string(commit));
      const auto killed = cli.run({"key", "generate", "--label", label});
      cli.unset("HSMBRIDGE_FAILPOINT");
      if (killed.status == 0) {
        CHECK(commit > 3);  // at least the plan and the key were written
        return;
      }
      const auto again = cli.run({"key", "generate", "--label", label, "--json"});
      INFO(again.err);
      if (again.status != 0) {
        // It was killed after everything was done: there is nothing left to do.
        CHECK(again.err.find("has a key labelled " + label + " already") != std::string::npos);
      }
      const auto tool = cli.pkcs11_tool("web", {"--list-objects", "--type", "privkey"});
      std::size_t keys = 0;
      for (auto at = tool.out.find(label); at != std::string::npos; at = tool.out.find(label, at + 1)) ++keys;
      CHECK(keys == 1);
      CHECK(cli.other({"sqlite3", store, "SELECT label, status FROM keys WHERE label = '" + label + "'"}).out ==
            label + "|active\n");
    }
  }
}

TEST_CASE("a key that another program made meanwhile under the id of an open plan survives the command typed again") {
  // The second one is as long as the ids that this program makes.
  const std::string chosen = GENERATE("01", "00112233445566778899aabbccddeeff");
  for (const bool with_id : {true, false}) {
    INFO("--id is given again: " << with_id);
    Cli cli;
    cli.make_token("web");
    cli.write(".config/hsmbridge/hsmbridge.yaml",
              "store: {path: " + (cli / "store.db").string() +
                  "}\ntokens:\n  web: {module: " + hsmbridge::test::Faults::module().string() +
                  ", uri: \"pkcs11:token=web\", pin: \"file:" + (cli / "web.pin").string() + "\"}\n");
    std::vector<std::string> words{"key", "generate", "--label", "ca", "--spec", "rsa:2048", "--id", chosen};
    cli.set("HSMBRIDGE_FAULTS", "C_GenerateKeyPair=0xdead0009:1");
    CHECK(cli.run(words).status == 128 + 9);
    cli.unset("HSMBRIDGE_FAULTS");
    REQUIRE(cli.other({"sqlite3", (cli / "store.db").string(), "SELECT label, status FROM keys"}).out ==
            "ca|planned-by-id\n");
    // As on a token that keeps no public objects.
    REQUIRE(
        cli.pkcs11_tool("web", {"--keypairgen", "--key-type", "rsa:2048", "--id", chosen, "--label", "ca"}).status ==
        0);
    REQUIRE(cli.pkcs11_tool("web", {"--delete-object", "--type", "pubkey", "--id", chosen}).status == 0);
    if (!with_id) {
      words.resize(words.size() - 2);
      // As a program wrote it that did not tell whose id it is.
      REQUIRE(cli.other({"sqlite3", (cli / "store.db").string(), "UPDATE keys SET status = 'planned'"}).status == 0);
    }
    const auto again = cli.run(words);
    INFO(again.err);
    CHECK(again.status != 0);
    CHECK(again.err.find("it was not used and not destroyed") != std::string::npos);
    CHECK(cli.pkcs11_tool("web", {"--list-objects", "--type", "privkey"}).out.find("ID:         " + chosen) !=
          std::string::npos);
  }
}

TEST_CASE("of many keys those that were made before one failed are known") {
  Cli cli;
  cli.make_token("web");
  cli.configure("store: {path: " + (cli / "store.db").string() + "}\n");
  const std::string select = "SELECT label, status FROM keys ORDER BY label";
  cli.write(".config/hsmbridge/hsmbridge.yaml",
            "store: {path: " + (cli / "store.db").string() +
                "}\ntokens:\n  web: {module: " + hsmbridge::test::Faults::module().string() +
                ", uri: \"pkcs11:token=web\", pin: \"file:" + (cli / "web.pin").string() + "\"}\n");
  cli.set("HSMBRIDGE_FAULTS", "C_GenerateKeyPair=0x30:1:2");
  const auto failed = cli.run({"key", "generate", "--label", "web", "--count", "3"});
  cli.unset("HSMBRIDGE_FAULTS");
  INFO(failed.err);
  CHECK(failed.status == 5);
  CHECK(failed.err.find("2 of 3 keys, which stay") != std::string::npos);
  CHECK(cli.other({"sqlite3", (cli / "store.db").string(), select}).out ==
        "web-1|active\nweb-2|active\nweb-3|planned-at-random\n");
  // The plan is taken up again.
  REQUIRE(cli.run({"key", "generate", "--label", "web-3"}).status == 0);
  CHECK(cli.other({"sqlite3", (cli / "store.db").string(), select}).out ==
        "web-1|active\nweb-2|active\nweb-3|active\n");
  REQUIRE(cli.run({"key", "delete", "web-3", "--yes"}).status == 0);
  CHECK(cli.other({"sqlite3", (cli / "store.db").string(), select}).out ==
        "web-1|active\nweb-2|active\nweb-3|destroyed\n");
}
