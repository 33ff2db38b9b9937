#include "base/bytes.h"
#include "base/error.h"
#include "service/requests/requests.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/wiring/wiring.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

ExitCode init_store(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const bool is_gone = invocation.arguments.has("--start-over");
  const auto store = wiring->stores().begin(is_gone ? Stores::Before::is_gone : Stores::Before::must_not_have_been);
  const std::string path = wiring->settings().store.path->string();
  store->append_audit("store-begun", "{}", wiring->actor().name, wiring->clock().now());
  invocation.output.result("hsmbridge.store-init/1", Json::object({{"path", path}}),
                           fmt::format("a new store: {}\n", path));
  return ExitCode::done;
}

ExitCode backup(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const std::string copy = invocation.arguments.required("FILE");
  wiring->stores().back_up(copy);
  invocation.output.result("hsmbridge.store-backup/1", Json::object({{"path", copy}}),
                           fmt::format("a whole copy of the store: {}\n", commandline::safe(copy)));
  return ExitCode::done;
}

ExitCode accept_restored(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const bool was = wiring->stores().accept_restored(wiring->actor().name);
  invocation.output.result("hsmbridge.store-accept-restored/1", Json::object({{"was_restored", was}}),
                           was ? "accepted: what is planned is submitted and installed from now on\n"
                               : "the store is not an older copy; nothing was held back\n");
  return ExitCode::done;
}

ExitCode verify_log(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto report = wiring->stores().open_to_examine()->verify_audit(workflow::AuditDepth::whole);
  const std::string root = hex(report.head.root());
  Json faults = Json::array();
  std::string text = fmt::format("{} entries, root {}\n", report.head.size(), root);
  for (const std::string& fault : report.faults) {
    faults.push(Json(fault));
    text += "FAULT  " + commandline::safe(fault) + "\n";
  }
  if (report.faults_left_out > 0) text += fmt::format("       and {} more\n", report.faults_left_out);
  if (report.faults.empty()) text += "ok     entries, hashes, journal, orders, names of states and triggers agree\n";
  invocation.output.result("hsmbridge.audit-verify/1",
                           Json::object({{"ok", report.faults.empty()},
                                         {"entries", static_cast<std::int64_t>(report.head.size())},
                                         {"root_sha256", root},
                                         {"faults", faults},
                                         {"faults_left_out", static_cast<std::int64_t>(report.faults_left_out)}}),
                           text);
  if (report.faults.empty()) return ExitCode::done;
  invocation.output.note("the store was changed by another program, or its disk is failing: keep a copy as evidence");
  return ExitCode::failed;
}

}  // namespace

std::vector<Command> store_commands() {
  return {
      {"store",
       "init",
       "Begin a new store at the configured path",
       {{"--start-over", "", "also where a store was that is gone: it does not know what was ordered"}},
       {},
       init_store,
       {ExitCode::failed, ExitCode::unavailable},
       "The first use of a path makes a store there as well. Where one was before (FILE.head\n"
       "next to it tells) and is missing or empty, every command is refused: the disk may not\n"
       "be mounted, and a new store would order again what the old one had ordered. A folder\n"
       "that is gone whole with its disk tells nothing: with `store: {must_exist: true}` in\n"
       "the configuration this command alone makes a store.\n"},
      {"store",
       "backup",
       "Write a whole copy of the store while it is used",
       {},
       {{"FILE", "the copy, mode 0600; must not exist"}},
       backup,
       {ExitCode::failed, ExitCode::unavailable},
       "Copying the file itself leaves out what is still in its -wal. To restore, stop every\n"
       "hsmbridge, put the copy at the store's path, and remove the -wal and -shm of the old one;\n"
       "leave FILE.head, by which the store is known to be an older copy.\n"},
      {"store",
       "accept-restored",
       "Let a store that is an older copy submit and install again",
       {},
       {},
       accept_restored,
       {ExitCode::failed, ExitCode::unavailable},
       "What happened after the copy was made is not in it: a request that is planned here may\n"
       "have been submitted, and a newer certificate may be installed. Until this command nothing\n"
       "is submitted or installed; what was submitted before is still asked about. First compare\n"
       "the open requests (`request list --open`) with the provider and with what is in use.\n"
       "CAs of this bridge sign nothing before `ca resume` of each. Requests that want\n"
       "approvals at this bridge and were not submitted get a new draft, which is to be\n"
       "approved again, whoever had approved the one before.\n"},
      {"audit",
       "verify",
       "Check that the audit log and the journal were not changed",
       {},
       {},
       verify_log,
       {ExitCode::failed, ExitCode::unavailable},
       "Compares every entry with its hash, the tree's roots, every event of the journal with its\n"
       "entry, the order and the name of the state of every request with its events, and the\n"
       "triggers; not what else a state holds, nor the records of certificates and keys. Prints how\n"
       "many entries there are and the root over them: `run` logs both when it starts, so that a\n"
       "log kept elsewhere shows when the end was cut off or the whole store replaced.\n"},
  };
}

}  // namespace hsmbridge::cli
