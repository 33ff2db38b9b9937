#include "service/approvals/approvals.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/approval.h"
#include "tools/hsmbridge/wiring/approvals.h"
#include "views/approvals.h"

#include <fmt/core.h>

#include <memory>
#include <optional>

namespace hsmbridge::cli {

namespace {

using commandline::ExitCode;
using commandline::Option;
using commandline::Positional;
using commandline::safe;
using commandline::Times;

const Positional kTask{"TASK", "the task, or the beginning of its id"};
const Option kReason{"--reason", "TEXT", "told to the provider, where its approvers decide by their account"};
const Option kYes{"--yes", "", "do not ask; required without a terminal"};
const Option kSha256{
    "--sha256", "HEX",
    "only these bytes, by their SHA-256; required where they are not a certificate or CRL, and with --yes where "
    "they are not those of a request of this bridge"};

std::vector<Option> with_desk(std::vector<Option> rows) {
  std::vector<Option> all = {
      {"--as", "NAME", "which person of the configuration approves; may be left out when there is one"},
      {"--provider", "NAME", "which provider; else the person's, or the only one"}};
  all.insert(all.end(), rows.begin(), rows.end());
  return all;
}

// The approver that the options name, and what this bridge knows.
struct Desk {
  explicit Desk(Invocation& invocation)
      : context(invocation),
        approvals(approvals_of(context, invocation.output, invocation.arguments.text("--as"),
                               invocation.arguments.text("--provider"))),
        desk(
            *approvals, [this] { return store(); }, context.clock()) {}

  // "alice", or "our account".
  std::string who() const { return approvals->approver().empty() ? "our account" : approvals->approver(); }
  // Null where there is none yet. An approver with a key may be allowed to read it alone.
  std::unique_ptr<workflow::Store> store() {
    auto& stores = context.configured().stores();
    if (!stores.is_there_or_was()) return nullptr;
    return approvals->approver().empty() ? stores.open_to_look() : stores.open_to_read();
  }
  // How a command names the approver: "--as alice", "--provider cloud".
  std::string options() const {
    return approvals->approver().empty() ? "--provider " + approvals->provider() : "--as " + approvals->approver();
  }

  CommandContext context;
  std::unique_ptr<workflow::Approvals> approvals;
  service::ApprovalDesk desk;
};

ExitCode list_approvals(Invocation& invocation) {
  Desk desk(invocation);
  const auto tasks = desk.desk.list();
  const auto text = tasks.empty() ? fmt::format("nothing waits for {} at {}\n", desk.who(), desk.approvals->provider())
                                  : tasks_text(tasks);
  invocation.output.result("hsmbridge.approval-list/1", views::approvals(*desk.approvals, tasks), text);
  return ExitCode::done;
}

ExitCode show_approval(Invocation& invocation) {
  Desk desk(invocation);
  const auto view = desk.desk.show(invocation.arguments.required("TASK"), std::nullopt);
  auto text = task_text(view);
  const bool fine = view.judged->objections.empty();
  if (fine) {
    text += fmt::format("next: hsmbridge approval accept {} {}", desk.options(), safe(short_id(view.task)));
    // With the hash, what is accepted is what was shown here, whatever the server says by then.
    if (!view.task.payload_sha256.empty()) text += " --sha256 " + view.task.payload_sha256;
    text += "\n";
  }
  invocation.output.result("hsmbridge.approval/1", views::approval(view), text);
  return fine ? ExitCode::done : ExitCode::refused;
}

bool agreed(Invocation& invocation, const std::string& question) {
  if (invocation.arguments.has("--yes")) return true;
  return commandline::confirm(invocation.output, question, "look at it with `approval show`, then give --yes");
}

ExitCode decided(Invocation& invocation, const Desk& desk, const service::ApprovalView& view, const char* decision) {
  invocation.output.result(
      "hsmbridge.approval-decision/1",
      views::approval_decision(*desk.approvals, view, decision, invocation.arguments.text_or("--reason", "")),
      fmt::format("{} {} at {}: {} ({})\n", desk.who(), decision, desk.approvals->provider(), safe(title_of(view.task)),
                  safe(view.task.id)));
  return ExitCode::done;
}

ExitCode accept(Invocation& invocation) {
  Desk desk(invocation);
  const auto& arguments = invocation.arguments;
  if (arguments.has("--reason") && !desk.approvals->approver().empty()) {
    throw Error{ErrorKind::invalid_input, "--reason is told to providers whose approvers decide by their account"};
  }
  const auto view = desk.desk.show(arguments.required("TASK"), arguments.text("--sha256"));
  const auto seen = arguments.has("--yes") ? service::Seen::by_nobody : service::Seen::by_a_person;
  desk.desk.expect_approvable(view, seen);
  // Everything is part of the question, also with --quiet and --json; what is approved is what was shown.
  if (!agreed(invocation, fmt::format("{}{} approves it at {}, irrevocably: {}?", task_text(view), desk.who(),
                                      desk.approvals->provider(), safe(title_of(view.task))))) {
    invocation.output.note("nothing was decided");
    return ExitCode::refused;
  }
  desk.desk.approve(view, seen, arguments.text_or("--reason", ""));
  return decided(invocation, desk, view, "approved");
}

ExitCode reject(Invocation& invocation) {
  Desk desk(invocation);
  const auto view = desk.desk.find(invocation.arguments.required("TASK"));
  if (!agreed(invocation, fmt::format("{}{} rejects it at {}, irrevocably: {}?", task_text(view), desk.who(),
                                      desk.approvals->provider(), safe(title_of(view.task))))) {
    invocation.output.note("nothing was decided");
    return ExitCode::refused;
  }
  desk.desk.reject(view, invocation.arguments.text_or("--reason", ""));
  return decided(invocation, desk, view, "rejected");
}

}  // namespace

std::vector<Command> approval_commands() {
  const std::vector<ExitCode> exits{ExitCode::failed, ExitCode::refused, ExitCode::unavailable};
  return {
      {"approval", "list", "List what waits for this approver", with_desk({}), {}, list_approvals, exits, ""},
      {"approval",
       "show",
       "Show everything about one task: what will be signed, by which key, for which request",
       with_desk({}),
       {kTask},
       show_approval,
       exits,
       "The certificate is decoded from the very bytes that the approval signs, not from what a server says about\n"
       "them, and compared with our own request where this bridge made it. Exit 4 when there is an objection.\n"},
      {"approval",
       "accept",
       "Approve one task with the approver's key in its token, or a request at a provider by our account there",
       with_desk({kSha256, kReason, kYes}),
       {kTask},
       accept,
       exits,
       "Refused, whatever was typed, when the bytes, the key's label, the server's own copy\n"
       "and our own request do not agree.\n"
       "With --provider NAME where approvers decide by their account (Venafi), TASK is one of\n"
       "our requests or the provider's own id.\n"},
      {"approval", "reject", "Reject one task", with_desk({kReason, kYes}), {kTask}, reject, exits, ""},
  };
}

}  // namespace hsmbridge::cli
