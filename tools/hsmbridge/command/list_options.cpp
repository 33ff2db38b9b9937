#include "tools/hsmbridge/command/list_options.h"

#include "base/error.h"
#include "tools/hsmbridge/wiring/token_access.h"

#include <fmt/core.h>

namespace hsmbridge::cli {
namespace {

// What fits on a screen or two.
constexpr std::size_t kTerminalRows = 50;
constexpr long kMostRows = 1'000'000'000;

}  // namespace

std::vector<commandline::Option> with_list_options(std::vector<commandline::Option> own, std::string_view since,
                                                   std::string_view after) {
  own.insert(own.end(),
             {{"--provider", "NAME", "only those of this provider"},
              {"--profile", "NAME", "only those of this profile"},
              {"--name", "NAME", "only those ordered with this name: www.example.com, an address, a common name"},
              {"--since", "TIME", since},
              {"--limit", "N", "at most so many (50 on a terminal, else all)"},
              {"--after", after, "those that come after this one in the list"}});
  return own;
}

Instant time_before(const std::string& text, Instant now) {
  try {
    return now - parse_duration(text);
  } catch (const Error&) {
    // Then it is a time.
  }
  try {
    return parse_rfc3339(text.size() == 10 ? text + "T00:00:00Z" : text);
  } catch (const Error&) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("'{}' is neither a time before now (7d) nor a day (2026-11-01) nor a time", text)};
  }
}

std::optional<std::size_t> limit_of(const Invocation& invocation) {
  if (const auto limit = invocation.arguments.number("--limit", 1, kMostRows)) return static_cast<std::size_t>(*limit);
  if (invocation.output.json() || !invocation.output.stdout_is_terminal()) return std::nullopt;
  return kTerminalRows;
}

std::string counted(std::size_t count) {
  if (count <= service::kMostCounted) return std::to_string(count);
  return fmt::format("more than {},{:03}", service::kMostCounted / 1000, service::kMostCounted % 1000);
}

void note_more(Invocation& invocation, std::string_view command, const service::ListEnd& end, std::size_t digits) {
  if (end.more == 0) return;
  std::string again(command);
  for (const auto& [name, value] : invocation.arguments.in_order()) {
    if (name == "--after" || name == "--limit") continue;
    again += fmt::format(" {} {}", name, commandline::safe(shell_word(value)));
  }
  invocation.output.note(
      fmt::format("and {} more; the next ones: {} --after {}", counted(end.more), again, end.last.substr(0, digits)));
}

}  // namespace hsmbridge::cli
