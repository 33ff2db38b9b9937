#include "service/providers/providers.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/provider.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/providers.h"
#include "views/providers.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

using commandline::Positional;
using commandline::safe;

ExitCode list_providers(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto& settings = wiring->settings();
  commandline::Table table({"NAME", "TYPE", "CALLS AT ONCE", "PROFILES"});
  for (const auto& provider : settings.providers) {
    table.row({provider.name, provider.type, std::to_string(provider.concurrency),
               service::profiles_at(settings, provider.name)});
  }
  invocation.output.result("hsmbridge.provider-list/1", views::providers(settings),
                           table.empty() ? "no providers are configured\n" : table.text());
  return ExitCode::done;
}

void add(commandline::Fields& fields, const workflow::Facts& facts) {
  for (const auto& [name, value] : facts) fields.add(safe(name), safe(value));
}

// What can be ordered there: --profiles.
ExitCode show_profiles(Invocation& invocation, Wiring& wiring, const std::string& name) {
  const auto entries = service::provider_profiles(wiring, name);
  std::string text;
  for (const auto& entry : entries) {
    commandline::Fields fields;
    fields.add("Profile", safe(entry.name));
    fields.add("Id", safe(entry.id));
    fields.add("Usable", entry.obstacles.empty() ? "yes" : "no");
    std::string obstacles;
    for (const auto& one : entry.obstacles) obstacles += (obstacles.empty() ? "" : "\n") + safe(one);
    fields.add("Because", obstacles);
    add(fields, entry.facts);
    text += (text.empty() ? "" : "\n") + fields.text();
  }
  invocation.output.result("hsmbridge.provider-profiles/1", views::provider_profiles(name, entries),
                           text.empty() ? "no profile is shown to us there\n" : text);
  return ExitCode::done;
}

// The rules that a request must keep there: --policy.
ExitCode show_policy(Invocation& invocation, Wiring& wiring, const std::string& name) {
  const auto facts = service::provider_policy(wiring, name);
  commandline::Fields fields;
  add(fields, facts);
  invocation.output.result("hsmbridge.provider-policy/1", views::provider_policy(name, facts), fields.text());
  return ExitCode::done;
}

ExitCode show_provider(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto& settings = wiring->settings().provider(invocation.arguments.text_or("NAME", ""));
  if (invocation.arguments.has("--profiles")) return show_profiles(invocation, *wiring, settings.name);
  if (invocation.arguments.has("--policy")) return show_policy(invocation, *wiring, settings.name);
  const auto can = wiring->provider(settings.name)->capabilities();
  commandline::Fields fields;
  fields.add("Provider", safe(settings.name));
  fields.add("Type", settings.type);
  fields.add("Calls at once", std::to_string(settings.concurrency));
  if (settings.calls_per_minute) fields.add("Calls a minute", std::to_string(*settings.calls_per_minute));
  fields.add("Profiles", safe(service::profiles_at(wiring->settings(), settings.name)));
  fields.add("What it does", abilities_text(can));
  invocation.output.result("hsmbridge.provider/1", views::provider(settings, can), fields.text());
  return ExitCode::done;
}

ExitCode types(Invocation& invocation) {
  std::vector<service::ProviderWay> ways;
  for (const auto& type : provider_types()) ways.insert(ways.end(), type.ways.begin(), type.ways.end());
  invocation.output.result("hsmbridge.provider-types/1", views::provider_types(ways),
                           invocation.arguments.has("--markdown") ? ways_markdown(ways) : ways_text(ways));
  return ExitCode::done;
}

ExitCode test(Invocation& invocation) {
  CommandContext context(invocation);
  auto& wiring = context.configured();
  const auto name = wiring.settings().provider(invocation.arguments.text_or("NAME", "")).name;
  const auto lines = service::test_provider(wiring, context.log(), name);
  std::string text;
  for (const auto& line : lines) text += safe(line) + "\n";
  invocation.output.result("hsmbridge.provider-test/1", Json::object({{"name", name}, {"learnt", Json(lines)}}),
                           text + fmt::format("{} answers and accepts our credentials\n", safe(name)));
  return ExitCode::done;
}

}  // namespace

std::vector<Command> provider_commands() {
  const Positional name{"NAME", "the provider's name; may be left out when there is one", commandline::Times::once};
  return {
      {"provider", "list", "List the configured providers", {}, {}, list_providers, {}, ""},
      {"provider",
       "show",
       "Show what a provider can do",
       {{"--profiles", "", "ask it what can be ordered there, and what not and why"},
        {"--policy", "", "ask it for the rules that a request must keep there"}},
       {name},
       show_provider,
       {ExitCode::failed, ExitCode::refused, ExitCode::unavailable},
       ""},
      {"provider",
       "types",
       "Show what each type of provider can do, configured or not",
       {{"--markdown", "", "as the table that README has"}},
       {},
       types,
       {},
       ""},
      {"provider",
       "test",
       "Prove address, certificate and credentials with one harmless exchange",
       {},
       {name},
       test,
       {ExitCode::failed, ExitCode::refused, ExitCode::unavailable},
       ""},
  };
}

}  // namespace hsmbridge::cli
