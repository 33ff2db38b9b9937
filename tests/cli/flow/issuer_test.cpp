#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

// Gives the key at the TSB a certificate below a root of openssl's own, with these extensions, and makes it the
// configured issuer and the root the anchor.
void issue_below_root(Bench& bench, const std::string& extensions, const std::string& root_extensions = "") {
  const auto must = [&](const std::vector<std::string>& words) {
    const auto result = bench.cli().other(words);
    INFO(result.out << result.err);
    REQUIRE(result.status == 0);
  };
  bench.cli().write("root.cnf",
                    "[req]\ndistinguished_name=dn\nx509_extensions=ca\nprompt=no\n[dn]\nCN=Test Root\n[ca]\n"
                    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
                    "subjectKeyIdentifier=hash\n" +
                        root_extensions +
                        "[issuer]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
                        "authorityKeyIdentifier=keyid\n" +
                        extensions);
  must({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        "root.key", "-out", "root.pem", "-days", "3650", "-config", "root.cnf"});
  must({"openssl", "x509", "-in", "rig/ca-key.pem", "-noout", "-pubkey", "-out", "ca-key.pub"});
  must({"openssl", "x509", "-new", "-force_pubkey", "ca-key.pub", "-subj", "/CN=Test Issuing CA", "-CA", "root.pem",
        "-CAkey", "root.key", "-days", "1000", "-extfile", "root.cnf", "-extensions", "issuer", "-out", "issuer.pem"});
  const std::string file = ".config/hsmbridge/hsmbridge.yaml";
  auto text = bench.cli().read(file);
  const auto replace = [&](const std::string& from, const std::string& to) {
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), from.size(), to);
  };
  const auto before = (bench / "rig/ca-key.pem").string();
  replace("issuer: " + before, "issuer: " + (bench / "issuer.pem").string());
  replace("anchors: [" + before + "]", "anchors: [" + (bench / "root.pem").string() + "]");
  bench.cli().write(file, text);
}

CliResult enroll(const Bench& bench, const std::string& label, const std::vector<std::string>& more) {
  std::vector<std::string> words{"enroll", "--new-key", label};
  words.insert(words.end(), more.begin(), more.end());
  return bench.run(words);
}

}  // namespace

TEST_CASE("nobody is asked to approve what could not verify below the issuer") {
  Bench bench;
  issue_below_root(bench,
                   "subjectKeyIdentifier=hash\nextendedKeyUsage=clientAuth\n"
                   "nameConstraints=critical,permitted;DNS:example.com,excluded;IP:192.0.2.0/255.255.255.0\n");
  const std::vector<std::string> wrong{"--san", "dns:www.example.net", "--san", "ip:192.0.2.7"};
  const auto checked = enroll(bench, "web-1", {"--check", wrong[0], wrong[1], wrong[2], wrong[3]});
  INFO(checked.out << checked.err);
  CHECK(checked.status == 4);
  for (const char* reason :
       {"does not permit the extended key usage serverAuth below it (it permits clientAuth)",
        "dns:www.example.net lies outside what \"CN=Test Issuing CA\" permits by its name constraints "
        "(dns:example.com)",
        "ip:192.0.2.7 lies in what \"CN=Test Issuing CA\" excludes by its name constraints (ip:192.0.2.0/24)"}) {
    CHECK(checked.out.find(reason) != std::string::npos);
  }
  const auto refused = enroll(bench, "web-1", {wrong[0], wrong[1], wrong[2], wrong[3]});
  INFO(refused.out << refused.err);
  CHECK(refused.status == 4);
  CHECK((refused.out + refused.err).find("dns:www.example.net lies outside") != std::string::npos);
  CHECK(bench.count("POST /v1/sign") == 0);
  CHECK(bench.tasks_of("alice").empty());
}

TEST_CASE("what is issued below an issuer without a key identifier names its key and verifies") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  issue_below_root(bench, "nameConstraints=critical,permitted;DNS:example.com\n");
  const auto checked = enroll(bench, "web-1", {"--check", "--san", "dns:www.example.com"});
  INFO(checked.out << checked.err);
  CHECK(checked.status == 0);
  const auto done = enroll(
      bench, "web-1", {"--san", "dns:www.example.com", "--wait", "--install", "file:" + (bench / "web.pem").string()});
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  const auto text =
      bench.cli().other({"openssl", "x509", "-in", "web.pem", "-noout", "-ext", "authorityKeyIdentifier"});
  CHECK(text.out.find("X509v3 Authority Key Identifier") != std::string::npos);
  const auto verified = bench.cli().other(
      {"openssl", "verify", "-purpose", "sslserver", "-CAfile", "root.pem", "-untrusted", "issuer.pem", "web.pem"});
  INFO(verified.out << verified.err);
  CHECK(verified.status == 0);
}

TEST_CASE(
    "a request whose issuer reaches no anchor waits until the anchors are corrected, and nobody is asked before") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  issue_below_root(bench, "subjectKeyIdentifier=hash\n");
  auto text = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  const auto at = text.find("anchors: [");
  text.replace(at, text.find(']', at) - at, "anchors: [" + (bench / "rig/ca.pem").string());
  bench.cli().write(".config/hsmbridge/hsmbridge.yaml", text);
  const auto checked = enroll(bench, "web-1", {"--check", "--san", "dns:www.example.com"});
  CHECK(checked.status == 5);
  const auto waits = enroll(bench, "web-1", {"--san", "dns:www.example.com"});
  INFO(waits.out << waits.err);
  CHECK(waits.status == 3);
  for (const auto* const said : {&checked, &waits}) {
    CHECK(said->err.find("there is no path from the issuer to a trust anchor") != std::string::npos);
  }
  CHECK(bench.count("POST /v1/sign") == 0);
  const auto id = Bench::id_in(waits);
  CHECK(bench.state_of(id) == "Preparing");

  text.replace(text.find("anchors: [") + 10, text.find(']', at) - at - 10, (bench / "root.pem").string());
  bench.cli().write(".config/hsmbridge/hsmbridge.yaml", text);
  const auto done = bench.run({"request", "wait", id});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(bench.count("POST /v1/sign") == 1);
}

}  // namespace hsmbridge::test
