// Cross-signing: a CA that is there already gets a certificate of another one, and what it has issued is trusted through
// both; judged by openssl and certtool.
#include "base/bytes.h"
#include "place.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem.h"

#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

// Beside root and issuing CA another root, `other`, in a token of its own; and CAs that openssl made, with their keys in
// files.
struct Crossing : Place {
  Crossing() {
    cli.make_token("other");
    set_up();
    make_both();
    const auto other = cli.run({"ca", "init", "other", "--yes"});
    INFO(other.err);
    REQUIRE(other.status == 0);
  }
  // `of_ca`: lines of the CA's profile; `of_request`: of the profile of the request; `of_root`: of provider `other`.
  void set_up(const std::string& of_ca = "", const std::string& of_request = "",
              const std::string& of_root = "") const {
    configure();
    std::string text = cli.read("hsmbridge.yaml");
    text.insert(text.find("tokens:\n") + 8, "  other: {module: " + Cli::module().string() +
                                                ", uri: 'pkcs11:token=other', pin: 'file:other.pin'}\n");
    text.insert(text.find("\nprofiles:\n"), R"(
  other:
    type: local-ca
    certificate: other.pem
    key: {token: other, key: other-2026}
    root: {subject: {C: CH, O: Other, CN: Other Root}, key: "ec:P-384", validity: 7300d}
)" + of_root + R"(    profiles:
      cross:
        for: [cross-ca]
        validity: 1000d
        usage: [keyCertSign, cRLSign]
        basic_constraints: "CA:TRUE,pathlen:3"
        crl_url: "http://other.example.com/other.crl"
        issuer_url: "http://other.example.com/other.crt"
)" + of_ca);
    text += "  cross-ca:\n    anchors: [other.pem]\n" + of_request;
    cli.write("hsmbridge.yaml", text);
  }
  CliResult cross(const std::string& certificate, Words more = {}) const {
    Words words{"ca", "cross-sign", "other", "--certificate", certificate, "--yes"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }
  void made(const CliResult& result) const {
    INFO(result.out << result.err);
    REQUIRE(result.status == 0);
  }
  // A self-signed CA of openssl: NAME.pem, NAME.key, and a CSR of its key in NAME.csr.
  void openssl_ca(const std::string& name, const std::string& subject, const Words& more = {},
                  const std::string& days = "900", const std::string& at = "+0d") const {
    Words words{"faketime",
                "-f",
                at,
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-keyout",
                name + ".key",
                "-out",
                name + ".pem",
                "-days",
                days,
                "-subj",
                subject,
                "-addext",
                "basicConstraints=critical,CA:TRUE",
                "-addext",
                "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"};
    words.insert(words.end(), more.begin(), more.end());
    const auto ca = cli.other(words);
    const auto csr =
        cli.other({"openssl", "req", "-new", "-key", name + ".key", "-subj", "/CN=whatever", "-out", name + ".csr"});
    INFO(ca.err << csr.err);
    REQUIRE(ca.status + csr.status == 0);
  }
  x509::Certificate certificate(const std::string& file) const {
    return x509::parse_certificate(x509::read_certificate(as_bytes(cli.read(file))));
  }
  // Both programs, from a leaf through the CAs in `between` to the root.
  void trusted_through(const std::string& leaf, const Words& between, const std::string& root) const {
    CAPTURE(leaf, root);
    std::string untrusted;
    for (const std::string& file : between) untrusted += cli.read(file);
    cli.write("between.pem", untrusted);
    Words words{"openssl", "verify", "-x509_strict", "-CAfile", root, leaf};
    if (!between.empty()) words.insert(words.end() - 1, {"-untrusted", "between.pem"});
    const auto openssl = cli.other(words);
    INFO(openssl.out << openssl.err);
    CHECK(openssl.status == 0);
    const auto certtool = cli.other({"certtool", "--verify-chain"}, cli.read(leaf) + untrusted + cli.read(root));
    INFO(certtool.out << certtool.err);
    CHECK(certtool.status == 0);
  }
  // Subject, key and key identifier, to the byte.
  void alike(const std::string& one, const std::string& other) const {
    const auto first = certificate(one);
    const auto second = certificate(other);
    CHECK(first.subject().der() == second.subject().der());
    CHECK(first.spki() == second.spki());
    CHECK(first.content().subject_key_identifier == second.content().subject_key_identifier);
    CHECK(first.issuer().der() != second.issuer().der());
    CHECK(first.serial() != second.serial());
  }
  std::string signatures() const {
    return cli
        .other({"sqlite3", "store.db", "SELECT count(*) FROM leaves WHERE CAST(data AS TEXT) LIKE '%\"ca-key-use\"%'"})
        .out;
  }
  std::string id_in(const CliResult& result) const { return result.out.substr(0, 16); }
};

}  // namespace

