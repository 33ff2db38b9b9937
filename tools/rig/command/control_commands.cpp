#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tools/rig/command/commands.h"
#include "tools/rig/command/running_simulator.h"
#include "tools/rig/server/line_file.h"

#include <algorithm>
#include <limits>

namespace hsmbridge::rig {
namespace {

constexpr long kMost = std::numeric_limits<long>::max();

void print_lines(Invocation& invocation, const Json& list) {
  for (const Json& line : list.as_array()) invocation.output.raw(line.dump() + "\n");
}

Json control(const Invocation& invocation, const std::string& method, const std::string& path, const Json& body = {}) {
  return RunningSimulator(invocation.arguments.required("--dir")).control(method, path, body);
}

// An administrator's decision about a request that waits.
ExitCode decide(Invocation& invocation, const std::string& what) {
  Json decision = Json::object();
  for (const auto& [flag, value] : invocation.arguments.in_order()) {
    if (flag != "--dir") decision.set(flag.substr(2), value);
  }
  invocation.output.raw(control(invocation, "POST", what, decision).dump() + "\n");
  return ExitCode::done;
}

}  // namespace

ExitCode set_fault(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  if (arguments.has("--clear")) {
    control(invocation, "DELETE", "/rig/faults");
    return ExitCode::done;
  }
  if (!arguments.has("--kind")) throw Error{ErrorKind::invalid_input, "--kind or --clear is missing"};
  Json fault = Json::object();
  for (const auto& [flag, text] : arguments.in_order()) {
    std::string member = flag.substr(2);
    std::replace(member.begin(), member.end(), '-', '_');
    if (flag == "--wait") {
      fault.set("ms", static_cast<std::int64_t>(parse_duration(text).count()));
    } else if (flag == "--after" || flag == "--times" || flag == "--status" || flag == "--bytes") {
      fault.set(member, static_cast<std::int64_t>(*arguments.number(flag, 0, kMost)));
    } else if (flag == "--body" || flag == "--members") {
      fault.set(member, Json::parse(text));
    } else if (flag != "--dir") {
      fault.set(member, text);
    }
  }
  invocation.output.raw(control(invocation, "POST", "/rig/faults", fault).dump() + "\n");
  return ExitCode::done;
}

ExitCode list_faults(Invocation& invocation) {
  print_lines(invocation, control(invocation, "GET", "/rig/faults"));
  return ExitCode::done;
}

ExitCode move_clock(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  Json move = Json::object();
  if (const auto time = arguments.text("--advance")) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(parse_duration(*time));
    move.set("advance_seconds", static_cast<std::int64_t>(seconds.count()));
  }
  if (const auto skew = arguments.number("--approver-skew", -kMost, kMost)) {
    move.set("approver_skew_seconds", static_cast<std::int64_t>(*skew));
  }
  if (move.as_object().empty()) throw Error{ErrorKind::invalid_input, "--advance or --approver-skew is missing"};
  invocation.output.raw(control(invocation, "POST", "/rig/clock", move).dump() + "\n");
  return ExitCode::done;
}

ExitCode show_journal(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  // From the file: it can be read after the simulator has stopped.
  const std::filesystem::path dir = arguments.required("--dir");
  print_lines(invocation, LineFile::read(dir / (RunningSimulator::name_in(dir) + "-journal.jsonl")));
  return ExitCode::done;
}

ExitCode show_requests(Invocation& invocation) {
  print_lines(invocation, control(invocation, "GET", "/rig/requests"));
  return ExitCode::done;
}

ExitCode block_key(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const Json body = Json::object({{"label", arguments.required("--label")}, {"blocked", !arguments.has("--off")}});
  control(invocation, "POST", "/rig/block", body);
  return ExitCode::done;
}

ExitCode set_venafi(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const auto knobs = arguments.text("--knobs");
  if (!knobs && !arguments.has("--expire-tokens")) {
    throw Error{ErrorKind::invalid_input, "--knobs or --expire-tokens is missing"};
  }
  if (knobs) control(invocation, "POST", "/rig/knobs", Json::parse(*knobs));
  if (arguments.has("--expire-tokens")) control(invocation, "POST", "/rig/expire-tokens");
  return ExitCode::done;
}

ExitCode write_jwt(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const std::string file = arguments.required("--out");
  Json body = Json::object();
  if (const auto subject = arguments.text("--subject")) body.set("subject", *subject);
  const Json answer = control(invocation, "POST", "/rig/jwt", body);
  write_file(file, as_bytes(answer.at("jwt").as_string() + "\n"), FileMode::private_0600, Existing::replace);
  return ExitCode::done;
}

ExitCode reset_simulator(Invocation& invocation) {
  control(invocation, "POST", "/rig/reset");
  return ExitCode::done;
}

ExitCode approve_request(Invocation& invocation) {
  return decide(invocation, "/rig/approve");
}

ExitCode reject_request(Invocation& invocation) {
  return decide(invocation, "/rig/reject");
}

}  // namespace hsmbridge::rig
