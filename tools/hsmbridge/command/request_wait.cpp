#include "tools/hsmbridge/command/request_wait.h"

#include "base/error.h"
#include "tools/hsmbridge/text/request.h"
#include "tools/hsmbridge/wiring/run_signals.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "views/error.h"
#include "views/requests.h"

#include <fmt/core.h>

#include <csignal>
#include <utility>

namespace hsmbridge::cli {

void drive(commandline::Output& output, Wiring& wiring, const std::vector<RequestId>& ids, const Pace& pace) {
  StopSignals signals({SIGINT, SIGTERM});
  service::Drive wanted;
  wanted.ids = ids;
  wanted.until = pace.until;
  wanted.timeout = pace.timeout;
  if (!output.json() && (output.stderr_is_terminal() || output.verbosity() >= commandline::Verbosity::verbose)) {
    wanted.happened = [&](const workflow::JournalEntry& entry) { output.note(history_line(entry)); };
  }
  std::optional<commandline::Progress> progress;
  if (ids.size() > 1) {
    progress.emplace(output, ids.size());
    wanted.passed = [&] { progress->one_done(); };
  }
  wanted.left_out = [&](const service::LeftOut& one) {
    output.warning(fmt::format("this process cannot work with {}: {}", one.lane, one.why));
  };
  wanted.stoppable = [&](StopSignals::Stop stop, void* context) { signals.target(stop, context); };
  for (const auto& driven : service::drive_requests(wiring, wanted)) {
    if (!driven.trouble || service::reached(driven.record.state, pace.until)) continue;
    output.warning(driven.trouble->message() + "; it is tried again by `hsmbridge request wait " +
                   driven.record.order.id.str() + "` or `hsmbridge run`");
  }
}

std::vector<ExitCode> outcomes_of_requests() {
  return {ExitCode::failed, ExitCode::pending, ExitCode::refused, ExitCode::unavailable, ExitCode::unresolved};
}

Pace pace_of(const Arguments& arguments) {
  if (arguments.has("--timeout") && !arguments.has("--wait")) {
    throw Error{ErrorKind::invalid_input, "--timeout belongs to --wait"};
  }
  if (arguments.has("--wait") && arguments.has("--queue")) {
    throw Error{ErrorKind::invalid_input, "--wait and --queue contradict each other"};
  }
  Pace pace;
  pace.queue = arguments.has("--queue");
  pace.until = arguments.has("--wait") ? service::Until::settled : service::Until::at_rest;
  if (const auto text = arguments.text("--timeout")) pace.timeout = parse_duration(*text);
  return pace;
}

commandline::ExitCode finish(commandline::Output& output, Wiring& wiring, workflow::Store& store, const RequestId& id,
                             const Pace& pace) {
  if (!pace.queue) drive(output, wiring, {id}, pace);
  const auto now = wiring.clock().now();
  const auto view = service::view_request(store, id, now);
  output.result("hsmbridge.request/1", views::request(view), outcome_text(view, now));
  return exit_code_of(view.record.state);
}

namespace {

// A message may list its points, each on a line of its own.
std::string safe_lines(std::string_view text) {
  std::string result;
  for (;;) {
    const auto end = text.find('\n');
    result += commandline::safe(text.substr(0, end));
    if (end == std::string_view::npos) return result;
    result += "\n";
    text.remove_prefix(end + 1);
  }
}

}  // namespace

void ManyRequests::make(const std::string& name, const std::string& key, const Json& value,
                        const std::function<RequestId()>& make) {
  try {
    made_.push_back({name, key, value, make()});
  } catch (...) {
    const auto error = current_error();
    failed_ = true;
    output_.result(schema_, Json::object({{key, value}, {"error", views::error(error)}}),
                   fmt::format("{}: failed  {}\n", name, safe_lines(error.message())));
  }
  making_->one_done();
}

commandline::ExitCode ManyRequests::finish(Wiring& wiring, workflow::Store& store, const Pace& pace, bool repeats) {
  making_.reset();
  std::vector<RequestId> ids;
  for (const auto& one : made_) ids.push_back(one.id);
  if (!pace.queue && !ids.empty()) drive(output_, wiring, ids, pace);
  auto worst = ExitCode::done;
  for (const auto& one : made_) {
    const auto view = service::view_request(store, one.id, wiring.clock().now());
    const auto row = service::row_of(view.record);
    auto json = views::request_row(row);
    if (repeats) json.set(one.key, one.value);
    output_.result(schema_, json,
                   fmt::format("{}: {}  {}  {}\n", one.name, row.id.str(), row.state, commandline::safe(row.what)));
    const auto code = exit_code_of(view.record.state);
    if (code == ExitCode::pending) {
      worst = worst == ExitCode::done ? code : worst;
    } else if (code != ExitCode::done) {
      failed_ = true;
    }
  }
  return failed_ ? ExitCode::failed : worst;
}

}  // namespace hsmbridge::cli
