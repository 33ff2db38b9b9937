#pragma once

#include "base/clock.h"
#include "workflow/machine/effect.h"
#include "workflow/machine/record.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::workflow {

// How the trouble of an effect begins that the store does not let anybody claim (EffectStatus::trouble).
inline constexpr std::string_view kHeldBack = "held back: ";

// What a person wants to know about a request, in plain words.
struct Explanation {
  std::string what_happened;  // one or two sentences on how it got here
  std::string awaited;        // what is awaited, from whom
  std::optional<Instant> since;
  std::optional<Instant> until;        // when the provider or the deadline ends it
  std::vector<std::string> approvers;  // a line each: who has, who has not, who refused
  std::string next;                    // what the bridge does next, and when
  std::vector<std::string> commands;   // what the reader can type now ("hsmbridge request resolve ID --reference R")
};

Explanation explain(const Record& record, const std::vector<JournalEntry>& history, const std::vector<Effect>& effects,
                    Instant now);

}  // namespace hsmbridge::workflow
