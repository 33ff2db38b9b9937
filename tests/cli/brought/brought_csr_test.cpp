#include "cli/brought/csr_desk.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {
namespace {

const std::vector<std::string> kPublicKeyOf{"openssl", "x509", "-noout", "-pubkey", "-in"};

std::vector<std::string> with(std::vector<std::string> words, const std::string& last) {
  words.push_back(last);
  return words;
}

}  // namespace

TEST_CASE("a CSR of openssl or certtool gets its certificate from every provider without any token") {
  for (const std::string kind : {"raw-signature", "certificate", "digicert", "venafi"}) {
    CsrDesk desk(kind);
    for (const bool by_openssl : {true, false}) {
      CAPTURE(kind, by_openssl);
      const std::string name = by_openssl ? "web" : "other";
      desk.configure("    copy: [subject, san]\n    install: {file: " + name + ".pem}\n");
      const auto csr = by_openssl ? desk.openssl_csr(name) : desk.certtool_csr(name);
      const auto done = desk.enroll(csr);
      INFO(done.out << done.err << desk.cli.run({"request", "list"}).out);
      REQUIRE(done.status == 0);
      const std::string pem = name + ".pem";
      CHECK(desk.cli.other(with(kPublicKeyOf, pem)).out ==
            desk.cli.other({"openssl", "pkey", "-pubout", "-in", name + ".key"}).out);
      CHECK(
          desk.cli.other({"openssl", "verify", "-partial_chain", "-CAfile", desk.root(), "-untrusted", pem, pem}).out ==
          pem + ": OK\n");
      const auto text = desk.cli.other({"openssl", "x509", "-noout", "-subject", "-ext", "subjectAltName", "-in", pem});
      CHECK(text.out.find("CN = www.example.com") != std::string::npos);
      CHECK(text.out.find("DNS:www.example.com") != std::string::npos);
      // Typed again nothing is ordered again, whatever the file is called.
      const auto before = desk.orders();
      desk.cli.write("copy.csr", desk.cli.read(csr));
      const auto again = desk.enroll("copy.csr");
      CHECK(again.status == 0);
      CHECK(says(again, "did exactly this: nothing is ordered again"));
      CHECK(desk.orders() == before);
    }
    CHECK(desk.orders() == 2);
    CHECK(says(desk.cli.run({"cert", "list"}), "csr:"));
    // Everything that is logged is the log's: it verifies.
    CHECK(desk.cli.run({"audit", "verify"}).status == 0);
  }
}

TEST_CASE("CSRs of every kind of key are taken, by openssl and by certtool, PEM and DER") {
  CsrDesk desk("raw-signature");
  // algorithm of openssl genpkey with its option, key type of certtool with its option
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> keys{
      {{"RSA", "rsa_keygen_bits:2048"}, {"rsa", "--bits", "3072"}},
      {{"EC", "ec_paramgen_curve:P-384"}, {"ecdsa", "--curve", "secp521r1"}},
      {{"ED25519"}, {"ed25519"}},
  };
  desk.cli.write("c.tmpl", "cn = www.example.com\ndns_name = www.example.com\n");
  for (const auto& [openssl, certtool] : keys) {
    CAPTURE(openssl.front(), certtool.front());
    std::vector<std::string> words{"openssl", "genpkey", "-out", "o.key", "-algorithm", openssl.front()};
    if (openssl.size() > 1) words.insert(words.end(), {"-pkeyopt", openssl[1]});
    REQUIRE(desk.cli.other(words).status == 0);
    REQUIRE(desk.cli
                .other({"openssl", "req", "-new", "-key", "o.key", "-subj", "/CN=www.example.com", "-addext",
                        "subjectAltName=DNS:www.example.com", "-outform", "DER", "-out", "o.csr"})
                .status == 0);
    words = {"certtool", "--generate-privkey", "--outfile", "c.key", "--key-type", certtool.front()};
    words.insert(words.end(), certtool.begin() + 1, certtool.end());
    REQUIRE(desk.cli.other(words).status == 0);
    REQUIRE(desk.cli
                .other({"certtool", "--generate-request", "--load-privkey", "c.key", "--template", "c.tmpl",
                        "--outfile", "c.csr"})
                .status == 0);
    for (const std::string name : {"o", "c"}) {
      desk.configure("    copy: [subject, san]\n    install: {file: " + name + openssl.front() + ".pem}\n");
      const auto done = desk.enroll(name + ".csr");
      INFO(done.out << done.err);
      REQUIRE(done.status == 0);
      CHECK(desk.cli.other(with(kPublicKeyOf, name + openssl.front() + ".pem")).out ==
            desk.cli.other({"openssl", "pkey", "-pubout", "-in", name + ".key"}).out);
      CHECK(desk.cli.run({"csr", "check", name + ".csr"}).status == 0);
    }
  }
}

