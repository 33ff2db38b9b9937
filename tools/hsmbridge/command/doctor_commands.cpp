#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/usecase/doctor.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::cli {

namespace {

std::string_view word(Health health) {
  switch (health) {
    case Health::ok:
      return "ok";
    case Health::note:
      return "note";
    case Health::fault:
      return "FAULT";
  }
  return "";
}

ExitCode doctor(Invocation& invocation) {
  std::vector<Finding> findings;
  const auto add = [&](std::vector<Finding> more) { findings.insert(findings.end(), more.begin(), more.end()); };
  std::unique_ptr<Wiring> wiring;
  try {
    wiring = Wiring::open(invocation.config);
    findings.push_back({"configuration", Health::ok, wiring->settings().file.string(), ""});
  } catch (const Error& error) {
    findings.push_back({"configuration", Health::fault, error.message(), error.hint()});
  }
  const SystemClock clock;
  findings.push_back(examine_clock(clock));
  if (wiring != nullptr) {
    const DoctorLogin login = invocation.arguments.has("--login") ? DoctorLogin::once : DoctorLogin::never;
    const config::Settings& settings = wiring->settings();
    // A login is written down before the PIN is sent.
    if (login == DoctorLogin::never) wiring->only_look_at_refusals();
    add(examine_store(*wiring));
    for (const auto& token : settings.tokens) add(examine_token(*wiring, token, login));
    for (const auto& provider : settings.providers) add(examine_provider(provider));
    for (const auto& person : settings.people) add(examine_person(person));
    for (const auto& profile : settings.profiles) add(examine_profile(settings, profile));
  }

  Json rows = Json(Json::Array{});
  std::string text;
  std::size_t faults = 0;
  for (const Finding& finding : findings) {
    if (finding.health == Health::fault) ++faults;
    rows.push(Json::object({{"subject", Json(finding.subject)},
                            {"health", Json(finding.health == Health::fault ? "fault" : word(finding.health))},
                            {"what", Json(finding.what)},
                            {"hint", Json(finding.hint)}}));
    std::string_view rest = finding.what;
    std::string what;
    for (std::size_t end = 0; end != std::string_view::npos; rest.remove_prefix(end + 1)) {
      end = rest.find('\n');
      what += (what.empty() ? "" : "\n         ") + commandline::safe(rest.substr(0, end));
      if (end == std::string_view::npos) break;
    }
    text += fmt::format("{:<7}{}: {}\n", word(finding.health), finding.subject, what);
    if (!finding.hint.empty()) text += fmt::format("         → {}\n", commandline::safe(finding.hint));
  }
  invocation.output.result("hsmbridge.doctor/1", Json::object({{"ok", Json(faults == 0)}, {"checks", rows}}), text);
  if (faults != 0) invocation.output.note(fmt::format("{} of {} checks found a fault", faults, findings.size()));
  return faults == 0 ? ExitCode::done : ExitCode::failed;
}

}  // namespace

std::vector<Command> doctor_commands() {
  return {
      {"doctor",
       "",
       "Check configuration, secrets, modules, tokens, clock and store",
       {{"--login", "", "log in to each token once: a wrong PIN costs an attempt"}},
       {},
       doctor,
       {ExitCode::failed},
       "One line a check: ok, note or FAULT. Logs in nowhere without --login, spends no\n"
       "PIN attempt and changes nothing.\n"},
  };
}

}  // namespace hsmbridge::cli
