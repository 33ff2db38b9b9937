// pkilint as another linter: what it might write, how its version is told, and the real program where there is one.
#include "ca/linters/pkilint.h"

#include "base/error.h"
#include "ca/crl.h"
#include "unit/ca/hierarchy.h"
#include "unit/ca/linters/script.h"
#include "x509/objects/pem.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
using ca::Artefact;
using ca::LintFinding;
using ca::LintSeverity;

namespace {

std::string trouble(int status, const std::string& output) {
  try {
    ca::pkilint_verdict({status, output});
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.message().starts_with("pkilint gave no verdict: "));
    return error.message();
  }
  return "";
}

// One finding of it.
std::string finding(const std::string& severity, const std::string& code = "pkix.one") {
  return R"({"severity": ")" + severity + R"(", "code": ")" + code + R"(", "message": null})";
}
std::string results(const std::string& findings) {
  return R"({"results": [{"node_path": "certificate.tbsCertificate", "validator": "V", "finding_descriptions": [)" +
         findings + "]}]}\n";
}

}  // namespace

TEST_CASE("errors and warnings of pkilint are findings, with the place that they are about") {
  CHECK(ca::pkilint_verdict({0, "{\"results\": []}\n"}).empty());
  CHECK(ca::pkilint_verdict({2, results(finding("NOTICE") + "," + finding("INFO"))}).empty());
  const auto found =
      ca::pkilint_verdict({3, R"({"results": [{"node_path": "a.b", "validator": "V", "finding_descriptions": [
             {"severity": "ERROR", "code": "pkix.one", "message": "no good"},
             {"severity": "FATAL", "code": "pkix.two", "message": null}]},
           {"node_path": "c", "validator": "W", "finding_descriptions": [
             {"severity": "WARNING", "code": "cabf.three", "message": null}]}]})"});
  CHECK(found == std::vector<LintFinding>{
                     {"pkilint/pkix.one", "pkilint", LintSeverity::error, "no good at a.b"},
                     {"pkilint/pkix.two", "pkilint", LintSeverity::error, "FATAL at a.b"},
                     {"pkilint/cabf.three", "pkilint", LintSeverity::warning, "WARNING at c"},
                 });
}

TEST_CASE("whatever is no clear verdict of pkilint is a failure") {
  // It exits with the number of its findings.
  CHECK(trouble(1, results(finding("ERROR"))).empty());
  CHECK(trouble(0, results(finding("ERROR"))).find("exited with status 0") != std::string::npos);
  CHECK(trouble(2, results(finding("ERROR"))).find("and wrote 1") != std::string::npos);
  CHECK(trouble(1, "{\"results\": []}").find("and wrote 0") != std::string::npos);
  std::string many = finding("INFO");
  for (int i = 1; i < 300; ++i) many += "," + finding("INFO");
  CHECK(trouble(255, results(many)).empty());
  CHECK(trouble(300 % 256, results(many)).find("and wrote 300") != std::string::npos);
  // With 1, too, for what it cannot read.
  CHECK(trouble(1, "").find("cannot be read") != std::string::npos);
  CHECK(trouble(0, "").find("cannot be read") != std::string::npos);
  CHECK(trouble(1, results(finding("SEVERE"))).find("its result of pkix.one is 'SEVERE'") != std::string::npos);
  CHECK(trouble(0, "{}").find("cannot be read") != std::string::npos);
  CHECK(trouble(0, "[]").find("cannot be read") != std::string::npos);
  CHECK(trouble(0, R"({"results": [{}]})").find("cannot be read") != std::string::npos);
  CHECK(trouble(0, R"({"results": []} and more)").find("cannot be read") != std::string::npos);
  CHECK(trouble(1, R"({"results": [{"node_path": "a", "finding_descriptions": [{"severity": "INFO"}]}]})")
            .find("cannot be read") != std::string::npos);
}

TEST_CASE("the interpreter of a script is what its first line names") {
  using Words = std::vector<std::string>;
  CHECK(ca::python_of("#!/usr/bin/python3") == Words{"/usr/bin/python3"});
  CHECK(ca::python_of("#! /opt/venv/bin/python3.11 -sP\r") == Words{"/opt/venv/bin/python3.11", "-sP"});
  CHECK(ca::python_of("#!/usr/bin/env python3") == Words{"python3"});
  CHECK(ca::python_of("#!/usr/bin/env -S python3 -I") == Words{"python3", "-I"});
  for (const char* line :
       {"", "#!", "#!/bin/sh", "#!/usr/bin/env", "#!/usr/bin/env -i python3", "#!/usr/bin/ruby", "/usr/bin/python3",
        "\x7f"
        "ELF"}) {
    CAPTURE(line);
    CHECK(ca::python_of(line).empty());
  }
}

TEST_CASE("pkilint is asked with the bytes and the options that its verdict is read by") {
  const TempFolder folder;
  ca::PkilintSettings settings;
  settings.certificates = {script(folder, "lint_pkix_cert", R"(cat >"$(dirname "$0")/given"
echo "$*" >"$(dirname "$0")/arguments"
echo '{"results": []}'
)"),
                           "lint"};
  settings.crls = {"/nonexistent/lint_crl", "lint"};
  ca::Pkilint linter(settings, 10s);
  const Bytes tbs = Entity(server()).tbs;
  CHECK(linter.lint(Artefact::certificate, tbs).empty());
  CHECK(to_text(read_file(folder / "arguments")) == "lint --format JSON --severity INFO --document-format PEM -\n");
  CHECK(x509::parse_certificate(x509::read_certificate(read_file(folder / "given"))).tbs.der == tbs);
  CHECK_THROWS_WITH(linter.said_by(Artefact::certificate),
                    Catch::StartsWith("pkilint gave no verdict: its version cannot be told: the first line of ") &&
                        Catch::Contains("does not name a Python interpreter"));
  const Bytes crl = ca::crl_to_be_signed({7, kNow, kNow + 24h, {}}, *Entity(authority("CN=Root")).certificate,
                                         x509::signature_algorithm("ecdsa-sha256"));
  CHECK_THROWS_WITH(linter.lint(Artefact::crl, crl), Catch::Contains("could not be started"));
}

