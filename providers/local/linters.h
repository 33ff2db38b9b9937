#pragma once

#include "base/clock.h"
#include "ca/linters/command.h"
#include "ca/linters/linter.h"
#include "ca/linters/pkilint.h"
#include "ca/linters/zlint.h"
#include "config/document.h"
#include "providers/local/pkimetal.h"

#include <memory>
#include <variant>
#include <vector>

// The linters that a CA asks beside the one that is built in, as the configuration names them.
namespace hsmbridge::local {

using LinterSettings = std::variant<ca::ZlintSettings, ca::PkilintSettings, PkimetalSettings, ca::LinterCommand>;

// Of `lint`, in its order, with `zlint`, `pkilint`, `pkimetal` and `linters` of the provider's section. Problems go to
// the section.
std::vector<LinterSettings> read_linters(config::Section& section);

// Starts and reads nothing. The clock must outlive them.
std::vector<std::unique_ptr<ca::Linter>> make_linters(const std::vector<LinterSettings>& settings, const Clock& clock);

}  // namespace hsmbridge::local
