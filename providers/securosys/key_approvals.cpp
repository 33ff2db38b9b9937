#include "providers/securosys/key_approvals.h"

#include "base/error.h"
#include "base/text.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::securosys {

namespace {

constexpr const char* kUnsigned = "no";

}  // namespace

KeyApprovals::KeyApprovals(Parts parts, workflow::RecordFact record, const Clock& clock)
    : parts_(std::move(parts)),
      record_(std::move(record)),
      approver_(*parts_.client, *parts_.signer, parts_.identity, clock, parts_.limit) {}

// Whether the note beside the bytes is ours, in words.
std::string KeyApprovals::note_signed(const TaskView& view) const {
  if (!parts_.application_key_unknown.empty()) return "not checked (" + parts_.application_key_unknown + ")";
  if (!parts_.application_key) return "";
  return view.note && meta_data_signed_by(*view.note, *parts_.application_key) ? "yes" : kUnsigned;
}

workflow::ApprovalTask KeyApprovals::task_of(const TaskView& view) const {
  workflow::ApprovalTask task;
  task.id = view.id;
  task.title = view.title;
  task.fault = view.fault;
  task.key_label = view.approval.key_label;
  task.payload = view.approval.payload;
  task.payload_sha256 = view.payload_sha256;
  if (view.approval.stamp) task.asked_at = view.approval.stamp->at;
  task.text = view.text;
  task.note = view.meta_text;
  if (view.meta_data) {
    task.origin = {view.meta_data->request, view.meta_data->attempt, view.meta_data->csr_sha256};
  }
  return task;
}

std::string KeyApprovals::provider_of(const workflow::ApprovalTask& task) const {
  const auto found = parts_.sign_keys.find(task.key_label);
  return found == parts_.sign_keys.end() ? provider() : found->second;
}

std::vector<workflow::ApprovalTask> KeyApprovals::list() {
  std::vector<workflow::ApprovalTask> tasks;
  for (const auto& view : approver_.list()) tasks.push_back(task_of(view));
  return tasks;
}

workflow::ApprovalTask KeyApprovals::show(const std::string& id, ByteView) {
  const auto& view = shown_.insert_or_assign(id, approver_.show(id)).first->second;
  auto task = task_of(view);
  task.note_signed = note_signed(view);
  return task;
}

const TaskView& KeyApprovals::shown(const workflow::ApprovalTask& task) const {
  const auto found = shown_.find(task.id);
  if (found == shown_.end() || !equal(found->second.approval.payload, task.payload)) {
    throw Error{ErrorKind::conflict, fmt::format("task {} is not what was shown", task.id)}.hint("look at it again");
  }
  return found->second;
}

Expectation KeyApprovals::expectation_of(const TaskView& view, const workflow::ApprovalExpectation& told) const {
  Expectation expectation;
  const auto& keys = parts_.sign_keys;
  if (!keys.empty() && keys.count(view.approval.key_label) == 0) {
    expectation.key_label = joined(keys, "\" or \"", [](const auto& one) { return one.first; });
  }
  expectation.to_be_signed = told.to_be_signed;
  expectation.request = told.request;
  expectation.payload_sha256 = told.payload_sha256;
  expectation.certificate = told.content;
  expectation.at = told.at;
  if (view.note && note_signed(view) == kUnsigned) {
    expectation.known.emplace_back("its note is not signed by the application key: nobody can tell who wrote it");
  }
  expectation.known.insert(expectation.known.end(), told.known.begin(), told.known.end());
  return expectation;
}

workflow::Approvals::Judged KeyApprovals::judge(const workflow::ApprovalTask& task,
                                                const workflow::ApprovalExpectation& told) {
  const auto& view = shown(task);
  const auto expectation = expectation_of(view, told);
  return {objections(view, expectation, parts_.signer->subject_public_key_info()), deviations(view, expectation)};
}

void KeyApprovals::approve(const workflow::ApprovalTask& task, const workflow::ApprovalExpectation& told,
                           const std::string&) {
  const auto& view = shown(task);
  parts_.signer->say(fmt::format("approving task {} at {}, payload {}", view.id, parts_.provider, view.payload_sha256));
  approver_.send(approver_.sign(view, expectation_of(view, told)));
}

void KeyApprovals::reject(const workflow::ApprovalTask& task, const std::string& reason) {
  parts_.signer->say(
      fmt::format("rejecting task {} at {}, payload {} (a time stamp)", task.id, parts_.provider, task.payload_sha256));
  // The time stamp is often the one that listed the task a moment ago: then no use of the key tells of this decision.
  record_("approval-rejection", Json::object({{"person", parts_.person},
                                              {"provider", parts_.provider},
                                              {"task", task.id},
                                              {"payload_sha256", task.payload_sha256},
                                              {"title", task.title},
                                              {"reason", reason}}));
  approver_.reject(task.id);
}

}  // namespace hsmbridge::securosys