TEST_CASE("a CSR that is open is found by its hash and not ordered again") {
  CsrDesk desk("raw-signature");
  const auto csr = desk.openssl_csr("web");
  const auto first = desk.enroll(csr, {"--queue", "--json"});
  REQUIRE(first.status == 3);
  const auto again = desk.enroll(csr, {"--queue"});
  CHECK(again.status == 3);
  CHECK(says(again, "request " + first.json().at("id").as_string() + " is open for exactly this: going on with it"));
  // The same CSR, other words.
  const auto other = desk.enroll(csr, {"--queue", "--san", "dns:www.example.com", "--validity", "5d"});
  CHECK(other.status == 1);
  CHECK(says(other, "is open for this CSR, and what it asks for is something else"));
  CHECK(desk.cli.run({"request", "list", "--json"}).json().at("requests").as_array().size() == 1);
  const auto shown = desk.cli.run({"request", "show", first.json().at("id").as_string()});
  CHECK(says(shown, "csr:"));
  CHECK(says(shown, "brought, SHA-256 "));
}

TEST_CASE("a CSR decides what the profile lets it decide and nothing else") {
  CsrDesk desk("venafi");
  const auto csr = desk.openssl_csr("web");
  desk.configure("    install: {file: web.pem}\n    subject: {C: CH, O: Example}\n");
  const auto refused = desk.enroll(csr);
  CHECK(refused.status == 4);
  CHECK(says(refused, "subject-changed: asked \"C=CH, O=Example\", found \"C=CH, O=Example, CN=www.example.com\""));
  CHECK(says(refused, "san-unrequested: not asked, found dns:www.example.com"));
  CHECK(says(refused, "to let the CSR decide: copy: [san, subject] in the profile"));
  CHECK(desk.orders() == 0);
  CHECK(desk.requests() == "no requests\n");
  const auto log = desk.cli.other({"sqlite3", "hsmbridge.db", "SELECT CAST(data AS TEXT) FROM leaves"}).out;
  CHECK(log.find("csr-refused") != std::string::npos);
  CHECK(log.find("\"reasons\":[\"san-unrequested\",\"subject-changed\",\"common-name-changed\"]") != std::string::npos);
  CHECK(desk.cli.run({"audit", "verify"}).status == 0);
  // What is typed is asked, and compared with the CSR.
  CHECK(desk.enroll(csr, {"--cn", "www.example.com", "--san", "dns:mail.example.com"}).status == 4);
  const auto fine = desk.enroll(csr, {"--cn", "www.example.com", "--san", "dns:www.example.com", "--check"});
  CHECK(fine.status == 0);
  CHECK(says(fine, "no objections at ca; its dry run accepts the request"));
  CHECK(desk.requests() == "no requests\n");
  const auto typed = desk.enroll(csr, {"--cn", "www.example.com", "--san", "dns:www.example.com", "--wait"});
  INFO(typed.out << typed.err);
  CHECK(typed.status == 0);
  // What a profile accepts of its provider is no leave for a CSR.
  desk.configure(
      "    install: {file: web.pem}\n    subject: {C: CH, O: Example}\n    copy: [san]\n"
      "    accept: [subject-changed, common-name-changed]\n");
  CHECK(says(desk.enroll(desk.openssl_csr("accepted")), "subject-changed: "));
  // What the profile fixes of a subject stays fixed.
  desk.configure("    install: {file: web.pem}\n    subject: {C: CH, O: Example}\n    copy: [subject, san]\n");
  const auto foreign = desk.enroll(desk.openssl_csr("foreign", {}, "/C=CH/O=Other/CN=www.example.com"));
  CHECK(foreign.status == 4);
  CHECK(says(foreign, "subject-changed: asked C=CH, O=Example among others, found C=CH, O=Other, CN=www.example.com"));
}

