#include "tools/hsmbridge/usecase/provider_abilities.h"

#include "tools/commandline/output.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

struct CapabilityRow {
  std::string_view name;
  bool workflow::Capabilities::*member;
  std::string_view title;  // in README's table
  std::string_view yes;
  std::string_view no;  // empty: nothing that a user has to know
};
constexpr CapabilityRow kCapabilities[] = {
    {"full_profile", &workflow::Capabilities::full_profile, "what the certificate says is ours, to the last extension",
     "names, usages, validity and serial are ours",
     "the provider decides what the certificate says: see `accept:` in `hsmbridge help configuration`"},
    {"cancel", &workflow::Capabilities::cancel, "a request can be cancelled there", "a request can be cancelled there",
     "a request cannot be cancelled there"},
    {"shows_approvers", &workflow::Capabilities::shows_approvers, "who has approved and who has not is shown",
     "it tells who has approved and who has not", "it does not tell who approves"},
    {"shows_quorum", &workflow::Capabilities::shows_quorum, "how many must approve is shown",
     "it tells how many must approve", "how many must approve is not known"},
    {"complete_look_up", &workflow::Capabilities::complete_look_up,
     "after a lost answer two searches, `search_lag` apart and under the account that ordered, tell that nothing "
     "arrived "
     "(else a person decides)",
     "after a lost answer two searches, search_lag apart and under the account that ordered, tell that nothing arrived",
     "after a lost answer it cannot tell that nothing arrived: a person decides"},
    {"revoke", &workflow::Capabilities::revoke, "certificates can be revoked (`cert revoke`)",
     "a certificate can be revoked there", "a certificate cannot be revoked there"},
    {"revoke_hold", &workflow::Capabilities::revoke_hold, "certificates can be put on hold (`certificateHold`)",
     "a certificate can be put on hold (certificateHold)", ""},
    {"renew", &workflow::Capabilities::renew,
     "a renewal is linked to the certificate that it replaces (else a new order)",
     "a renewal is linked to the certificate that it replaces", "a renewal is a request like any other"},
    {"result_once", &workflow::Capabilities::result_once, "a result is handed out once only",
     "a result is handed out once", "a result can be fetched again"},
};

// What only some providers have, and the command for it.
struct ExtraRow {
  std::string_view name;
  bool ProviderWay::*member;
  std::string_view title;
};
constexpr ExtraRow kExtras[] = {
    {"decides_here", &ProviderWay::decides_here,
     "its approvers can decide here (`approval accept`, `approval reject`)"},
    {"lists_profiles", &ProviderWay::lists_profiles, "what can be ordered is listed (`provider show --profiles`)"},
    {"tells_policy", &ProviderWay::tells_policy, "its rules are shown (`provider show --policy`)"},
    {"dry_run", &ProviderWay::dry_run, "it judges a request without making one (`enroll --check`)"},
};

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
  for (const auto& row : kCapabilities) {
    const auto words = can.*row.member ? row.yes : row.no;
    if (!words.empty()) lines += (lines.empty() ? "" : "\n") + wrapped_line(words);
  }
  return lines;
}

Json abilities_json(const workflow::Capabilities& can) {
  Json able = Json::object();
  for (const auto& row : kCapabilities) able.set(std::string(row.name), can.*row.member);
  return able;
}

std::string ways_text(const std::vector<ProviderWay>& ways) {
  std::string text;
  for (const auto& way : ways) {
    std::string lines;
    for (const auto& row : kExtras) {
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

std::string ways_markdown(const std::vector<ProviderWay>& ways) {
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
  for (const auto& one : kCapabilities) row(one.title, [&](const ProviderWay& way) { return way.can.*one.member; });
  for (const auto& one : kExtras) row(one.title, [&](const ProviderWay& way) { return way.*one.member; });
  return text;
}

Json ways_json(const std::vector<ProviderWay>& ways) {
  Json list = Json::array();
  for (const auto& way : ways) {
    Json able = abilities_json(way.can);
    for (const auto& row : kExtras) able.set(std::string(row.name), way.*row.member);
    list.push(Json::object({{"type", way.name}, {"capabilities", able}}));
  }
  return Json::object({{"types", list}});
}

}  // namespace hsmbridge::cli
