#pragma once

#include "base/clock.h"
#include "service/requests/requests.h"
#include "tools/hsmbridge/wiring/invocation.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The options that choose and page a list, the same words for `request list` and `cert list`.
namespace hsmbridge::cli {

// The options of one list with those that all have: --provider, --profile, --name, --since, --limit, --after. `since`:
// what that says; `after`: what --after takes.
std::vector<commandline::Option> with_list_options(std::vector<commandline::Option> own, std::string_view since,
                                                   std::string_view after);

// "7d" before now, a day (its beginning, UTC) or an RFC 3339 time. Throws invalid_input.
Instant time_before(const std::string& text, Instant now);

// What --limit says; without it a page for a person at a terminal, and everything for a pipe, a file and --json.
std::optional<std::size_t> limit_of(const Invocation& invocation);

// Says how many more there are and how to see them. `command`: "hsmbridge request list" with its flags;
// options with values are added as they were typed.
void note_more(Invocation& invocation, std::string_view command, const service::ListEnd& end, std::size_t digits);
// "12", or "more than 10,000".
std::string counted(std::size_t count);

}  // namespace hsmbridge::cli