TEST_CASE("a CSR without usages is refused where the provider reads them from it alone") {
  CsrDesk desk("venafi");
  desk.cli.write("plain.cnf", "[req]\ndistinguished_name=dn\n[dn]\n");
  REQUIRE(desk.cli
              .other({"openssl", "req", "-new", "-config", "plain.cnf", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-keyout", "plain.key", "-subj", "/CN=www.example.com",
                      "-addext", "subjectAltName=DNS:www.example.com", "-out", "plain.csr"})
              .status == 0);
  const auto refused = desk.enroll("plain.csr");
  CHECK(refused.status == 4);
  CHECK(says(refused, "the CSR does not ask for the key usage digitalSignature"));
  CHECK(says(refused, "the CSR does not ask for the extended key usage serverAuth, and the template adds none"));
  CHECK(desk.orders() == 0);
  const auto accepted =
      desk.enroll("plain.csr", {"--accept", "key-usage-missing", "--accept", "extended-key-usage-missing", "--wait"});
  INFO(accepted.out << accepted.err);
  CHECK(accepted.status == 0);
}

TEST_CASE("where the certificate is made here only what the profile copies is in it") {
  CsrDesk desk("raw-signature");
  desk.configure("    subject: {C: CH, O: Fixed}\n    copy: [san]\n    install: {file: web.pem}\n");
  const auto csr = desk.openssl_csr(
      "web", {"-addext", "extendedKeyUsage=codeSigning,serverAuth", "-addext", "keyUsage=keyEncipherment"});
  const auto done = desk.enroll(csr);
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  CHECK(says(done, "not taken from the CSR, profile appliance decides: code-signing-added"));
  const auto text = desk.cli.other({"openssl", "x509", "-noout", "-text", "-in", "web.pem"}).out;
  CHECK(text.find("Subject: C = CH, O = Fixed\n") != std::string::npos);
  CHECK(text.find("DNS:www.example.com") != std::string::npos);
  CHECK(text.find("Code Signing") == std::string::npos);
  CHECK(text.find("Key Encipherment") == std::string::npos);
  // Usages that only serve the names are copied where the profile says so; powers never.
  desk.configure(
      "    subject: {C: CH, O: Fixed}\n    copy: [san, usage, extended_usage]\n    install: {file: b.pem}\n");
  const auto more = desk.enroll(desk.openssl_csr(
      "b", {"-addext", "extendedKeyUsage=codeSigning,clientAuth", "-addext", "keyUsage=keyEncipherment,cRLSign"}));
  INFO(more.out << more.err);
  REQUIRE(more.status == 0);
  const auto copied = desk.cli.other({"openssl", "x509", "-noout", "-text", "-in", "b.pem"}).out;
  CHECK(copied.find("TLS Web Client Authentication") != std::string::npos);
  CHECK(copied.find("Key Encipherment") != std::string::npos);
  CHECK(copied.find("Code Signing") == std::string::npos);
  CHECK(copied.find("CRL Sign") == std::string::npos);
  // A CSR that names nothing is enough where the command names everything.
  desk.configure("    install: {file: d.pem}\n");
  const auto empty = desk.enroll(desk.openssl_csr("d", {}, "/", ""), {"--cn", "device 7", "--wait"});
  INFO(empty.out << empty.err);
  CHECK(empty.status == 0);
  // None of its names would be left.
  desk.configure("    subject: {C: CH, O: Fixed}\n    install: {file: c.pem}\n");
  CHECK(says(desk.enroll(desk.openssl_csr("c")), "the certificate would have none of them"));
}

