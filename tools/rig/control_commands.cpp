#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tools/rig/commands.h"
#include "tools/rig/line_file.h"
#include "tools/rig/running_simulator.h"

#include <fmt/core.h>

namespace hsmbridge::rig {
namespace {

void print_lines(const Json& list) {
  for (const Json& line : list.as_array()) fmt::print("{}\n", line.dump());
}

// An administrator's decision about a request that waits.
int decide(const Arguments& arguments, const std::string& what) {
  Json decision = Json::object();
  for (const auto& [flag, member] :
       {std::pair{"--id", "id"}, std::pair{"--by", "by"}, std::pair{"--reason", "reason"}}) {
    if (const auto value = arguments.value(flag)) decision.set(member, *value);
  }
  fmt::print("{}\n", RunningSimulator(arguments.required("--dir")).control("POST", what, decision).dump());
  return 0;
}

}  // namespace

int set_fault(const Arguments& arguments) {
  RunningSimulator simulator(arguments.required("--dir"));
  if (arguments.has("--clear")) {
    simulator.control("DELETE", "/rig/faults", {});
    return 0;
  }
  Json fault = Json::object({{"kind", arguments.required("--kind")}});
  for (const auto& [flag, member] :
       {std::pair{"--method", "method"}, std::pair{"--path", "path"}, std::pair{"--retry-after", "retry_after"}}) {
    if (const auto value = arguments.value(flag)) fault.set(member, *value);
  }
  for (const auto& [flag, member] : {std::pair{"--after", "after"}, std::pair{"--times", "times"},
                                     std::pair{"--status", "status"}, std::pair{"--bytes", "bytes"}}) {
    if (const auto value = arguments.number(flag)) fault.set(member, *value);
  }
  for (const auto& [flag, member] : {std::pair{"--body", "body"}, std::pair{"--members", "members"}}) {
    if (const auto value = arguments.value(flag)) fault.set(member, Json::parse(*value));
  }
  if (const auto wait = arguments.value("--wait")) {
    fault.set("ms", static_cast<std::int64_t>(parse_duration(*wait).count()));
  }
  fmt::print("{}\n", simulator.control("POST", "/rig/faults", fault).dump());
  return 0;
}

int list_faults(const Arguments& arguments) {
  print_lines(RunningSimulator(arguments.required("--dir")).control("GET", "/rig/faults", {}));
  return 0;
}

int move_clock(const Arguments& arguments) {
  Json move = Json::object();
  if (const auto time = arguments.value("--advance")) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(parse_duration(*time));
    move.set("advance_seconds", static_cast<std::int64_t>(seconds.count()));
  }
  if (const auto skew = arguments.number("--approver-skew")) move.set("approver_skew_seconds", *skew);
  if (move.as_object().empty()) throw Error{ErrorKind::invalid_input, "--advance or --approver-skew is missing"};
  fmt::print("{}\n", RunningSimulator(arguments.required("--dir")).control("POST", "/rig/clock", move).dump());
  return 0;
}

int show_journal(const Arguments& arguments) {
  // From the file: it can be read after the simulator has stopped.
  const std::filesystem::path dir = arguments.required("--dir");
  print_lines(LineFile::read(dir / (RunningSimulator::name_in(dir) + "-journal.jsonl")));
  return 0;
}

int show_requests(const Arguments& arguments) {
  print_lines(RunningSimulator(arguments.required("--dir")).control("GET", "/rig/requests", {}));
  return 0;
}

int block_key(const Arguments& arguments) {
  const Json body = Json::object({{"label", arguments.required("--label")}, {"blocked", !arguments.has("--off")}});
  RunningSimulator(arguments.required("--dir")).control("POST", "/rig/block", body);
  return 0;
}

int set_venafi(const Arguments& arguments) {
  RunningSimulator simulator(arguments.required("--dir"));
  const auto knobs = arguments.value("--knobs");
  if (!knobs && !arguments.has("--expire-tokens")) {
    throw Error{ErrorKind::invalid_input, "--knobs or --expire-tokens is missing"};
  }
  if (knobs) simulator.control("POST", "/rig/knobs", Json::parse(*knobs));
  if (arguments.has("--expire-tokens")) simulator.control("POST", "/rig/expire-tokens", {});
  return 0;
}

int write_jwt(const Arguments& arguments) {
  const std::string file = arguments.required("--out");
  Json body = Json::object();
  if (const auto subject = arguments.value("--subject")) body.set("subject", *subject);
  const Json answer = RunningSimulator(arguments.required("--dir")).control("POST", "/rig/jwt", body);
  write_file(file, as_bytes(answer.at("jwt").as_string() + "\n"), FileMode::private_0600, Existing::replace);
  return 0;
}

int reset_simulator(const Arguments& arguments) {
  RunningSimulator(arguments.required("--dir")).control("POST", "/rig/reset", {});
  return 0;
}

int approve_request(const Arguments& arguments) {
  return decide(arguments, "/rig/approve");
}

int reject_request(const Arguments& arguments) {
  return decide(arguments, "/rig/reject");
}

}  // namespace hsmbridge::rig
