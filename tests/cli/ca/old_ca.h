#pragma once

#include "place.h"

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace hsmbridge::test {

// A CA that was run with `openssl ca` until now: its key was imported into a token, and everything else is in files.
struct OldCa {
  Cli cli;

  explicit OldCa(std::size_t issued = 5, std::size_t revoked = 2) {
    cli.make_token("ca");
    cli.set("HSMBRIDGE_CONFIG", (cli / "hsmbridge.yaml").string());
    make_ca();
    issue(issued);
    for (std::size_t i = 0; i < revoked; ++i) revoke(i, i % 2 == 0 ? "keyCompromise" : "superseded");
    publish();
    configure();
  }

  std::string good(const Words& words) const {
    const auto done = cli.other(words);
    INFO(done.out << done.err);
    REQUIRE(done.status == 0);
    return done.out;
  }
  Words openssl_ca(const Words& more) const {
    Words words{"openssl", "ca", "-config", "openssl.cnf", "-batch"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  void make_ca() const {
    cli.write("openssl.cnf", R"([ca]
default_ca = old
[old]
database = index.txt
new_certs_dir = newcerts
certificate = old.pem
private_key = old.key
serial = serial
crlnumber = crlnumber
default_md = sha256
default_days = 90
default_crl_days = 7
policy = any
unique_subject = no
x509_extensions = leaf
crl_extensions = crl
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
authorityKeyIdentifier = keyid
[crl]
authorityKeyIdentifier = keyid
)");
    std::filesystem::create_directory(cli / "newcerts");
    cli.write("index.txt", "");
    cli.write("serial", "1000\n");
    cli.write("crlnumber", "2A\n");
    good({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
          "old.key", "-out", "old.pem", "-days", "3650", "-subj", "/C=CH/O=Example/CN=Old CA", "-addext",
          "keyUsage=critical,keyCertSign,cRLSign"});
    good({"openssl", "pkcs8", "-topk8", "-nocrypt", "-in", "old.key", "-out", "old.p8"});
    import_key("old.p8", "old-ca", "0a01");
    good({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
          "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf"});
  }
  void import_key(const std::string& file, const std::string& label, const std::string& id) const {
    good({"softhsm2-util", "--import", file, "--token", "ca", "--label", label, "--id", id, "--pin", "1234"});
  }
  // One run of openssl signs them all; their serial numbers count on.
  void issue(std::size_t count) const {
    Words words{"-notext", "-infiles"};
    words.insert(words.end(), count, "leaf.csr");
    good(openssl_ca(words));
  }
  // The serial number of what was issued as number `index`.
  static std::string serial(std::size_t index) {
    char text[32];
    std::snprintf(text, sizeof text, "%zX", 0x1000 + index);
    return text;
  }
  void revoke(std::size_t index, const std::string& reason) const {
    good(openssl_ca({"-revoke", "newcerts/" + serial(index) + ".pem", "-crl_reason", reason}));
  }
  void publish(const std::string& file = "last.pem") const { good(openssl_ca({"-gencrl", "-out", file})); }
  void configure(const std::string& more = "") const {
    cli.write("hsmbridge.yaml", "store: {path: store.db}\ntokens:\n  ca: {module: " + Cli::module().string() +
                                    ", uri: 'pkcs11:token=ca', pin: 'file:ca.pin'}\n" + R"(
providers:
  old:
    type: local-ca
    certificate: old.pem
    key: {token: ca, key: old-ca, accept: [key-not-local, key-may-sign-recover]}
    crl: {file: published.crl)" + more +
                                    R"(}
    profiles:
      server: {validity: 30d, usage: [digitalSignature], extended_usage: [serverAuth]}
profiles:
  server: {provider: old, token: ca, key: "ec:P-256", anchors: [old.pem], install: {file: )" +
                                    (cli / "www.pem").string() + "}}\n");
  }
  CliResult adopt(const Words& more = {"--index", "index.txt", "--certificates", "newcerts", "--crl",
                                       "last.pem"}) const {
    Words words{"ca", "adopt", "old", "--yes"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }
  // As openssl reads it.
  std::string crl_text(const std::string& file = "published.crl") const {
    const auto read = cli.other({"openssl", "crl", "-in", file, "-noout", "-text", "-crlnumber", "-CAfile", "old.pem"});
    has(read.out + read.err, "verify OK");
    return read.out;
  }
  CliResult judged(std::size_t index) const {
    return cli.other({"openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", "old.pem", "-CRLfile",
                      "published.crl", "newcerts/" + serial(index) + ".pem"});
  }
  std::string asked(const std::string& sql) const { return cli.other({"sqlite3", "store.db", sql}).out; }
  // Nothing was taken over, and nothing is where the CRLs go.
  void untouched() const {
    CHECK_FALSE(cli.exists("published.crl"));
    CHECK(asked("SELECT (SELECT count(*) FROM serial_numbers) + (SELECT count(*) FROM revocations) + "
                "(SELECT count(*) FROM crls) + (SELECT count(*) FROM certified_elsewhere)") == "0\n");
  }
};

}  // namespace hsmbridge::test