TEST_CASE("pkilint is asked about a root as one that its own key has signed") {
  const TempFolder folder;
  // It counts how often it is asked, and finds something where the number is that of the file "finds".
  ca::PkilintSettings settings;
  settings.certificates = {script(folder, "lint_pkix_cert", R"sh(cd "$(dirname "$0")"; cat >"given$(cat asked | wc -l)"
echo >>asked
if [ "$(cat asked | wc -l)" = "$(cat finds)" ]; then
  echo '{"results": [{"node_path": "c", "validator": "V", "finding_descriptions": [
    {"severity": "ERROR", "code": "pkix.one", "message": null}]}]
}'
  exit 1
fi
echo '{"results": []}'
)sh")};
  const auto errors = [&](const std::string& finds, const Bytes& tbs) {
    write_file(folder / "asked", {}, FileMode::public_0644, Existing::replace);
    write_file(folder / "finds", as_bytes(finds), FileMode::public_0644, Existing::replace);
    return ca::Pkilint(settings, 10s).lint(Artefact::certificate, tbs).size();
  };
  Entity root(authority("CN=Root"));
  x509::CertificateFields fields = root.fields;
  fields.authority_key_identifier.reset();
  const Bytes tbs = x509::build_tbs_certificate(fields);
  // Of the real one, and of the one with everybody's key that this has signed; the one between takes back.
  CHECK(errors("1", tbs) == 1);
  CHECK(errors("2", tbs) == 0);
  CHECK(errors("3", tbs) == 1);
  const auto given = x509::parse_certificate(x509::read_certificate(read_file(folder / "given2")));
  CHECK(x509::signature_verifies(given, given.spki()));
  CHECK(to_text(read_file(folder / "asked")) == "\n\n\n");
  CHECK(errors("0", Entity(server(), &root).tbs) == 0);
  CHECK(to_text(read_file(folder / "asked")) == "\n");
}

// HSMBRIDGE_PKILINT: the folder of its programs.
TEST_CASE("pkilint itself judges the very bytes that shall be signed, with a signature of every kind") {
  const char* const programs = std::getenv("HSMBRIDGE_PKILINT");
  if (programs == nullptr) {
    std::cout << "contract case skipped: pkilint is not there: set HSMBRIDGE_PKILINT to the folder of its programs\n";
    SUCCEED();
    return;
  }
  const std::string folder = std::string(programs) + "/";
  ca::PkilintSettings settings;
  settings.certificates.front() = folder + settings.certificates.front();
  settings.crls.front() = folder + settings.crls.front();
  ca::Pkilint linter(settings, 30s);
  const std::string who = linter.said_by(Artefact::certificate);
  INFO(who);
  CHECK(who.find_first_of("0123456789") == std::string("pkilint ").size());
  const auto errors = [](const std::vector<LintFinding>& found) {
    std::vector<std::string> rules;
    for (const LintFinding& one : found) {
      if (one.severity == LintSeverity::error) rules.push_back(one.rule);
    }
    return rules;
  };
  Entity root(authority("C=CH, O=Example, CN=Root"));
  for (const char* algorithm : {"rsa-sha256", "rsa-pss-sha256", "ed25519", "ecdsa-sha512"}) {
    CAPTURE(algorithm);
    x509::CertificateFields fields = root.fields;
    fields.algorithm = &x509::signature_algorithm(algorithm);
    CHECK(errors(linter.lint(Artefact::certificate, x509::build_tbs_certificate(fields))) ==
          std::vector<std::string>{});
    const Bytes crl = ca::crl_to_be_signed({7, kNow, kNow + 24h, {{Bytes{0x40, 1}, kNow, 1}}}, *root.certificate,
                                           x509::signature_algorithm(algorithm));
    CHECK(errors(linter.lint(Artefact::crl, crl)) == std::vector<std::string>{});
  }
  Profile mute = authority("C=CH, O=Example, CN=Root");
  mute.content.key_usage.reset();
  CHECK(errors(linter.lint(Artefact::certificate, Entity(mute).tbs)) ==
        std::vector<std::string>{"pkilint/pkix.ca_certificate_no_ku_extension"});

  settings.certificates = {folder + "lint_cabf_serverauth_cert", "lint", "--detect"};
  settings.crls = {folder + "lint_crl", "lint", "--type", "CRL", "--profile", "BR"};
  ca::Pkilint cabf(settings, 30s);
  const auto found = errors(
      cabf.lint(Artefact::certificate, Entity(server("CN=www.example.com", {"dns:www.example.com"}), &root).tbs));
  CHECK(std::find(found.begin(), found.end(),
                  "pkilint/cabf.serverauth.subscriber.authority_information_access_extension_absent") != found.end());
  const Bytes on_hold = ca::crl_to_be_signed({7, kNow, kNow + 24h, {{Bytes{0x40, 1}, kNow, 6}}}, *root.certificate,
                                             x509::signature_algorithm("ecdsa-sha256"));
  CHECK(errors(cabf.lint(Artefact::crl, on_hold)).size() == 1);
}