TEST_CASE("a bad CSR is refused with every reason and a reference before anything is ordered") {
  CsrDesk desk("venafi");
  const auto openssl = [&](const std::vector<std::string>& more) { return desk.openssl_csr("bad", more); };
  const auto rsa = [&](const std::string& bits, const std::string& exponent) {
    REQUIRE(desk.cli
                .other({"openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:" + bits, "-pkeyopt",
                        "rsa_keygen_pubexp:" + exponent, "-out", "rsa.key"})
                .status == 0);
    REQUIRE(desk.cli
                .other({"openssl", "req", "-new", "-key", "rsa.key", "-subj", "/CN=www.example.com", "-addext",
                        "subjectAltName=DNS:www.example.com", "-out", "bad.csr"})
                .status == 0);
    return std::string("bad.csr");
  };
  const auto changed = [&] {
    REQUIRE(desk.cli.other({"openssl", "req", "-in", desk.openssl_csr("bad"), "-outform", "DER", "-out", "bad.der"})
                .status == 0);
    auto der = desk.cli.read("bad.der");
    der[der.find("www.example.com")] = 'x';
    desk.cli.write("bad.csr", der);
    return std::string("bad.csr");
  };
  const std::string data = HSMBRIDGE_TEST_DATA "/x509/weak/";
  // how it is made (one after the other: they share files), exit code, words
  const std::vector<std::pair<std::function<std::string()>, std::pair<int, std::string>>> cases{
      {changed, {4, "signature: does not verify with the key in the request (RFC 2986 section 4.2)"}},
      {[&] { return rsa("1024", "65537"); },
       {4, "rsa-size: an RSA key of 1024 bits is too small: at least 2048 are required (CA/Browser Forum BR 6.1.5"}},
      {[&] { return rsa("2048", "3"); }, {4, "rsa-exponent: its public exponent 0x03 is not an odd number"}},
      {[&] { return data + "close-primes.csr"; },
       {4, "Fermat's method finds the private key within 100 rounds (CVE-2022"}},
      {[&] { return data + "roca.csr"; }, {4, "roca: it was made by a faulty chip (ROCA)"}},
      {[&] {
         return openssl({"-pkeyopt", "ec_paramgen_curve:secp256k1"});
       },
       {4, "key: this public key is not supported"}},
      {[&] {
         return openssl({"-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"});
       },
       {4, "ca-unrequested: not asked, found CA:TRUE"}},
      {[&] { return openssl({"-sha1"}); }, {4, "signature: verifies, but is weak"}},
      {[&] {
         return openssl({"-addext", "extendedKeyUsage=OCSPSigning"});
       },
       {4, "ocsp-signing-added"}},
      {[&] {
         return openssl({"-addext", "1.2.3.4=critical,ASN1:UTF8String:x"});
       },
       {4, "critical-extension-added"}},
      {[&] {
         return openssl({"-addext", "2.5.29.37=DER:020101"});
       },
       {2, "certificate request: extension extendedKeyUsage: "}},
      {[&] {
         return openssl({"-addext", "2.5.29.17=DER:3000"});
       },
       {2, "certificate request: extension subjectAltName"}},
      {[&] {
         return openssl({"-addext", "tlsfeature=status_request"});
       },
       {4, "tls-features-added"}},
      {[&] {
         return openssl({"-addext", "keyUsage=keyAgreement"});
       },
       {4, "key-usage-changed: asked digitalSignature"}},
      {[&] { return desk.cli.write("bad.csr", "not a CSR\n").string(); }, {2, "bad.csr"}},
      {[&] { return desk.cli.write("bad.csr", desk.cli.read(desk.openssl_csr("two")).substr(0, 200)).string(); },
       {2, "bad.csr"}},
      {[&] { return std::string("absent.csr"); }, {1, "absent.csr"}},
  };
  for (const auto& [make, expected] : cases) {
    const std::string file = make();
    const auto refused = desk.enroll(file);
    CAPTURE(file, expected.second, refused.out, refused.err);
    CHECK(refused.status == expected.first);
    CHECK(says(refused, expected.second));
  }
  // All at once, and the same without ordering.
  const auto bad = changed();
  desk.configure("    install: {file: web.pem}\n    subject: {O: Other}\n");
  for (const bool check : {false, true}) {
    const auto all = check ? desk.enroll(bad, {"--check"}) : desk.enroll(bad);
    CHECK(all.status == 4);
    CHECK(says(all, "signature: "));
    CHECK(says(all, "subject-changed: "));
    CHECK(says(all, "san-unrequested: "));
  }
  CHECK(desk.requests() == "no requests\n");
  CHECK(desk.orders() == 0);
}

