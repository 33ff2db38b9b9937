#include "base/error.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/usecase/provider_abilities.h"
#include "tools/hsmbridge/wiring/wiring.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

using commandline::Positional;

std::string profiles_of(const config::Settings& settings, const std::string& provider) {
  std::string names;
  for (const auto& profile : settings.profiles) {
    if (profile.provider == provider) names += (names.empty() ? "" : ", ") + profile.name;
  }
  return names;
}

ExitCode list(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  commandline::Table table({"NAME", "TYPE", "CALLS AT ONCE", "PROFILES"});
  Json json = Json::array();
  for (const auto& provider : wiring->settings().providers) {
    const auto profiles = profiles_of(wiring->settings(), provider.name);
    table.row({provider.name, provider.type, std::to_string(provider.concurrency), profiles});
    json.push(Json::object({{"name", provider.name},
                            {"type", provider.type},
                            {"concurrency", static_cast<std::int64_t>(provider.concurrency)}}));
  }
  invocation.output.result("hsmbridge.provider-list/1", Json::object({{"providers", json}}),
                           table.empty() ? "no providers are configured\n" : table.text());
  return ExitCode::done;
}

// How long a person waits for a list.
constexpr Duration kCatalogueLimit = std::chrono::minutes{2};

// What can be ordered there: --profiles.
ExitCode show_profiles(Invocation& invocation, const config::ProviderSettings& settings, workflow::Provider& provider) {
  auto* catalogue = dynamic_cast<workflow::ProfileCatalogue*>(&provider);
  if (catalogue == nullptr) {
    throw Error{ErrorKind::invalid_input, fmt::format("a provider of type {} has no list of profiles", settings.type)};
  }
  std::string text;
  Json json = Json::array();
  for (const auto& entry : catalogue->profiles(settings.time_limit.value_or(kCatalogueLimit))) {
    commandline::Fields fields;
    fields.add("Profile", commandline::safe(entry.name));
    fields.add("Id", commandline::safe(entry.id));
    fields.add("Usable", entry.obstacles.empty() ? "yes" : "no");
    std::string obstacles;
    for (const auto& one : entry.obstacles) obstacles += (obstacles.empty() ? "" : "\n") + commandline::safe(one);
    fields.add("Because", obstacles);
    Json facts = Json::object();
    for (const auto& [name, value] : entry.facts) {
      fields.add(commandline::safe(name), commandline::safe(value));
      facts.set(name, value);
    }
    text += (text.empty() ? "" : "\n") + fields.text();
    json.push(Json::object({{"id", entry.id},
                            {"name", entry.name},
                            {"usable", entry.obstacles.empty()},
                            {"obstacles", Json(entry.obstacles)},
                            {"facts", facts}}));
  }
  invocation.output.result("hsmbridge.provider-profiles/1", Json::object({{"name", settings.name}, {"profiles", json}}),
                           text.empty() ? "no profile is shown to us there\n" : text);
  return ExitCode::done;
}

// The rules that a request must keep there: --policy.
ExitCode show_policy(Invocation& invocation, const config::ProviderSettings& settings, workflow::Provider& provider) {
  auto* source = dynamic_cast<workflow::PolicySource*>(&provider);
  if (source == nullptr) {
    throw Error{ErrorKind::invalid_input, fmt::format("a provider of type {} tells no policy", settings.type)};
  }
  commandline::Fields fields;
  Json facts = Json::object();
  for (const auto& [name, value] : source->policy(settings.time_limit.value_or(std::chrono::minutes{1}))) {
    fields.add(commandline::safe(name), commandline::safe(value));
    facts.set(name, value);
  }
  invocation.output.result("hsmbridge.provider-policy/1", Json::object({{"name", settings.name}, {"policy", facts}}),
                           fields.text());
  return ExitCode::done;
}

ExitCode show(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto& settings = wiring->settings().provider(invocation.arguments.text_or("NAME", ""));
  if (invocation.arguments.has("--profiles")) {
    return show_profiles(invocation, settings, *wiring->provider(settings.name));
  }
  if (invocation.arguments.has("--policy")) {
    return show_policy(invocation, settings, *wiring->provider(settings.name));
  }
  const auto capabilities = wiring->provider(settings.name)->capabilities();
  commandline::Fields fields;
  fields.add("Provider", commandline::safe(settings.name));
  fields.add("Type", settings.type);
  fields.add("Calls at once", std::to_string(settings.concurrency));
  if (settings.calls_per_minute) fields.add("Calls a minute", std::to_string(*settings.calls_per_minute));
  fields.add("Profiles", commandline::safe(profiles_of(wiring->settings(), settings.name)));
  Json json = Json::object({{"name", settings.name}, {"type", settings.type}});
  json.set("capabilities", abilities_json(capabilities));
  fields.add("What it does", abilities_text(capabilities));
  invocation.output.result("hsmbridge.provider/1", json, fields.text());
  return ExitCode::done;
}

ExitCode types(Invocation& invocation) {
  std::vector<ProviderWay> ways;
  for (const auto& type : provider_types()) ways.insert(ways.end(), type.ways.begin(), type.ways.end());
  invocation.output.result("hsmbridge.provider-types/1", ways_json(ways),
                           invocation.arguments.has("--markdown") ? ways_markdown(ways) : ways_text(ways));
  return ExitCode::done;
}

// Clocks differ by less where both are kept right.
constexpr Duration kOrdinary = std::chrono::minutes{3};

ExitCode test(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto& settings = wiring->settings().provider(invocation.arguments.text_or("NAME", ""));
  const auto provider = wiring->provider(settings.name);
  auto lines = provider->test();
  if (const auto ahead = provider->server_ahead(); ahead && (*ahead > kOrdinary || *ahead < -kOrdinary)) {
    lines.push_back(fmt::format(
        "its clock is {} {} of ours: set this machine's clock right, or a certificate that was "
        "just issued is taken for not valid yet",
        spoken(*ahead < Duration::zero() ? -*ahead : *ahead), *ahead < Duration::zero() ? "behind" : "ahead"));
  }
  if (wiring->settings().store.path) wiring->store()->lane_works("provider:" + settings.name);
  std::string text;
  for (const auto& line : lines) text += commandline::safe(line) + "\n";
  invocation.output.result(
      "hsmbridge.provider-test/1", Json::object({{"name", settings.name}, {"learnt", Json(lines)}}),
      text + fmt::format("{} answers and takes our credentials\n", commandline::safe(settings.name)));
  return ExitCode::done;
}

}  // namespace

std::vector<Command> provider_commands() {
  const Positional name{"NAME", "the provider's name; may be left out when there is one", commandline::Times::once};
  return {
      {"provider", "list", "List the configured providers", {}, {}, list, {}, ""},
      {"provider",
       "show",
       "Show what a provider can do",
       {{"--profiles", "", "ask it what can be ordered there, and what not and why"},
        {"--policy", "", "ask it for the rules that a request must keep there"}},
       {name},
       show,
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
