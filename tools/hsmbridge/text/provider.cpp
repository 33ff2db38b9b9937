#include "tools/hsmbridge/text/provider.h"

#include "tools/commandline/output.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

// A field's value beside the longest name, "What it does:", within 80 columns; what goes on is indented.
std::string wrapped_line(std::string_view text) {
  constexpr std::size_t kWidth = 80 - 15;
  constexpr std::size_t kGoesOn = 2;
  return commandline::wrapped(text, kWidth - kGoesOn, kGoesOn);
}

std::string_view word(bool yes) {
  return yes ? "yes" : "no";
}

}  // namespace

std::string abilities_text(const workflow::Capabilities& can) {
  std::string lines;
  for (const auto& row : service::kCapabilities) {
    const auto words = can.*row.member ? row.yes : row.no;
    if (!words.empty()) lines += (lines.empty() ? "" : "\n") + wrapped_line(words);
  }
  return lines;
}

std::string ways_text(const std::vector<service::ProviderWay>& ways) {
  std::string text;
  for (const auto& way : ways) {
    std::string lines;
    for (const auto& row : service::kExtras) {
      if (way.*row.member) lines += wrapped_line(row.title) + "\n";
    }
    lines += abilities_text(way.can);
    commandline::Fields fields;
    fields.add("Type", way.name);
    fields.add("What it does", lines);
    text += (text.empty() ? "" : "\n") + fields.text();
  }
  return text;
}

std::string ways_markdown(const std::vector<service::ProviderWay>& ways) {
  std::string text = "| |";
  std::string rule = "|---|";
  for (const auto& way : ways) {
    text += fmt::format(" {} |", way.name);
    rule += "---|";
  }
  text += "\n" + rule + "\n";
  const auto row = [&](std::string_view title, const auto& has) {
    text += fmt::format("| {} |", title);
    for (const auto& way : ways) text += fmt::format(" {} |", word(has(way)));
    text += "\n";
  };
  for (const auto& one : service::kCapabilities)
    row(one.title, [&](const service::ProviderWay& way) { return way.can.*one.member; });
  for (const auto& one : service::kExtras)
    row(one.title, [&](const service::ProviderWay& way) { return way.*one.member; });
  return text;
}

}  // namespace hsmbridge::cli