TEST_CASE("words that belong to a key of ours do not go with a CSR") {
  CsrDesk desk("raw-signature");
  const auto csr = desk.openssl_csr("web");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--new-key", "x"},
                                                {"--key", "x"},
                                                {"--token", "web"},
                                                {"--spec", "ec:P-256"},
                                                {"--algorithm", "ecdsa-sha256"}}) {
    const auto refused = desk.enroll(csr, words);
    CAPTURE(words.front(), refused.err);
    CHECK(refused.status == 2);
    CHECK(refused.err.find(words.front()) != std::string::npos);
  }
  desk.configure("    copy: [subject, san]\n    install: {token: true}\n");
  const auto token = desk.enroll(csr);
  CHECK(token.status == 4);
  CHECK(says(token, "the key of a CSR that was brought is in no token here"));
  CHECK(desk.requests() == "no requests\n");
}

TEST_CASE("no provider is asked for a CA that it does not make of a CSR, nor to import what it cannot") {
  for (const std::string kind : {"digicert", "venafi"}) {
    CAPTURE(kind);
    CsrDesk desk(kind);
    const auto csr = desk.openssl_csr("web");
    const auto ca = desk.enroll(csr, {"--ca", "--check"});
    CHECK(ca.status == 4);
    CHECK(says(ca, "basic-constraints-missing: asked CA:TRUE, found nothing"));
    const auto import = desk.enroll(csr, {"--install", "provider:import"});
    CHECK(import.status == 4);
    CHECK(says(import, "provider ca takes no certificate for a key there"));
    CHECK(desk.orders() == 0);
  }
}

TEST_CASE("a renewal may ask again for what the CA of the certificate before did not take") {
  CsrDesk desk("raw-signature");
  const std::vector<std::string> odd{"-addext", "subjectKeyIdentifier=01020304"};
  const auto first = desk.enroll(desk.openssl_csr("web", odd), {"--wait", "--json"});
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  const std::string old = first.json().at("certificate").at("sha256").as_string();
  const auto renewed = desk.cli.run({"cert", "renew", old, "--csr", desk.openssl_csr("new", odd), "--wait"});
  INFO(renewed.out << renewed.err);
  CHECK(renewed.status == 0);
}

