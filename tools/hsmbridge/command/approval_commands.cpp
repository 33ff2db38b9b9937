#include "base/error.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/usecase/approval_desk.h"
#include "tools/hsmbridge/usecase/provider_decision.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

using commandline::ExitCode;
using commandline::Option;
using commandline::Positional;
using commandline::safe;
using commandline::Times;

const Positional kTask{"TASK", "the task, or the beginning of its id"};
const Option kReason{"--reason", "TEXT", "told to the provider, where its approvers decide by their account"};
const Option kYes{"--yes", "", "do not ask; demanded where there is no terminal"};
const Option kSha256{
    "--sha256", "HEX",
    "only these bytes, by their SHA-256; demanded where they are no certificate or CRL, and with --yes where they "
    "are not those of a request of this bridge"};

Json to_json(const securosys::TaskView& task) {
  Json json = Json::object({{"task", task.id},
                            {"title", task.title},
                            {"key_label", task.approval.key_label},
                            {"payload_sha256", task.payload_sha256}});
  // What cannot be read asks for nothing that could be named.
  if (task.fault.empty()) {
    json.set("operation", "sign");
  } else {
    json.set("fault", task.fault);
  }
  if (task.approval.stamp) json.set("hsm_time", rfc3339(task.approval.stamp->at));
  if (task.meta_data) json.set("request", task.meta_data->request);
  return json;
}

Json to_json(const securosys::TaskView& task, const Comparison& comparison) {
  Json json = to_json(task);
  json.set("text", task.text);
  json.set("meta_data", task.meta_text);
  if (!comparison.note_signature.empty()) json.set("meta_data_signed", comparison.note_signature);
  json.set("compared_with", comparison.words);
  json.set("objections", Json(comparison.objections));
  json.set("deviations", Json(comparison.deviations));
  return json;
}

ExitCode list(Invocation& invocation) {
  ApprovalDesk desk(invocation);
  commandline::Table table({"TASK", "KEY", "ASKED (UTC)", "WHAT"});
  Json json = Json::array();
  for (const auto& task : desk.list()) {
    const auto asked = task.approval.stamp ? rfc3339(task.approval.stamp->at) : std::string("unknown");
    table.row({task.id.substr(0, 8), task.approval.key_label, asked, task.fault.empty() ? task.title : task.fault});
    json.push(to_json(task));
  }
  const auto text =
      table.empty() ? fmt::format("{} has nothing to decide at {}\n", desk.person(), desk.provider()) : table.text();
  invocation.output.result("hsmbridge.approval-list/1",
                           Json::object({{"person", desk.person()}, {"provider", desk.provider()}, {"tasks", json}}),
                           text);
  return ExitCode::done;
}

std::string indented(const std::string& text) {
  std::string result;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    result += "  " + text.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return result;
}

std::string task_text(const securosys::TaskView& task, const Comparison& comparison) {
  commandline::Fields fields;
  fields.add("Task", task.id);
  fields.add("What", safe(task.title));
  if (task.fault.empty()) {
    fields.add("Signing key", safe(task.approval.key_label));
    fields.add("Operation", "sign");
  }
  if (task.approval.stamp) fields.add("Asked", rfc3339(task.approval.stamp->at) + " by the HSM's clock");
  fields.add("SHA-256", task.payload_sha256);
  fields.add("Compared", safe(comparison.words));
  if (!task.meta_text.empty()) fields.add("Note", safe(task.meta_text) + "\n(not covered by your signature)");
  if (!comparison.note_signature.empty()) {
    fields.add("Note signed", "by the application key: " + safe(comparison.note_signature));
  }
  std::string text = fields.text();
  if (!task.text.empty()) text += "What will be signed says:\n" + indented(task.text);
  for (const auto& deviation : comparison.deviations) text += "differs:   " + safe(deviation) + "\n";
  for (const auto& objection : comparison.objections) text += "OBJECTION: " + safe(objection) + "\n";
  return text;
}

ExitCode show(Invocation& invocation) {
  ApprovalDesk desk(invocation);
  const auto task = desk.find(invocation.arguments.required("TASK"));
  const auto comparison = desk.compare(task, std::nullopt);
  auto text = task_text(task, comparison);
  if (comparison.objections.empty()) {
    // With the hash, what is accepted is what was shown here, whatever the server says by then.
    text += fmt::format("next: hsmbridge approval accept --as {} {} --sha256 {}\n", desk.person(),
                        safe(task.id.substr(0, 8)), task.payload_sha256);
  }
  invocation.output.result("hsmbridge.approval/1", to_json(task, comparison), text);
  return comparison.objections.empty() ? ExitCode::done : ExitCode::refused;
}

