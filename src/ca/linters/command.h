#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/program.h"
#include "ca/linters/linter.h"
#include "ca/linters/program.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

// Any program that reads a certificate or a CRL from its standard input, by a verdict rule that the configuration
// declares.
namespace hsmbridge::ca {

struct LinterCommand {
  std::string name;
  std::vector<std::string> certificates = {};  // its arguments; empty: none is shown to it
  std::vector<std::string> crls = {};          // likewise
  enum class Input { der, pem };
  Input input = Input::der;
  std::vector<std::string> version = {};  // prints it; empty: the SHA-256 of the program's file is its version
  // How a line begins, and what it is then; the longest that fits counts. Empty: what it writes is not read.
  std::map<std::string, Meaning> lines = {};
  std::map<int, Meaning> exit_status = {};
};

// A rule is "certlint/E" for a line that begins with "E: ", and "certlint/exit-status" for a status that is an error or
// a warning.
class CommandLinter final : public Linter {
 public:
  // `limit` for each run of it.
  CommandLinter(LinterCommand command, Duration limit) : command_(std::move(command)), limit_(limit) {}

  bool reads(Artefact artefact) const override { return !argv(artefact).empty(); }
  std::string said_by(Artefact artefact) override;
  std::vector<LintFinding> lint(Artefact artefact, ByteView to_be_signed) override;

 private:
  const std::vector<std::string>& argv(Artefact artefact) const {
    return artefact == Artefact::certificate ? command_.certificates : command_.crls;
  }

  const LinterCommand command_;
  const Duration limit_;
  KnownVersion version_;
};

// The verdict in how it ended; for tests of what a program might write. Throws unavailable for a status or a line that is
// not declared.
std::vector<LintFinding> command_verdict(const LinterCommand& command, const ProgramEnd& end);

}  // namespace hsmbridge::ca