TEST_CASE("the certificate of a CSR goes to a hook and is written out, and never into a token") {
  CsrDesk desk("raw-signature");
  desk.cli.write("hook", "#!/bin/sh\ncat > hook.pem\necho \"$HSMBRIDGE_TOKEN|$HSMBRIDGE_KEY|\" > hook.env\n", 0700);
  desk.configure("    copy: [subject, san]\n    install: {hook: [" + (desk.cli / "hook").string() + "]}\n");
  const auto done = desk.enroll(desk.openssl_csr("web"), {"--wait", "--json"});
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  const std::string id = done.json().at("id").as_string();
  REQUIRE(desk.cli.exists("hook.pem"));
  CHECK(desk.cli.read("hook.env") == "||\n");
  const auto exported = desk.cli.run({"cert", "export", id, "--chain", "leaf"});
  CHECK(exported.status == 0);
  CHECK(desk.cli.read("hook.pem").starts_with(exported.out));
  const auto refused = desk.cli.run({"cert", "install", id, "--to", "token"});
  CHECK(refused.status == 4);
  CHECK(says(refused, "is in no token here"));
  CHECK(desk.cli.run({"cert", "install", id, "--to", "file:" + (desk.cli / "later.pem").string()}).status == 0);
  CHECK(desk.cli.exists("later.pem"));
}

TEST_CASE("a CSR without any place for its certificate ends with the command that writes it out") {
  CsrDesk desk("raw-signature");
  desk.configure("    copy: [subject, san]\n");
  const auto done = desk.enroll(desk.openssl_csr("web"));
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  const auto at = done.out.find("next: hsmbridge cert export ");
  REQUIRE(at != std::string::npos);
  const auto pem = desk.cli.run({"cert", "export", done.out.substr(at + 28, 12)});
  CHECK(pem.status == 0);
  CHECK(desk.cli.other({"openssl", "x509", "-noout", "-pubkey"}, pem.out).out ==
        desk.cli.other({"openssl", "pkey", "-pubout", "-in", "web.key"}).out);
}

TEST_CASE("a renewal waits for a new CSR, which must ask for the same") {
  for (const std::string kind : {"raw-signature", "digicert", "venafi"}) {
    CAPTURE(kind);
    CsrDesk desk(kind);
    desk.configure("    copy: [subject, san]\n    renew_before: 66%\n    install: {file: web.pem}\n");
    const auto first = desk.enroll(desk.openssl_csr("web"), {"--wait", "--json"});
    INFO(first.out << first.err);
    REQUIRE(first.status == 0);
    const std::string old = first.json().at("certificate").at("sha256").as_string();
    const auto waits = desk.cli.run({"cert", "renew", old});
    CHECK(waits.status == 3);
    CHECK(says(waits, "its renewal waits for a new CSR"));
    CHECK(says(waits, "next: hsmbridge cert renew " + old.substr(0, 12) + " --csr FILE"));
    const auto other = desk.cli.run({"cert", "renew", old, "--csr",
                                     desk.openssl_csr("more", {}, "/C=CH/O=Example/CN=www.example.com",
                                                      "DNS:www.example.com,DNS:evil.example.com")});
    CHECK(other.status == 4);
    CHECK(says(other, "san-unrequested: not asked, found dns:evil.example.com"));
    CHECK(says(other, "a renewal asks for what the CSR before asked"));
    // What an enrolment has open no renewal orders again, and the other way round.
    const std::string csr = desk.openssl_csr("new");
    const auto enrolled = desk.enroll(csr, {"--queue", "--json"});
    REQUIRE(enrolled.status == 3);
    const auto twice = desk.cli.run({"cert", "renew", old, "--csr", csr});
    CHECK(twice.status == 1);
    const std::string open = enrolled.json().at("id").as_string();
    CHECK(says(twice, "request " + open + " is open for this CSR"));
    REQUIRE(desk.cli.run({"request", "cancel", open}).status == 0);
    const auto queued = desk.cli.run({"cert", "renew", old, "--csr", csr, "--queue", "--json"});
    REQUIRE(queued.status == 3);
    CHECK(says(desk.enroll(csr, {"--queue"}), "is open for this CSR"));
    const auto renewed = desk.cli.run({"request", "wait", queued.json().at("id").as_string()});
    INFO(renewed.out << renewed.err);
    REQUIRE(renewed.status == 0);
    CHECK(desk.cli.other(with(kPublicKeyOf, "web.pem")).out ==
          desk.cli.other({"openssl", "pkey", "-pubout", "-in", "new.key"}).out);
    CHECK(says(desk.cli.run({"cert", "list", "--status", "superseded"}), old.substr(0, 12)));
    // Whoever types the first command again orders nothing, also where its certificate is over.
    const auto orders = desk.orders();
    const auto again = desk.enroll("web.csr", {"--wait", "--json"});
    INFO(again.out << again.err);
    CHECK(again.status == 0);
    CHECK(again.json().at("id").as_string() == first.json().at("id").as_string());
    const auto others = desk.enroll("web.csr", {"--validity", "5d"});
    CHECK(others.status == 1);
    CHECK(says(others, "this CSR had a certificate from ca before: " + old.substr(0, 12)));
    CHECK(says(others, "which is superseded"));
    CHECK(desk.orders() == orders);
    CHECK(desk.cli.run({"audit", "verify"}).status == 0);
  }
}

