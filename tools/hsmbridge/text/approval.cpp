#include "tools/hsmbridge/text/approval.h"

#include "base/clock.h"
#include "tools/commandline/output.h"
#include "workflow/machine/codec.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::cli {

namespace {

using commandline::safe;

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

std::string draft_text(const std::string& heading, const std::string& text, const std::vector<std::string>& deviations,
                       const std::vector<std::string>& objections) {
  std::string all = text.empty() ? "" : heading + "\n" + indented(text);
  for (const auto& deviation : deviations) all += "differs:   " + safe(deviation) + "\n";
  for (const auto& objection : objections) all += "OBJECTION: " + safe(objection) + "\n";
  return all;
}

std::string people_text(const workflow::Progress& progress) {
  std::string people;
  for (const auto& approver : progress.approvers) {
    people += fmt::format(
        "{}{}: {}", people.empty() ? "" : "\n", safe(approver.name.empty() ? approver.key : approver.name),
        approver.decision == workflow::Approver::Decision::pending ? "not decided" : to_string(approver.decision));
  }
  return people;
}

}  // namespace

std::string title_of(const workflow::ApprovalTask& task) {
  return !task.title.empty() ? task.title : task.fault.empty() ? task.id : task.fault;
}

std::string short_id(const workflow::ApprovalTask& task) {
  if (task.origin && task.origin->request == task.id) return task.id;
  // A provider's own id is asked about whole.
  return task.payload_sha256.empty() ? task.origin ? task.origin->request : task.id : task.id.substr(0, 8);
}

std::string tasks_text(const std::vector<workflow::ApprovalTask>& tasks) {
  commandline::Table table({"TASK", "KEY", "ASKED (UTC)", "WHAT"});
  for (const auto& task : tasks) {
    const auto asked = task.asked_at ? rfc3339(*task.asked_at) : std::string("unknown");
    table.row({short_id(task), task.key_label, asked, task.fault.empty() ? title_of(task) : task.fault});
  }
  return table.text();
}

std::string task_text(const service::ApprovalView& view) {
  const auto& task = view.task;
  commandline::Fields fields;
  fields.add("Task", safe(task.id));
  fields.add("What", safe(task.title));
  if (task.fault.empty() && !task.key_label.empty()) {
    fields.add("Signing key", safe(task.key_label));
    fields.add("Operation", "sign");
  }
  if (task.asked_at) {
    fields.add("Asked", rfc3339(*task.asked_at) + (task.key_label.empty() ? "" : " by the HSM's clock"));
  }
  // At this bridge it is of the order and all that is shown, not of the draft alone.
  fields.add(task.key_label.empty() ? "Asked SHA-256" : "SHA-256", task.payload_sha256);
  fields.add("Draft", safe(task.summary));
  fields.add("Status", safe(task.status));
  fields.add("Compared", safe(view.compared));
  fields.add("Quorum", safe(task.progress.quorum));
  fields.add("Approvers", people_text(task.progress));
  if (task.progress.about_until) fields.add("Until", rfc3339(*task.progress.about_until));
  fields.add("Remark", safe(task.progress.note));
  if (!task.note.empty()) fields.add("Note", safe(task.note) + "\n(not covered by your signature)");
  if (!task.note_signed.empty()) fields.add("Note signed", "by the application key: " + safe(task.note_signed));
  const auto judged = view.judged.value_or(workflow::Approvals::Judged{});
  return fields.text() + draft_text(task.key_label.empty() ? "The draft says:" : "What will be signed says:", task.text,
                                    judged.deviations, judged.objections);
}

std::string command_text(const std::string& request, const service::ShownDraft& draft) {
  commandline::Fields fields;
  fields.add("Request", request);
  fields.add("What", safe(draft.title));
  fields.add("Draft SHA-256", draft.sha256);
  fields.add("Draft", safe(draft.summary));
  fields.add("Order", safe(draft.order));
  return fields.text() + draft_text("The draft says:", draft.text, draft.deviations, draft.objections);
}

}  // namespace hsmbridge::cli
