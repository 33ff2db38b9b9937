#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/program.h"
#include "ca/linters/linter.h"
#include "ca/linters/program.h"

#include <string>
#include <utility>
#include <vector>

// zlint (https://github.com/zmap/zlint).
namespace hsmbridge::ca {

// What zlint is asked. An empty list says nothing.
struct ZlintSettings {
  std::string program = "zlint";
  std::vector<std::string> sources = {};  // -includeSources: "RFC5280", "CABF_BR"
  std::vector<std::string> exclude = {};  // -excludeNames: lints by name
};

// A rule is "zlint/e_sub_cert_aia_missing"; "notice" and "info" are left out. It exits with 0 whatever it finds, and
// with another status for what it cannot read. zlint 3.5 is the first that reads CRLs; an older one gives no verdict
// about any. It takes for a root what is signed by its own key: root_twin.h.
class Zlint final : public Linter {
 public:
  // `limit` for each run of it.
  Zlint(ZlintSettings settings, Duration limit) : settings_(std::move(settings)), limit_(limit) {}

  bool reads(Artefact) const override { return true; }
  std::string said_by(Artefact) override;
  std::vector<LintFinding> lint(Artefact artefact, ByteView to_be_signed) override;

 private:
  std::vector<LintFinding> ask(std::string pem) const;

  const ZlintSettings settings_;
  const Duration limit_;
  KnownVersion version_;
};

// The verdict in how it ended; for tests of what it might write. Throws unavailable for what is none.
std::vector<LintFinding> zlint_verdict(const ProgramEnd& end);

}  // namespace hsmbridge::ca
