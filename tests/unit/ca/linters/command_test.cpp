// Any program as another linter, by a verdict rule that is declared.
#include "ca/linters/command.h"

#include "base/error.h"
#include "ca/crl.h"
#include "unit/ca/hierarchy.h"
#include "unit/ca/linters/script.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
using ca::Artefact;
using ca::LintFinding;
using ca::LintSeverity;

namespace {

ca::LinterCommand certlint() {
  ca::LinterCommand command;
  command.name = "certlint";
  command.lines = {{"E: ", LintSeverity::error}, {"W: ", LintSeverity::warning}, {"I: ", {}}, {"E: known", {}}};
  command.exit_status = {{0, {}}};
  return command;
}

std::string trouble(const ca::LinterCommand& command, int status, const std::string& output) {
  try {
    ca::command_verdict(command, {status, output});
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.message().starts_with("certlint gave no verdict: "));
    return error.message();
  }
  return "";
}

const Bytes& some_tbs() {
  static const Bytes tbs = Entity(server()).tbs;
  return tbs;
}

}  // namespace

TEST_CASE("a line is what its beginning is declared to be, and the longest that fits counts") {
  const auto command = certlint();
  CHECK(ca::command_verdict(command, {0, ""}).empty());
  CHECK(ca::command_verdict(command, {0, "\n  \r\n"}).empty());
  CHECK(ca::command_verdict(command, {0, "I: fine\r\nE: bad \r\n\nE: known and tolerated\nW: odd"}) ==
        std::vector<LintFinding>{
            {"certlint/E", "certlint", LintSeverity::error, "bad"},
            {"certlint/W", "certlint", LintSeverity::warning, "odd"},
        });
  // Nothing in it can act on a terminal, and it ends somewhere.
  const auto odd = ca::command_verdict(command, {0, "E: \x1b[2J" + std::string(5000, 'x')});
  REQUIRE(odd.size() == 1);
  CHECK(odd.front().text.starts_with("\\x1B[2Jxxx"));
  CHECK(odd.front().text.size() < 1100);
}

TEST_CASE("a line or a status that is not declared is no verdict") {
  const auto command = certlint();
  CHECK(trouble(command, 0, "E: bad\nTraceback\n").find("begins so: Traceback") != std::string::npos);
  CHECK(trouble(command, 0, " E: bad\n").find("`lines` does not say") != std::string::npos);
  CHECK(trouble(command, 1, "I: fine\n").find("exited with status 1, which `exit_status` does not name: I: fine") !=
        std::string::npos);
  CHECK(trouble(command, 1, "").find("does not name") != std::string::npos);
}

TEST_CASE("a status that is declared an error or a warning is a finding with the first line") {
  ca::LinterCommand command;
  command.name = "certlint";
  command.exit_status = {{0, {}}, {1, LintSeverity::error}, {2, LintSeverity::warning}};
  CHECK(ca::command_verdict(command, {0, "anything\n"}).empty());
  CHECK(ca::command_verdict(command, {1, "\n bad \nworse\n"}) ==
        std::vector<LintFinding>{{"certlint/exit-status", "certlint", LintSeverity::error, "bad"}});
  CHECK(
      ca::command_verdict(command, {2, ""}) ==
      std::vector<LintFinding>{{"certlint/exit-status", "certlint", LintSeverity::warning, "it exited with status 2"}});
  CHECK(trouble(command, 3, "").find("status 3") != std::string::npos);
  // Both rules hold where both are declared.
  command.lines = {{"E: ", LintSeverity::error}};
  CHECK(ca::command_verdict(command, {1, "E: bad\n"}).size() == 2);
  CHECK(trouble(command, 1, "bad\n").find("`lines` does not say") != std::string::npos);
}

