#pragma once

#include "base/bytes.h"
#include "ca/linters/linter.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::ca {

// Some linters take a certificate for that of a root where its own key has signed it, and else for that of a CA below
// another one, which other rules are for. The key of a root signs nothing before that was linted, so that its twin
// (twin.h) is always of the second kind. Here is the same certificate of both kinds, with another key in it: one of
// which everybody knows the private half, P-256 with the number 1. What a linter finds in the one alone is about a
// root, and what it finds in the other alone is about what a root is not.
struct RootTwins {
  std::string as_root;  // PEM; signed by the key that it has
  std::string as_other;
};
// Nothing where what shall be signed is not a root's.
std::optional<RootTwins> root_twins(ByteView to_be_signed);

// What such a linter finds in what shall be signed. `ask`: its verdict on a PEM.
using AskLinter = std::function<std::vector<LintFinding>(std::string pem)>;
std::vector<LintFinding> lint_by_signature(Artefact artefact, ByteView to_be_signed, const AskLinter& ask);

}  // namespace hsmbridge::ca