bool agreed(Invocation& invocation, const std::string& question) {
  if (invocation.arguments.has("--yes")) return true;
  return commandline::confirm(invocation.output, question, "look at it with `approval show`, then give --yes");
}

ExitCode accept(Invocation& invocation) {
  if (decides_by_account(invocation)) return decide_by_account(invocation, true);
  ApprovalDesk desk(invocation);
  const auto task = desk.find(invocation.arguments.required("TASK"));
  const auto comparison = desk.compare(task, invocation.arguments.text("--sha256"));
  if (!comparison.objections.empty()) {
    Error error{ErrorKind::refused, fmt::format("task {} is not approved: {}", task.id, comparison.objections.front())};
    for (const auto& objection : comparison.objections) error.with("objection", objection);
    throw error.hint("ask whoever made the request; `approval reject` refuses it");
  }
  // Nobody looks at the question then. What a server shows may be another thing a moment later, so somebody must have
  // said which bytes: our own request, or whoever typed the hash.
  if (invocation.arguments.has("--yes") && !invocation.arguments.has("--sha256") &&
      !comparison.expectation.to_be_signed) {
    throw Error{ErrorKind::refused,
                fmt::format("task {} is not approved: --yes without --sha256 is for the exact bytes of a request of "
                            "this bridge, and what is known of these is {}",
                            task.id, comparison.words)}
        .with("payload_sha256", task.payload_sha256)
        .hint(fmt::format("look at it with `hsmbridge approval show --as {} {}`, then give the --sha256 that it shows",
                          desk.person(), task.id.substr(0, 8)));
  }
  // Everything is part of the question, also with --quiet and --json; what is signed is what was shown.
  if (!agreed(invocation,
              fmt::format("{}{} approves: {}?", task_text(task, comparison), desk.person(), safe(task.title)))) {
    invocation.output.note("nothing was signed");
    return ExitCode::refused;
  }
  desk.accept(task, comparison.expectation);
  Json json = to_json(task, comparison);
  json.set("decision", "approved");
  json.set("person", desk.person());
  invocation.output.result("hsmbridge.approval-decision/1", json,
                           fmt::format("{} approved: {}\n", desk.person(), safe(task.title)));
  return ExitCode::done;
}

ExitCode reject(Invocation& invocation) {
  if (decides_by_account(invocation)) return decide_by_account(invocation, false);
  ApprovalDesk desk(invocation);
  const auto task = desk.find(invocation.arguments.required("TASK"));
  if (!agreed(invocation, fmt::format("{} refuses: {}?", desk.person(), safe(task.title)))) {
    invocation.output.note("nothing was decided");
    return ExitCode::refused;
  }
  desk.reject(task);
  Json json = to_json(task);
  json.set("decision", "rejected");
  json.set("person", desk.person());
  invocation.output.result("hsmbridge.approval-decision/1", json,
                           fmt::format("{} refused: {}\n", desk.person(), safe(task.title)));
  return ExitCode::done;
}

std::vector<Option> with_desk(std::vector<Option> rows) {
  auto all = desk_options();
  all.insert(all.end(), rows.begin(), rows.end());
  return all;
}

}  // namespace

std::vector<Command> approval_commands() {
  const std::vector<ExitCode> exits{ExitCode::failed, ExitCode::refused, ExitCode::unavailable};
  return {
      {"approval", "list", "List what waits for this approver", with_desk({}), {}, list, exits, ""},
      {"approval",
       "show",
       "Show everything about one task: what will be signed, by which key, for which request",
       with_desk({}),
       {kTask},
       show,
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
       "Refused, whatever was typed, when the bytes, the key's label, the operation, the server's own copy or our own\n"
       "request do not agree.\n"
       "With --provider NAME of a provider whose approvers decide by their account (Venafi), TASK is a request of "
       "ours\n"
       "or the provider's own id; what is decided is shown first.\n"},
      {"approval", "reject", "Refuse one task", with_desk({kReason, kYes}), {kTask}, reject, exits, ""},
  };
}

}  // namespace hsmbridge::cli