TEST_CASE("a key whose certificate was revoked for keyCompromise gets no other") {
  CsrDesk desk("venafi");
  const auto csr = desk.openssl_csr("web");
  const auto first = desk.enroll(csr, {"--wait", "--json"});
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  const std::string id = first.json().at("id").as_string();
  REQUIRE(desk.cli
              .other({"openssl", "req", "-new", "-key", "web.key", "-subj", "/C=CH/O=Example/CN=other.example.com",
                      "-addext", "subjectAltName=DNS:other.example.com", "-out", "other.csr"})
              .status == 0);
  // One is on its way when the key becomes known.
  const auto queued = desk.enroll("other.csr", {"--queue", "--json"});
  REQUIRE(queued.status == 3);
  const auto revoked = desk.cli.run({"cert", "revoke", id, "--reason", "keyCompromise", "--yes", "--wait"});
  INFO(revoked.out << revoked.err);
  REQUIRE(revoked.status == 0);
  const auto ended = desk.cli.run({"request", "wait", queued.json().at("id").as_string(), "--timeout", "30s"});
  CHECK(ended.status == 4);
  CHECK(says(ended, "its key is compromised: that was recorded here on"));
  const auto again = desk.enroll(csr);
  CHECK(again.status == 4);
  CHECK(says(again, "key-compromised: its key is compromised"));
  CHECK(desk.orders() == 1);
  const auto checked = desk.cli.run({"csr", "check", "other.csr"});
  CHECK(checked.status == 1);
  CHECK(says(checked, "key-compromised: "));
}

