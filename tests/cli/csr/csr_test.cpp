#include "support/cli/cli.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <string>

using hsmbridge::Json;
using hsmbridge::test::Cli;
using hsmbridge::test::CliResult;

namespace {

// A place with a token that holds a key of each kind.
struct Place {
  Cli cli;
  explicit Place(const std::vector<std::string>& specs = {"ec:P-256"}) {
    cli.make_token("web");
    for (const std::string& spec : specs) {
      REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", spec, "--spec", spec})).status == 0);
    }
  }
  CliResult create(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"csr", "create"});
    return cli.run(cli.on("web", std::move(arguments)));
  }
};

bool has(const std::string& text, const std::string& part) {
  INFO("looking for: " << part << "\nin: " << text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

std::string openssl_text(const Cli& cli, const std::string& file) {
  const auto read =
      cli.other({"openssl", "req", "-in", file, "-noout", "-text", "-nameopt", "RFC2253,sep_comma_plus_space"});
  REQUIRE(read.status == 0);
  return read.out;
}

}  // namespace

TEST_CASE("a CSR of every algorithm is verified by openssl and certtool") {
  struct Row {
    std::string key;
    std::string algorithm;
    std::string openssl;
  };
  const Place place({"ec:P-256", "ec:P-384", "ec:P-521", "rsa:2048", "ed25519"});
  const Cli& cli = place.cli;
  for (const Row& row :
       {Row{"ec:P-256", "ecdsa-sha256", "ecdsa-with-SHA256"}, Row{"ec:P-384", "", "ecdsa-with-SHA384"},
        Row{"ec:P-521", "ecdsa-sha512", "ecdsa-with-SHA512"}, Row{"rsa:2048", "", "sha256WithRSAEncryption"},
        Row{"rsa:2048", "rsa-sha512", "sha512WithRSAEncryption"}, Row{"rsa:2048", "rsa-pss-sha256", "rsassaPss"},
        Row{"rsa:2048", "rsa-pss-sha384", "rsassaPss"}, Row{"ed25519", "", "ED25519"}}) {
    INFO(row.key << " " << row.algorithm);
    std::vector<std::string> call = {"--key", row.key, "--cn",   "www", "--san", "dns:www.example.com",
                                     "--out", "a.csr", "--force"};
    if (!row.algorithm.empty()) call.insert(call.end(), {"--algorithm", row.algorithm});
    const auto made = place.create(call);
    INFO(made.err);
    REQUIRE(made.status == 0);
    CHECK(cli.other({"openssl", "req", "-in", "a.csr", "-verify", "-noout"}).status == 0);
    has(openssl_text(cli, "a.csr"), "Signature Algorithm: " + row.openssl);
    const auto certtool = cli.other({"certtool", "--crq-info", "--infile", "a.csr"});
    CHECK(certtool.status == 0);
    has(certtool.out, "Self signature: verified");
    CHECK(cli.run({"csr", "check", "a.csr"}).status == 0);
  }
}

TEST_CASE("everything that a request can ask is what openssl reads") {
  const Place place;
  const Cli& cli = place.cli;
  cli.write("challenge", "let me in\n");
  const auto made = place.create({"--key",
                                  "ec:P-256",
                                  "--subject",
                                  "C=CH, O=M\xC3\xBCller \\+ Co, OU=a+UID=b, 2.5.4.97=VATCH-1, CN=www",
                                  "--san",
                                  "dns:m\xC3\xBCller.example",
                                  "--san",
                                  "dns:*.example.com",
                                  "--san",
                                  "ip:192.0.2.1",
                                  "--san",
                                  "ip:2001:db8::1",
                                  "--san",
                                  "email:ops@example.com",
                                  "--san",
                                  "uri:https://example.com/x",
                                  "--san",
                                  "upn:user@example.com",
                                  "--san",
                                  "rid:1.2.3.4",
                                  "--san",
                                  "dirname:C=CH, CN=x",
                                  "--usage",
                                  "digitalSignature",
                                  "--usage",
                                  "keyCertSign",
                                  "--extended-usage",
                                  "serverAuth",
                                  "--extended-usage",
                                  "1.3.6.1.4.1.99999.1",
                                  "--ca",
                                  "--path-length",
                                  "1",
                                  "--name-permit",
                                  "dns:example.com",
                                  "--name-exclude",
                                  "ip:10.0.0.0/8",
                                  "--policy",
                                  "1.2.3.4;cps:https://example.com/cps",
                                  "--tls-feature",
                                  "must-staple",
                                  "--extension",
                                  "1.3.6.1.4.1.99999.2:critical=0c026869",
                                  "--challenge-password",
                                  "file:challenge",
                                  "--out",
                                  "a.csr"});
  INFO(made.err);
  REQUIRE(made.status == 0);
  CHECK(cli.other({"openssl", "req", "-in", "a.csr", "-verify", "-noout"}).status == 0);
  const std::string text = openssl_text(cli, "a.csr");
  for (const char* part : {"DNS:xn--mller-kva.example",
                           "DNS:*.example.com",
                           "IP Address:192.0.2.1",
                           "IP Address:2001:DB8:0:0:0:0:0:1",
                           "email:ops@example.com",
                           "URI:https://example.com/x",
                           "othername: UPN::user@example.com",
                           "Registered ID:1.2.3.4",
                           "Digital Signature, Certificate Sign",
                           "TLS Web Server Authentication",
                           "1.3.6.1.4.1.99999.1",
                           "CA:TRUE, pathlen:1",
                           "Permitted:",
                           "DNS:example.com",
                           "Excluded:",
                           "IP:10.0.0.0/255.0.0.0",
                           "Policy: 1.2.3.4",
                           "CPS: https://example.com/cps",
                           "status_request",
                           "1.3.6.1.4.1.99999.2: critical",
                           "let me in"}) {
    has(text, part);
  }
  const auto shown = cli.run({"csr", "show", "a.csr", "--json"});
  CHECK(shown.status == 0);
  CHECK(shown.json().at("signature_verifies").as_bool());
  has(cli.run({"csr", "show", "a.csr"}).out, "www");
}

TEST_CASE("the order of the subject is kept") {
  const Place place;
  for (const std::string subject : {"C=CH, O=Example, CN=www", "CN=www, O=Example, C=CH"}) {
    const auto made = place.create({"--key", "ec:P-256", "--subject", subject});
    const auto read =
        place.cli.other({"openssl", "req", "-noout", "-subject", "-nameopt", "sep_comma_plus_space,sname"}, made.out);
    CHECK(read.out == "subject=" + subject + "\n");
  }
}

TEST_CASE("a CSR file is for everybody and an existing one stays as it was") {
  const Place place;
  const Cli& cli = place.cli;
  ::umask(022);
  REQUIRE(place.create({"--key", "ec:P-256", "--san", "dns:a.example.com", "--out", "a.csr"}).status == 0);
  struct ::stat info {};
  REQUIRE(::stat((cli / "a.csr").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0644U);
  const std::string before = cli.read("a.csr");
  const auto refused = place.create({"--new-key", "other", "--san", "dns:b.example.com", "--out", "a.csr"});
  CHECK(refused.status == 1);
  CHECK(refused.err ==
        "hsmbridge: a.csr exists already, nothing was done\n  → name another file, or give --force to replace it\n");
  CHECK(cli.read("a.csr") == before);
  CHECK(cli.run(cli.on("web", {"key", "show", "other"})).status == 1);
  CHECK(place.create({"--key", "ec:P-256", "--san", "dns:b.example.com", "--out", "a.csr", "--force"}).status == 0);
  CHECK(cli.read("a.csr") != before);
}

TEST_CASE("DER is what openssl reads and one command makes key and CSR") {
  const Place place(std::vector<std::string>{});
  const auto made = place.create(
      {"--new-key", "web-2026", "--spec", "ec:P-384", "--san", "dns:a.example.com", "--form", "der", "--out", "a.der"});
  REQUIRE(made.status == 0);
  CHECK(place.cli.other({"openssl", "req", "-inform", "DER", "-in", "a.der", "-verify", "-noout"}).status == 0);
  CHECK(place.cli.run({"csr", "check", "a.der"}).status == 0);
  const auto key = place.cli.run(place.cli.on("web", {"key", "public", "web-2026"}));
  CHECK(key.out == place.cli.other({"openssl", "req", "-inform", "DER", "-in", "a.der", "-noout", "-pubkey"}).out);
}

TEST_CASE("a profile and what is typed make one request") {
  Place place;
  const Cli& cli = place.cli;
  cli.configure(
      "profiles:\n  server: {key: \"ec:P-256\", subject: {C: CH, O: Example}, usage: [digitalSignature],"
      " extended_usage: [serverAuth], san: [\"dns:always.example.com\"], validity: 90d}\n");
  const auto made = cli.run({"csr", "create", "--key", "ec:P-256", "--profile", "server", "--cn", "www", "--san",
                             "dns:www.example.com", "--extended-usage", "clientAuth", "--out", "a.csr"});
  INFO(made.err);
  REQUIRE(made.status == 0);
  const std::string text = openssl_text(cli, "a.csr");
  has(text, "Subject: CN=www, O=Example, C=CH");  // RFC 2253 shows the last first
  has(text, "DNS:www.example.com, DNS:always.example.com");
  has(text, "TLS Web Client Authentication");
  CHECK(text.find("TLS Web Server Authentication") == std::string::npos);

  const auto check = cli.run({"csr", "check", "a.csr", "--profile", "server"});
  CHECK(check.status == 1);
  CHECK(check.out == "extended_key_usage: the profile asks serverAuth, found clientAuth\n");
  const auto unknown = cli.run({"csr", "create", "--key", "ec:P-256", "--profile", "none"});
  CHECK(unknown.status == 1);
}

TEST_CASE("a request like a certificate asks what it says and not what its issuer added") {
  const Place place;
  const Cli& cli = place.cli;
  REQUIRE(cli.other({"openssl",
                     "req",
                     "-x509",
                     "-newkey",
                     "ec",
                     "-pkeyopt",
                     "ec_paramgen_curve:P-256",
                     "-nodes",
                     "-keyout",
                     "old.key",
                     "-out",
                     "old.pem",
                     "-days",
                     "10",
                     "-subj",
                     "/C=CH/O=Example/CN=old",
                     "-addext",
                     "subjectAltName=DNS:old.example.com",
                     "-addext",
                     "extendedKeyUsage=serverAuth"})
              .status == 0);
  const auto made = place.create({"--key", "ec:P-256", "--like", "old.pem", "--out", "a.csr"});
  INFO(made.err);
  REQUIRE(made.status == 0);
  const std::string text = openssl_text(cli, "a.csr");
  has(text, "CN=old");
  has(text, "DNS:old.example.com");
  has(text, "TLS Web Server Authentication");
  CHECK(text.find("Key Identifier") == std::string::npos);
}

TEST_CASE("a CSR that was changed is found out by check and by show") {
  const Place place;
  const Cli& cli = place.cli;
  REQUIRE(place.create({"--key", "ec:P-256", "--san", "dns:a.example.com", "--form", "der", "--out", "a.der"}).status ==
          0);
  std::string der = cli.read("a.der");
  const auto at = der.find("a.example.com");
  REQUIRE(at != std::string::npos);
  der[at] = 'b';
  cli.write("b.der", der);
  const auto check = cli.run({"csr", "check", "b.der"});
  CHECK(check.status == 1);
  CHECK(check.out == "signature: does not verify with the key in the request (RFC 2986 section 4.2)\n");
  const auto shown = cli.run({"csr", "show", "b.der"});
  CHECK(shown.status == 0);
  CHECK(shown.err == "hsmbridge: warning: its signature does not verify\n");
}

TEST_CASE("a signature that this program does not make itself is not called bad") {
  const Cli cli;
  const auto make = [&](std::vector<std::string> key) {
    std::vector<std::string> words{"openssl", "req",   "-new",  "-nodes", "-keyout",
                                   "k",       "-subj", "/CN=a", "-out",   "o.csr"};
    words.insert(words.end(), key.begin(), key.end());
    REQUIRE(cli.other(words).status == 0);
  };
  make({"-newkey", "rsa:2048", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"});
  const auto salt = cli.run({"csr", "show", "o.csr"});
  CHECK(salt.err.empty());
  CHECK(salt.out.find(", verifies\n") != std::string::npos);
  CHECK(cli.run({"csr", "show", "o.csr", "--json"}).json().at("signature_verifies").as_bool());
  const auto salt_checked = cli.run({"csr", "check", "o.csr"});
  CHECK(salt_checked.out.find("algorithm: ") == 0);
  CHECK(salt_checked.out.find("signature: ") == std::string::npos);

  make({"-newkey", "rsa:2048", "-sha1"});
  CHECK(cli.run({"csr", "show", "o.csr"}).err ==
        "hsmbridge: warning: its signature verifies, but is weak: the hash SHA1 no longer counts as safe\n");
  CHECK(cli.run({"csr", "check", "o.csr"}).out.find("signature: verifies, but is weak: ") != std::string::npos);

  make({"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha3-256"});
  const auto unknown = cli.run({"csr", "show", "o.csr", "--json"});
  CHECK(unknown.json().at("signature_verifies").is_null());
  CHECK(unknown.err.find("its signature cannot be checked here: unsupported algorithm (id-ecdsa-with-sha3-256") !=
        std::string::npos);
}

TEST_CASE("what is odd about a server's names is said when the request is made and when it is checked") {
  const Place place;
  const Cli& cli = place.cli;
  const auto alone = place.create({"--key", "ec:P-256", "--cn", "www.example.com", "--out", "a.csr"});
  CHECK(alone.status == 0);
  CHECK(
      alone.err.find("warning: the common name \"www.example.com\" names a server, and there is no alternative name") !=
      std::string::npos);
  const auto checked = cli.run({"csr", "check", "a.csr"});
  CHECK(checked.status == 0);
  CHECK(checked.out.find("note: the common name \"www.example.com\" names a server") != std::string::npos);
  CHECK(cli.run({"csr", "check", "a.csr", "--json"}).json().at("notes").as_array().size() == 1);
  const auto spelled =
      place.create({"--key", "ec:P-256", "--cn", "WWW.Example.COM", "--san", "dns:WWW.Example.COM", "--out", "b.csr"});
  CHECK(spelled.err.find("write the common name as www.example.com") != std::string::npos);
  const auto good =
      place.create({"--key", "ec:P-256", "--cn", "www.example.com", "--san", "dns:www.example.com", "--out", "c.csr"});
  CHECK(good.err.find("warning") == std::string::npos);
}

TEST_CASE("what cannot be asked is refused in one sentence and no key is made") {
  const Place place;
  const Cli& cli = place.cli;
  struct Row {
    std::vector<std::string> call;
    std::string says;
  };
  const std::vector<Row> rows = {
      {{"--san", "www.example.com"}, "--san: \"www.example.com\""},
      {{"--san", "dns:a..b"}, "a..b"},
      {{"--san", "dns:*.*.example.com"}, "*.*.example.com"},
      {{"--san", "ip:300.1.1.1"}, "300.1.1.1"},
      {{"--san", "email:nobody"}, "nobody"},
      {{"--san", "dns:a.example.com", "--san", "dns:a.example.com"}, "a.example.com"},
      {{"--subject", "CN"}, "--subject: "},
      {{"--subject", "C=Switzerland"}, "--subject: "},
      {{}, "subject"},
      {{"--san", "dns:a.example.com", "--usage", "sign"}, "--usage: "},
      {{"--san", "dns:a.example.com", "--extended-usage", "nonsense"}, "--extended-usage: "},
      {{"--san", "dns:a.example.com", "--path-length", "1"}, "a path length belongs to a CA"},
      {{"--subject", "CN=a", "--cn", "b"}, "--subject"},
      {{"--san", "dns:a.example.com", "--extension", "1.2.3=zz"}, "--extension: "},
      {{"--san", "dns:a.example.com", "--extension", "2.5.29.17=0500"}, "--extension: "},
      {{"--san", "dns:a.example.com", "--algorithm", "md5"}, "md5"},
      {{"--san", "dns:a.example.com", "--algorithm", "rsa-sha256"}, "rsa-sha256 is not for a key of type ec:P-256"},
      {{"--san", "dns:a.example.com", "--algorithm", "ecdsa-sha256", "--spec", "ed25519"},
       "ecdsa-sha256 is not for a key of type ed25519"},
      {{"--subject", "CN=#0c03610062"}, "--subject: "},
      {{"--san", "dns:a.example.com", "--tls-feature", "ocsp"}, "--tls-feature: "},
      {{"--san", "dns:a.example.com", "--name-permit", "dns:example.com"}, "CA"},
      {{"--san", "dns:a.example.com", "--form", "text"}, "there is no form \"text\""},
      {{"--san", "dns:a.example.com", "--challenge-password", "secret"}, "env:NAME"},
      {{"--san", "dns:a.example.com", "--key", "ec:P-256"}, "--key and --new-key contradict each other"},
  };
  for (const Row& row : rows) {
    auto call = row.call;
    call.insert(call.end(), {"--new-key", "never", "--out", "never.csr"});
    const auto result = place.create(call);
    INFO(result.err);
    CHECK(result.status == 2);
    CHECK(result.out.empty());
    CHECK(result.err.rfind("hsmbridge: ", 0) == 0);
    has(result.err, row.says);
  }
  CHECK_FALSE(cli.exists("never.csr"));
  CHECK(cli.run(cli.on("web", {"key", "list", "--json"})).json().at("keys").as_array().size() == 1);
}

TEST_CASE("an algorithm that is not for the key is refused with the one that is") {
  const Place place;
  const auto result = place.create({"--key", "ec:P-256", "--san", "dns:a.example.com", "--algorithm", "rsa-sha256"});
  CHECK(result.status == 2);
  CHECK(result.err == "hsmbridge: rsa-sha256 is not for a key of type ec:P-256\n  → its usual one is ecdsa-sha256\n");
}

TEST_CASE("a file that is no CSR is refused by name") {
  const Cli cli;
  cli.write("text", "hello\n");
  for (const char* verb : {"show", "check"}) {
    const auto result = cli.run({"csr", verb, "text"});
    CHECK(result.status == 2);
    CHECK(result.err.rfind("hsmbridge: text: ", 0) == 0);
    CHECK(cli.run({"csr", verb, "missing"}).status == 1);
  }
}