TEST_CASE("a program is shown what it is declared to read, as DER or PEM") {
  const TempFolder folder;
  auto command = certlint();
  command.certificates = {script(folder, "certlint", "cat \"$1\" >\"$(dirname \"$0\")/given\"; echo W: odd\n"),
                          "/dev/stdin"};
  {
    ca::CommandLinter linter(command, 10s);
    CHECK(linter.reads(Artefact::certificate));
    CHECK_FALSE(linter.reads(Artefact::crl));
    CHECK(linter.lint(Artefact::certificate, some_tbs()).size() == 1);
    CHECK(x509::parse_certificate(read_file(folder / "given")).tbs.der == some_tbs());
  }
  command.input = ca::LinterCommand::Input::pem;
  command.crls = command.certificates;
  const Bytes crl = ca::crl_to_be_signed({7, kNow, kNow + 24h, {}}, *Entity(authority("CN=Root")).certificate,
                                         x509::signature_algorithm("ecdsa-sha256"));
  ca::CommandLinter linter(command, 10s);
  CHECK(linter.lint(Artefact::crl, crl).size() == 1);
  CHECK(to_text(read_file(folder / "given")).starts_with("-----BEGIN X509 CRL-----\n"));
  CHECK(linter.lint(Artefact::certificate, some_tbs()).size() == 1);
  CHECK(to_text(read_file(folder / "given")).starts_with("-----BEGIN CERTIFICATE-----\n"));
}

TEST_CASE("a program that does not end by itself, or writes without end, gives no verdict") {
  const TempFolder folder;
  auto command = certlint();
  const auto lint = [&](const std::string& lines, Duration limit = 20s) {
    command.certificates = {script(folder, "certlint", lines)};
    ca::CommandLinter(command, limit).lint(Artefact::certificate, some_tbs());
  };
  CHECK_NOTHROW(lint("exit 0\n"));
  CHECK_THROWS_WITH(lint("kill -KILL $$\n"), Catch::Contains("was ended by signal 9"));
  CHECK_THROWS_WITH(lint("exec sleep 60\n", 100ms), Catch::Contains("did not end within"));
  CHECK_THROWS_WITH(lint("echo E: bad; yes 'I: fine' | head -c 20000000\n"),
                    Catch::Contains("certlint gave no verdict: what it wrote is not all there"));
  std::filesystem::permissions(folder / "certlint", std::filesystem::perms::all);
  CHECK_THROWS_WITH(ca::CommandLinter(command, 10s).lint(Artefact::certificate, some_tbs()),
                    Catch::Contains("may be changed by everybody") && Catch::Contains("chmod go-w"));
}

TEST_CASE("who lints is the program's name, version and rule, as its file is now") {
  const TempFolder folder;
  auto command = certlint();
  command.lines.erase("E: known");
  command.certificates = {script(folder, "certlint", "echo version 1; exit 0\n"), "/dev/stdin"};
  ca::CommandLinter by_file(command, 10s);
  const std::string file = command.certificates.front();
  const std::string rule = " (" + file + " /dev/stdin; DER; 'E: ' error; 'I: ' none; 'W: ' warning; 0 none)";
  const auto sha256_of_file = [&] { return "sha256:" + hex(sha256(read_file(file))); };
  CHECK(by_file.said_by(Artefact::certificate) == "certlint " + sha256_of_file() + rule);
  command.version = {file, "--version"};
  ca::CommandLinter by_word(command, 10s);
  CHECK(by_word.said_by(Artefact::certificate) == "certlint version 1" + rule);

  script(folder, "certlint", "echo version 2, another program; exit 0\n");
  CHECK(by_file.said_by(Artefact::certificate) == "certlint " + sha256_of_file() + rule);
  CHECK(by_word.said_by(Artefact::certificate) == "certlint version 2, another program" + rule);
  script(folder, "certlint", "echo no such option; exit 2\n");
  CHECK_THROWS_WITH(by_word.said_by(Artefact::certificate),
                    Catch::Contains("certlint gave no verdict: its version cannot be told: ") &&
                        Catch::Contains("exited with status 2: no such option"));
  script(folder, "certlint", "# it says nothing\n");
  CHECK_THROWS_WITH(by_word.said_by(Artefact::certificate), Catch::Contains("its version cannot be told"));
  std::filesystem::remove(file);
  CHECK_THROWS_WITH(by_file.said_by(Artefact::certificate), Catch::Contains("certlint gave no verdict"));
}