TEST_CASE("a compromise that is learnt after the revocation is recorded, and no key is certified after it") {
  CsrDesk desk("venafi");
  const auto csr = desk.openssl_csr("web");
  const auto first = desk.enroll(csr, {"--wait", "--json"});
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  const std::string id = first.json().at("id").as_string();
  REQUIRE(desk.cli.run({"cert", "revoke", id, "--reason", "superseded", "--yes", "--wait"}).status == 0);
  CHECK(desk.cli.run({"csr", "check", csr}).status == 0);
  const auto listed = desk.cli.run({"cert", "list", "--all", "--json"}).json();
  const auto certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
  CHECK(desk.cli.run({"cert", "revoke", certificate, "--reason", "affiliationChanged", "--yes"}).status == 1);
  CHECK(desk.cli.run({"cert", "revoke", certificate, "--reason", "keyCompromise"}).status == 4);  // nobody was asked
  // Nor may a slip of the finger name another one.
  CHECK(desk.cli.run({"cert", "revoke", certificate.substr(0, 4), "--reason", "keyCompromise", "--yes"}).status == 2);
  const auto recorded = desk.cli.run({"cert", "revoke", certificate, "--reason", "keyCompromise", "--yes"});
  INFO(recorded.out << recorded.err);
  CHECK(recorded.status == 0);
  CHECK(says(recorded, "is recorded as compromised"));
  CHECK(desk.cli.run({"cert", "revoke", certificate, "--reason", "keyCompromise", "--yes"}).status == 1);
  CHECK(desk.enroll(csr).status == 4);
  CHECK(desk.cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE("lists of weak keys in the configuration are obeyed, and a broken one stops everything") {
  CsrDesk desk("raw-signature");
  const auto csr = desk.openssl_csr("web");
  const auto spki =
      desk.cli.other({"sh", "-c", "openssl pkey -in web.key -pubout -outform DER | sha256sum | cut -c1-64"});
  REQUIRE(spki.out.size() == 65);
  const std::string head = "weak_keys: [weak.txt]\n";
  desk.configure("    copy: [subject, san]\n    install: {file: web.pem}\n", head);
  desk.cli.write("weak.txt", "");
  CHECK(desk.enroll(csr).status == 1);  // relative to the configuration, where there is none
  const auto list = [&](const std::string& text) { desk.cli.write(".config/hsmbridge/weak.txt", text); };
  list("# found in a firmware\n" + spki.out);
  const auto refused = desk.enroll(csr);
  CHECK(refused.status == 4);
  CHECK(says(refused, "key-listed: its private key is known to others: it is in the list of weak keys "));
  const auto checked = desk.cli.run({"csr", "check", csr});
  CHECK(checked.status == 1);
  CHECK(says(checked, "key-listed: "));
  list(spki.out + "b7ead9492dfd921fc4f\n");
  const auto broken = desk.enroll(csr);
  CHECK(broken.status == 2);
  CHECK(says(broken, "line 2: \"b7ead9492dfd921fc4f\" is not a key of such a list"));
  list("b7ead9492dfd921fc4f9\n");
  CHECK(desk.enroll(csr).status == 0);
}

TEST_CASE("many CSRs are ordered from a file, and a bad one stops nobody else's") {
  CsrDesk desk("raw-signature");
  desk.configure("    copy: [subject, san]\n");
  const auto one = desk.openssl_csr("one");
  const auto two = desk.openssl_csr("two", {}, "/C=CH/O=Example/CN=two.example.com", "DNS:two.example.com");
  REQUIRE(desk.cli.other({"mkfifo", "pipe"}).status == 0);
  desk.cli.write("rows.csv", "csr,install\npipe,\n" + one + ",file:" + (desk.cli / "one.pem").string() + "\n" +
                                 HSMBRIDGE_TEST_DATA + "/x509/weak/roca.csr,\n" + two +
                                 ",file:" + (desk.cli / "two.pem").string() + "\n" + one +
                                 ",file:" + (desk.cli / "one.pem").string() + "\n");
  const auto done = desk.cli.run({"enroll", "--profile", "appliance", "--from", "rows.csv", "--wait"});
  INFO(done.out << done.err);
  CHECK(done.status == 1);
  CHECK(says(done, "roca: it was made by a faulty chip"));
  CHECK(says(done, "pipe is no file"));
  CHECK(says(done, "1 of 5 were ordered before"));
  for (const std::string name : {"one", "two"}) {
    CHECK(desk.cli.other(with(kPublicKeyOf, name + ".pem")).out ==
          desk.cli.other({"openssl", "pkey", "-pubout", "-in", name + ".key"}).out);
  }
  CHECK(desk.orders() == 2);
}

TEST_CASE("csr check prints every objection with its reference") {
  CsrDesk desk("raw-signature");
  const auto result = desk.cli.run({"csr", "check", HSMBRIDGE_TEST_DATA "/x509/weak/roca.csr", "--json"});
  CHECK(result.status == 1);
  const auto json = result.json();
  const auto& faults = json.at("faults").as_array();
  REQUIRE(faults.size() == 1);
  CHECK(faults[0].at("name").as_string() == "roca");
  CHECK(faults[0].at("reference").as_string() == "CVE-2017-15361; CA/Browser Forum BR 6.1.1.3");
  const auto good = desk.cli.run({"csr", "check", desk.openssl_csr("web")});
  CHECK(good.status == 0);
  CHECK(good.out == "web.csr: no fault found\n");
}

}  // namespace hsmbridge::test
