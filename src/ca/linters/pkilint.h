#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/program.h"
#include "ca/linters/linter.h"
#include "ca/linters/program.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// pkilint (https://github.com/digicert/pkilint): several programs, written in Python.
namespace hsmbridge::ca {

// Its commands, without what is added here: format, severity and the input.
struct PkilintSettings {
  std::vector<std::string> certificates{"lint_pkix_cert", "lint"};
  std::vector<std::string> crls{"lint_crl", "lint", "--type", "CRL", "--profile", "PKIX"};
};

// A rule is "pkilint/cabf.serverauth.root_validity_period_too_short"; NOTICE and below are left out. It has no command
// that says its version: Python's own record of the package is read, by the interpreter that the first line of its
// programs names. It takes for a root what is signed by its own key: root_twin.h.
class Pkilint final : public Linter {
 public:
  // `limit` for each run of it.
  Pkilint(PkilintSettings settings, Duration limit) : settings_(std::move(settings)), limit_(limit) {}

  bool reads(Artefact) const override { return true; }
  std::string said_by(Artefact artefact) override;
  std::vector<LintFinding> lint(Artefact artefact, ByteView to_be_signed) override;

 private:
  const std::vector<std::string>& argv(Artefact artefact) const {
    return artefact == Artefact::certificate ? settings_.certificates : settings_.crls;
  }

  const PkilintSettings settings_;
  const Duration limit_;
  KnownVersion version_;
};

// The verdict in how it ended; for tests of what it might write. It exits with the number of its findings, 255 for
// more, but also with 1 for what it cannot read: another number than it wrote is no verdict. Throws unavailable then.
std::vector<LintFinding> pkilint_verdict(const ProgramEnd& end);

// The Python interpreter with its options in the first line of a script: "#!/usr/bin/env python3" is {"python3"}. Empty
// for any other line.
std::vector<std::string> python_of(std::string_view first_line);

}  // namespace hsmbridge::ca
