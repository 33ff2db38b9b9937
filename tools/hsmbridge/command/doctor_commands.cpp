#include "service/doctor/doctor.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "views/doctor.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::cli {

namespace {

using service::Health;

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

std::string text_of(const service::Check& check) {
  std::string what;
  std::string_view rest = check.what;
  for (std::size_t end = 0; end != std::string_view::npos; rest.remove_prefix(end + 1)) {
    end = rest.find('\n');
    what += (what.empty() ? "" : "\n         ") + commandline::safe(rest.substr(0, end));
    if (end == std::string_view::npos) break;
  }
  auto text = fmt::format("{:<7}{}: {}\n", word(check.health), check.subject, what);
  if (!check.hint.empty()) text += fmt::format("         → {}\n", commandline::safe(check.hint));
  return text;
}

ExitCode doctor(Invocation& invocation) {
  std::vector<service::Check> checks;
  std::unique_ptr<Wiring> wiring;
  try {
    wiring = Wiring::open(invocation.config);
    checks.push_back({"configuration", Health::ok, wiring->settings().file.string(), ""});
  } catch (const Error& error) {
    checks.push_back({"configuration", Health::fault, error.message(), error.hint()});
  }
  checks.push_back(service::examine_clock(SystemClock()));
  if (wiring != nullptr) {
    using service::DoctorLogin;
    const auto login = invocation.arguments.has("--login") ? DoctorLogin::once : DoctorLogin::never;
    // A login is written down before the PIN is sent.
    if (login == DoctorLogin::never) wiring->only_look_at_refusals();
    auto& stores = wiring->stores();
    for (auto& check : service::examine(
             *wiring, {[&stores] { return stores.open_to_examine(); }, [&stores] { return stores.entries_before(); }},
             login)) {
      checks.push_back(std::move(check));
    }
  }
  std::string text;
  std::size_t faults = 0;
  for (const auto& check : checks) {
    if (check.health == Health::fault) ++faults;
    text += text_of(check);
  }
  invocation.output.result("hsmbridge.doctor/1", views::checks(checks), text);
  if (faults != 0) invocation.output.note(fmt::format("{} of {} checks found a fault", faults, checks.size()));
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