TEST_CASE_METHOD(Crossing, "what a cross-signed CA has issued is trusted below both roots") {
  REQUIRE(enroll("www", "www.example.com").status == 0);
  REQUIRE(cli.other({"openssl", "x509", "-in", "www.pem", "-out", "leaf.pem"}).status == 0);
  const auto first = cross("issuing.pem");
  made(first);
  alike("issuing.pem", "issuing-by-other.pem");
  trusted_through("leaf.pem", {"issuing.pem"}, "root.pem");
  trusted_through("leaf.pem", {"issuing-by-other.pem"}, "other.pem");
  // A CA above another one too: its own root is one that nobody need trust then.
  made(cross("root.pem", {"--out", "root-below-other.pem"}));
  alike("root.pem", "root-below-other.pem");
  trusted_through("leaf.pem", {"issuing.pem", "root-below-other.pem"}, "other.pem");

  const std::string text = text_of("issuing-by-other.pem");
  has(text, "Issuer: C = CH, O = Other, CN = Other Root");
  has(text, "CA:TRUE, pathlen:0");
  has(text, "TLS Web Server Authentication");
  has(text, "URI:http://other.example.com/other.crl");
  has(text, "CA Issuers - URI:http://other.example.com/other.crt");
  has(text, "Permitted:");
  has(text_of("root-below-other.pem"), "CA:TRUE, pathlen:1");

  // Typed again it is the same request, and nothing is signed.
  const std::string before = signatures();
  const auto again = cross("issuing.pem");
  made(again);
  CHECK(id_in(again) == id_in(first));
  has(flat(again.err), "brought the certificate for exactly this");
  CHECK(signatures() == before);
  has(cli.run({"request", "show", id_in(first)}).out, "Cross-signs");
  // Nor for another file, which would be another thing than was done.
  const auto elsewhere = cross("issuing.pem", {"--out", "elsewhere.pem"});
  CHECK(elsewhere.status == 1);
  has(flat(elsewhere.err), "request " + id_in(first) + " brought this cross-certificate, and put it somewhere else");
  const std::string name = hex(sha256(certificate("issuing-by-other.pem").der)).substr(0, 12);
  has(flat(elsewhere.err), "hsmbridge cert export " + name + " --chain leaf --out ");
  CHECK_FALSE(cli.exists("elsewhere.pem"));
  CHECK(signatures() == before);

  // Its renewal is for the same CA.
  const std::string old = cli.read("issuing-by-other.pem");
  made(cli.run({"cert", "renew", hex(sha256(certificate("issuing-by-other.pem").der)), "--same-key"}));
  CHECK(cli.read("issuing-by-other.pem") != old);
  alike("issuing.pem", "issuing-by-other.pem");
  trusted_through("leaf.pem", {"issuing-by-other.pem"}, "other.pem");
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(Crossing, "a CA whose key is elsewhere proves it by a CSR, and is asked for no more than it has") {
  openssl_ca("foreign", "/O=Elsewhere/CN=Foreign CA");
  const auto bare = cross("foreign.pem");
  CHECK(bare.status == 1);
  has(flat(bare.err), "a CSR must prove who has it");
  has(flat(bare.err), "give it as --csr FILE");
  const auto result = cross("foreign.pem", {"--csr", "foreign.csr"});
  made(result);
  // What would be another one than the certificate that is there is said before anything is asked for.
  has(flat(result.err),
      "only in the certificate that the CA has already: Key usage (critical): digitalSignature, keyCertSign, cRLSign");
  has(flat(result.err), "not in it: Key usage (critical): keyCertSign, cRLSign");
  alike("foreign.pem", "foreign-by-other.pem");
  has(text_of("foreign-by-other.pem"), "CA:TRUE, pathlen:3");
  // Not past the end of the one that is there.
  CHECK(certificate("foreign-by-other.pem").tbs.validity.not_after ==
        certificate("foreign.pem").tbs.validity.not_after);

  cli.write("leaf.ext",
            "subjectAltName=DNS:www.example.org\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nkeyUsage=digitalSignature\n");
  REQUIRE(cli.other({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", "leaf.key", "-subj", "/CN=www.example.org", "-out", "leaf.csr"})
              .status == 0);
  REQUIRE(cli.other({"openssl", "x509", "-req", "-in", "leaf.csr", "-CA", "foreign.pem", "-CAkey", "foreign.key",
                     "-days", "30", "-extfile", "leaf.ext", "-out", "leaf.pem"})
              .status == 0);
  trusted_through("leaf.pem", {}, "foreign.pem");
  trusted_through("leaf.pem", {"foreign-by-other.pem"}, "other.pem");

  // What limits it stays, whether the profile knows of it or not.
  openssl_ca("limited", "/O=Elsewhere/CN=Limited CA",
             {"-addext", "nameConstraints=critical,permitted;DNS:example.org", "-addext",
              "policyConstraints=requireExplicitPolicy:0"});
  made(cross("limited.pem", {"--csr", "limited.csr"}));
  const std::string limited = text_of("limited-by-other.pem");
  has(limited, "DNS:example.org");
  has(limited, "Require Explicit Policy:0");

  // The profile may let it live longer.
  set_up("        outlives_cross_signed: true\n");
  openssl_ca("short", "/O=Elsewhere/CN=Short CA", {}, "60");
  made(cross("short.pem", {"--csr", "short.csr"}));
  CHECK(certificate("short-by-other.pem").tbs.validity.not_after > certificate("short.pem").tbs.validity.not_after);
}

TEST_CASE_METHOD(Crossing, "what one profile brought is not what another one is asked for") {
  set_up(R"(      short:
        for: [short-cross-ca]
        validity: 100d
        usage: [keyCertSign, cRLSign]
        basic_constraints: "CA:TRUE,pathlen:3"
)",
         "  short-cross-ca:\n    anchors: [other.pem]\n");
  const auto first = cross("issuing.pem");
  made(first);
  const Words of_short{"--profile", "short-cross-ca", "--out", "short.pem"};
  const auto second = cross("issuing.pem", of_short);
  made(second);
  CHECK(id_in(second) != id_in(first));
  CHECK(certificate("short.pem").tbs.validity.not_after < certificate("issuing-by-other.pem").tbs.validity.not_after);
  alike("issuing.pem", "short.pem");
  const auto again = cross("issuing.pem", of_short);
  made(again);
  CHECK(id_in(again) == id_in(second));
}

TEST_CASE_METHOD(Crossing, "what cannot be cross-signed is refused with a sentence, and no key is used") {
  REQUIRE(enroll("www", "www.example.com").status == 0);
  REQUIRE(cli.other({"openssl", "x509", "-in", "www.pem", "-out", "leaf.pem"}).status == 0);
  openssl_ca("foreign", "/O=Elsewhere/CN=Foreign CA");
  openssl_ca("another", "/O=Elsewhere/CN=Another CA");
  openssl_ca("past", "/O=Elsewhere/CN=Past CA", {}, "10", "-100d");
  openssl_ca("namesake", "/C=CH/O=Other/CN=Other Root");
  openssl_ca("code", "/O=Elsewhere/CN=Code CA", {"-addext", "extendedKeyUsage=codeSigning"});
  Bytes broken = certificate("foreign.pem").der;
  broken.back() = static_cast<std::uint8_t>(broken.back() ^ 1U);
  cli.write("broken.pem", x509::certificate_to_pem(broken));
  cli.write("nothing.pem", "nothing\n");
  // The CA of the request's profile permits this one purpose alone.
  set_up("        extended_usage: [serverAuth]\n");
  const std::string before = signatures();
  const Words listing = cli.listing();
  struct Row {
    Words words;
    int status;
    std::string why;
  };
  for (const Row& row : {
           Row{{"leaf.pem"}, 4, "it is not the certificate of a CA"},
           Row{{"past.pem", "--csr", "past.csr"}, 4, "it ended "},
           Row{{"broken.pem", "--csr", "foreign.csr"}, 4, "its signature with its own key DOES NOT VERIFY"},
           Row{{"other.pem"}, 4, "it is for the key of this CA: a CA does not cross-sign itself"},
           Row{{"namesake.pem", "--csr", "namesake.csr"}, 4, "it has the name of this CA"},
           Row{{"code.pem", "--csr", "code.csr"}, 4, "does not permit the extended key usage codeSigning"},
           Row{{"foreign.pem", "--csr", "another.csr"}, 4, "it is not of the key of the CA that is to be cross-signed"},
           Row{{"foreign.pem", "--csr", "foreign.csr", "--profile", "server"},
               2,
               "no profile for requests of the profile server"},
           Row{{"foreign.pem", "--csr", "foreign.csr", "--out", "root.pem"},
               1,
               "root.pem is there, and was not touched"},
           Row{{"nothing.pem"}, 2, "nothing.pem"},
           Row{{"absent.pem"}, 1, "absent.pem"},
       }) {
    CAPTURE(row.words, row.why);
    const auto refused = cross(row.words.front(), Words(row.words.begin() + 1, row.words.end()));
    INFO(refused.out << refused.err);
    CHECK(refused.status == row.status);
    has(flat(refused.out + refused.err), row.why);
  }
  const auto wrong_type = cli.run({"ca", "cross-sign", "nobody", "--certificate", "root.pem", "--yes"});
  CHECK(wrong_type.status != 0);
  const auto unasked = cli.run({"ca", "cross-sign", "other", "--certificate", "root.pem"});
  CHECK(unasked.status == 4);
  has(unasked.err, "give --yes");
  CHECK(signatures() == before);
  CHECK(cli.listing() == listing);
}

TEST_CASE_METHOD(Crossing, "a CA that was revoked here, or whose key is compromised, is not cross-signed") {
  openssl_ca("foreign", "/O=Elsewhere/CN=Foreign CA");
  made(cross("foreign.pem", {"--csr", "foreign.csr"}));
  const auto revoke = [&](const std::string& subject, const std::string& reason) {
    const Json listed = cli.run({"cert", "list", "--json", "--all"}).json();
    for (const auto& one : listed.at("certificates").as_array()) {
      if (one.at("subject").as_string() != subject) continue;
      const auto done = cli.run({"cert", "revoke", one.at("sha256").as_string(), "--reason", reason, "--yes"});
      INFO(done.out << done.err);
      REQUIRE(done.status == 0);
    }
  };
  const std::string before = signatures();
  SECTION("its certificate") {
    revoke("C=CH, O=Example, CN=Example Issuing", "superseded");
    const auto refused = cross("issuing.pem");
    CHECK(refused.status == 4);
    has(flat(refused.err), "is revoked");
  }
  SECTION("its key") {
    revoke("O=Elsewhere, CN=Foreign CA", GENERATE("keyCompromise", "cACompromise"));
    std::filesystem::remove(cli / "foreign-by-other.pem");
    const auto refused = cross("foreign.pem", {"--csr", "foreign.csr"});
    CHECK(refused.status == 4);
    has(flat(refused.err), "its key is recorded as compromised");
  }
  CHECK(signatures() == before);
}

TEST_CASE_METHOD(Crossing, "an existing certificate counts only where it is shown who issued it") {
  openssl_ca("partner", "/O=Elsewhere/CN=Partner Root");
  openssl_ca("forger", "/O=Elsewhere/CN=Partner Root");
  openssl_ca("below", "/O=Elsewhere/CN=Partner CA");
  const auto issue = [&](const std::string& by, const std::string& days) {
    cli.write("limits.ext", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n");
    const auto done =
        cli.other({"openssl", "x509", "-req", "-in", "below.csr", "-CA", by + ".pem", "-CAkey", by + ".key",
                   "-set_serial", "7", "-days", days, "-extfile", "limits.ext", "-out", "by-" + by + ".pem"});
    INFO(done.err);
    REQUIRE(done.status == 0);
  };
  issue("partner", "60");
  issue("forger", "600");
  const std::string before = signatures();
  const auto alone = cross("by-forger.pem", {"--csr", "below.csr"});
  CHECK(alone.status == 4);
  has(flat(alone.err), "says that \"O=Elsewhere, CN=Partner Root\" issued it, and nothing here shows that");
  const auto forged = cross("by-forger.pem", {"--csr", "below.csr", "--issuer", "partner.pem"});
  CHECK(forged.status == 4);
  has(flat(forged.err), "partner.pem is not the certificate of who signed it");
  CHECK(signatures() == before);
  made(cross("by-partner.pem", {"--csr", "below.csr", "--issuer", "partner.pem"}));
}

TEST_CASE_METHOD(Crossing, "the CAs above must permit it, as for a CA that is made") {
  // The issuing CA may have none below it (path length 0).
  std::string text = cli.read("hsmbridge.yaml");
  const std::string place = "      tls:\n        for: [server]\n";
  REQUIRE(text.find(place) != std::string::npos);
  text.insert(text.find(place),
              "      cross: {for: [below-issuing], validity: 100d, usage: [keyCertSign, cRLSign], basic_constraints: "
              "\"CA:TRUE\"}\n");
  cli.write("hsmbridge.yaml", text + "  below-issuing: {anchors: [root.pem]}\n");
  const std::string before = signatures();
  openssl_ca("plain", "/O=Elsewhere/CN=Plain CA");
  const auto too_low = cli.run({"ca", "cross-sign", "issuing", "--certificate", "plain.pem", "--csr", "plain.csr",
                                "--profile", "below-issuing", "--yes"});
  INFO(too_low.out << too_low.err);
  CHECK(too_low.status == 4);
  has(flat(too_low.out + too_low.err), "permits no CA below it (path length 0)");
  CHECK(signatures() == before);
  CHECK_FALSE(cli.exists("plain-by-issuing.pem"));
}

TEST_CASE_METHOD(Crossing, "it waits for approvals and for the operator's command, and typed twice it is one request") {
  for (const std::string name : {"alice", "bob"}) {
    cli.make_token(name);
    REQUIRE(cli.run(cli.on(name, {"key", "generate", "--label", "approver", "--spec", "ec:P-256"})).status == 0);
    REQUIRE(cli.run(cli.on(name, {"key", "public", "approver", "--out", name + ".pub"})).status == 0);
  }
  set_up("", "    approval: {quorum: 2, of: [alice, bob]}\n", "    operator_command: true\n");
  std::string text = cli.read("hsmbridge.yaml");
  for (const std::string name : {"alice", "bob"}) {
    text.insert(text.find("tokens:\n") + 8, "  " + name + ": {module: " + Cli::module().string() +
                                                ", uri: 'pkcs11:token=" + name + "', pin: 'file:" + name + ".pin'}\n");
  }
  text += "people:\n";
  for (const std::string name : {"alice", "bob"}) {
    text += "  " + name + ": {public_key: " + name + ".pub, token: " + name + ", key: approver, accounts: []}\n";
  }
  cli.write("hsmbridge.yaml", text);
  openssl_ca("foreign", "/O=Elsewhere/CN=Foreign CA");
  const std::string before = signatures();
  const auto asked = cross("foreign.pem", {"--csr", "foreign.csr"});
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  has(asked.out, "AwaitingLocalApproval");
  const std::string id = id_in(asked);
  const auto again = cross("foreign.pem", {"--csr", "foreign.csr"});
  CHECK(again.status == 3);
  CHECK(id_in(again) == id);
  has(flat(again.err), "is open for exactly this");
  const auto elsewhere = cross("foreign.pem", {"--csr", "foreign.csr", "--out", "elsewhere.pem"});
  CHECK(elsewhere.status == 1);
  has(flat(elsewhere.err), "is open for the same cross-certificate");

  const auto shown = cli.run({"approval", "show", id, "--as", "alice"});
  INFO(shown.out << shown.err);
  REQUIRE(shown.status == 0);
  has(flat(shown.out), "only in the certificate that the CA has already: Key usage (critical): digitalSignature");
  const std::string drafted = "cross-signs a CA that has a certificate of \"O=Elsewhere, CN=Foreign CA\"";
  has(flat(shown.out), drafted);
  // A vote covers it with the draft.
  CHECK(flat(shown.out).find("not covered by your signature") == std::string::npos);
  for (const std::string name : {"alice", "bob"}) {
    REQUIRE(cli.run({"approval", "accept", id, "--as", name, "--yes"}).status == 0);
  }
  CHECK(cli.run({"request", "wait", id, "--timeout", "20s"}).status == 3);
  CHECK(signatures() == before);
  const auto shown_to_command = cli.run({"request", "command", id});
  has(flat(shown_to_command.err), drafted);
  const auto commanded = cli.run({"request", "command", id, "--yes", "--sha256", sha256_in(shown_to_command.err)});
  INFO(commanded.out << commanded.err);
  CHECK(cli.run({"request", "wait", id, "--timeout", "50s"}).status == 0);
  CHECK(signatures() != before);
  alike("foreign.pem", "foreign-by-other.pem");
}
