#pragma once

#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace hsmbridge::test {

using Words = std::vector<std::string>;

// Whatever the width at which sentences are wrapped.
inline std::string flat(const std::string& text) {
  std::string words;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n';
    if (!blank || (!words.empty() && words.back() != ' ')) words += blank ? ' ' : c;
  }
  return words;
}

inline bool has(const std::string& text, const std::string& part) {
  INFO("looking for: " << part << "\nin: " << text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

// What a question says that no terminal answers.
inline std::string sha256_in(const std::string& question) {
  const auto at = question.find("SHA-256");
  REQUIRE(at != std::string::npos);
  return question.substr(question.find_first_of("0123456789abcdef", at + 7), 64);
}

// A root, an issuing CA and servers, in a token each.
struct Place {
  Cli cli;

  Place() {
    for (const char* token : {"root", "ca", "web"}) cli.make_token(token);
    cli.set("HSMBRIDGE_CONFIG", (cli / "hsmbridge.yaml").string());
    configure();
  }
  // `tls`: lines of the issuing CA's profile for servers, and what follows its profiles.
  void configure(const std::string& tls = "        validity: tls-br\n") const {
    std::string text = "store: {path: store.db}\ntokens:\n";
    for (const std::string token : {"root", "ca", "web"}) {
      text += "  " + token + ": {module: " + Cli::module().string() + ", uri: 'pkcs11:token=" + token +
              "', pin: 'file:" + token + ".pin'}\n";
    }
    text += R"(
providers:
  root:
    type: local-ca
    certificate: root.pem
    key: {token: root, key: root-2026}
    root: {subject: {C: CH, O: Example, CN: Example Root}, key: "ec:P-384", validity: 7300d, path_length: 1}
    profiles:
      sub-ca:
        validity: 3650d
        usage: [keyCertSign, cRLSign]
        extended_usage: [serverAuth]
        basic_constraints: "CA:TRUE,pathlen:1"
        name_constraints: ["permitted;dns:example.com"]
        policies: [2.5.29.32.0]
        crl_url: "http://ca.example.com/root.crl"
        issuer_url: "http://ca.example.com/root.crt"
        rules: cabf-sub-ca
  issuing:
    type: local-ca
    certificate: issuing.pem
    chain: root.pem
    key: {token: ca, key: issuing-2026}
    crl: {file: issuing.crl, url: "http://ca.example.com/issuing.crl", read_back: false}
    profiles:
      tls:
        for: [server]
        usage: [digitalSignature]
        extended_usage: [serverAuth]
        policies: ["2.23.140.1.2.1;cps:https://ca.example.com/cps"]
        issuer_url: "http://ca.example.com/issuing.crt"
        rules: cabf-tls
)" + tls + R"(
profiles:
  sub-ca:
    key: "ec:P-256"
    subject: {C: CH, O: Example, CN: Example Issuing}
    extended_usage: [serverAuth]
    anchors: [root.pem]
  server: {provider: issuing, token: web, key: "ec:P-256", anchors: [root.pem], install: {token: true, file: )" +
            (cli / "www.pem").string() + "}}\n";
    cli.write("hsmbridge.yaml", text);
  }
  void make_both() const {
    const auto root = cli.run({"ca", "init", "root", "--yes"});
    INFO(root.err);
    REQUIRE(root.status == 0);
    const auto issuing = cli.run({"ca", "init", "issuing", "--parent", "root", "--path-length", "0", "--yes"});
    INFO(issuing.out << issuing.err);
    REQUIRE(issuing.status == 0);
  }
  CliResult enroll(const std::string& key, const std::string& name, const Words& more = {}) const {
    Words words{"enroll", "--profile", "server", "--new-key", key, "--subject", "CN=" + name, "--san", "dns:" + name};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }
  // Both programs: openssl strictly, and GnuTLS by the chain that was installed.
  void trusted(const std::string& file) const {
    const auto openssl =
        cli.other({"openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "issuing.pem", file});
    INFO(openssl.out << openssl.err);
    CHECK(openssl.status == 0);
    const auto certtool = cli.other({"certtool", "--verify-chain"}, cli.read(file) + cli.read("root.pem"));
    INFO(certtool.out << certtool.err);
    CHECK(certtool.status == 0);
  }
  std::string text_of(const std::string& file) const {
    return cli.other({"openssl", "x509", "-in", file, "-noout", "-text"}).out;
  }
  std::string audit() const { return cli.other({"sqlite3", "store.db", "SELECT CAST(data AS TEXT) FROM leaves"}).out; }
};

}  // namespace hsmbridge::test
