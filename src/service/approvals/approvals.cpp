#include "service/approvals/approvals.h"

#include "base/error.h"
#include "service/effects/expectation.h"
#include "service/requests/requests.h"
#include "workflow/machine/state.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace hsmbridge::service {

namespace {

// Why a note that names our request cannot have been written for it: anybody may write any note.
std::vector<std::string> misfits(const workflow::Record& record, const workflow::ApprovalTask::Origin& note,
                                 const std::string& provider) {
  std::vector<std::string> found;
  const auto& order = record.order;
  const auto& id = order.id.str();
  if (order.provider != provider) {
    found.push_back(fmt::format("its note names our request {}, which is for provider {} and not for {}", id,
                                order.provider, provider));
  }
  if (!order.brings_result()) {
    found.push_back(
        fmt::format("its note names our request {}, a {}, which asks for no signature", id, to_string(order.kind())));
  }
  const auto* submission = workflow::submission_of(record.state);
  const auto* submitting = std::get_if<workflow::Submitting>(&record.state);
  const unsigned attempt = submission != nullptr   ? submission->attempt
                           : submitting != nullptr ? submitting->attempt
                                                   : 0;
  if (attempt != 0 && attempt != note.attempt) {
    found.push_back(fmt::format("its note names attempt {} of our request {}, which waits for its attempt {}",
                                note.attempt, id, attempt));
  }
  const auto* draft = workflow::draft_of(record.state);
  if (draft != nullptr && !draft->csr.empty() && note.csr_sha256 != hex(sha256(draft->csr))) {
    found.push_back(fmt::format("its note names another certificate request (CSR) than that of our request {}", id));
  }
  return found;
}

// The states in which nothing may be issued for a request any more.
bool is_over(const workflow::State& state) {
  const auto name = workflow::name_of(state);
  return workflow::is_final(name) || name == workflow::StateName::withdrawing ||
         name == workflow::StateName::quarantined;
}

// The reference that the provider is asked about for a request; empty when it waits for nobody there.
ProviderReference reference_of(const workflow::Record& record) {
  const auto* submission = workflow::submission_of(record.state);
  return submission == nullptr ? ProviderReference() : submission->reference;
}

// Without regard to letter case: the service is not particular about it either, and a person may have typed one.
bool same(const ProviderReference& a, const ProviderReference& b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const std::string& x = a.str();
  const std::string& y = b.str();
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [&](char c, char d) { return lower(c) == lower(d); });
}

std::optional<RequestId> our_id(workflow::Requests& store, const std::string& typed) {
  try {
    return find_request(store, typed);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::invalid_input) throw;
    return std::nullopt;
  }
}

Bytes csr_of(const workflow::Record& record) {
  const auto* draft = workflow::draft_of(record.state);
  return draft == nullptr ? Bytes() : draft->csr;
}

// What is known of a reference at a provider: the request of ours that waits for it, or why none does any more.
struct Known {
  std::optional<workflow::Record> waits;
  std::string given_up;
};
Known known_of(workflow::Requests& requests, const std::string& provider, const ProviderReference& reference) {
  Known known;
  for (auto& record : requests.by_reference(provider, reference)) {
    const auto asked = reference_of(record);
    if (!asked.empty() && same(asked, reference)) return {std::move(record), ""};
    // What has ended does not hold it any more.
    if (!asked.empty() || !known.given_up.empty()) continue;
    known.given_up = fmt::format("request {} is not waited for here: it is {}", record.order.id.str(),
                                 workflow::to_string(workflow::name_of(record.state)));
  }
  return known;
}

}  // namespace

ApprovalDesk::ApprovalDesk(workflow::Approvals& approvals, std::function<std::unique_ptr<workflow::Store>()> open_store,
                           const Clock& clock)
    : approvals_(approvals), open_store_(std::move(open_store)), clock_(clock) {}

std::vector<workflow::ApprovalTask> ApprovalDesk::list() {
  if (!by_account()) return approvals_.list();
  std::vector<workflow::ApprovalTask> tasks;
  const auto store = open_store_();
  if (store == nullptr) return tasks;
  // What the provider has put before its approvers since it was asked last, and what is being withdrawn.
  using workflow::StateName;
  for (const auto state : {StateName::awaiting_approval, StateName::awaiting_issuance, StateName::withdrawing}) {
    workflow::Store::ListQuery there;
    there.state = state;
    there.most = std::numeric_limits<unsigned>::max();
    for (const auto& record : store->list(there)) {
      const auto reference = reference_of(record);
      if (record.order.provider != approvals_.provider() || reference.empty()) continue;
      workflow::ApprovalTask task;
      try {
        task = approvals_.show(reference.str(), csr_of(record));
        if (!task.fault.empty()) continue;  // decided, or not before its approvers
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::corrupt) throw;
        task.id = reference.str();
        task.fault = error.message();
      }
      task.origin = workflow::ApprovalTask::Origin{record.order.id.str(), 0, ""};
      tasks.push_back(std::move(task));
    }
  }
  return tasks;
}

workflow::ApprovalTask ApprovalDesk::task_of(const std::string& typed) {
  std::vector<workflow::ApprovalTask> found;
  for (auto& task : approvals_.list()) {
    if (!task.id.empty() && task.id.starts_with(typed)) found.push_back(std::move(task));
  }
  // Only now with what comes beside its bytes.
  if (found.size() == 1) return approvals_.show(found.front().id, {});
  const auto list_them = fmt::format("`hsmbridge approval list --as {}` shows every open task", approvals_.approver());
  if (found.empty()) {
    throw Error{ErrorKind::not_found,
                fmt::format("{} has no open task {} at {}", approvals_.approver(), typed, approvals_.provider())}
        .hint(list_them);
  }
  Error error{ErrorKind::ambiguous, fmt::format("{} tasks begin with {}", found.size(), typed)};
  for (const auto& task : found) error.with("candidate", task.id + " " + task.title);
  throw error.hint("type more characters of the id");
}

// What the store of this bridge knows of the request that the task's note names.
void ApprovalDesk::compare(ApprovalView& view) {
  auto& expectation = view.expectation;
  // Approvers need not be able to change what they compare with.
  std::optional<workflow::Record> record;
  const auto& note = *view.task.origin;
  const RequestId id{note.request};
  try {
    const auto store = open_store_();
    if (store == nullptr) {
      view.compared = "nothing: this bridge has no store here";
      return;
    }
    record = store->find(id);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    view.compared = "nothing: " + error.message();
    return;
  }
  if (!record) {
    view.compared = fmt::format("nothing: request {} is not in the store of this bridge", id.str());
    return;
  }
  for (auto& misfit : misfits(*record, note, approvals_.provider_of(view.task)))
    expectation.known.push_back(std::move(misfit));
  const auto state = workflow::to_string(workflow::name_of(record->state));
  if (is_over(record->state)) {
    expectation.known.push_back(
        fmt::format("our request {} is {} here: nothing may be issued for it now", id.str(), state));
  }
  const auto* draft = workflow::draft_of(record->state);
  if (draft == nullptr) {
    view.compared = fmt::format("our request {}, which is {}: its bytes are not kept", id.str(), state);
    return;
  }
  expectation.request = id.str();
  std::string how = ", whose certificate the provider builds: its content was compared with the request";
  if (draft->to_be_signed.empty()) {
    expectation.content = expectation_of(record->order, *draft);
  } else {
    view.ours = true;
    expectation.to_be_signed = draft->to_be_signed;
    how = equal(draft->to_be_signed, view.task.payload) ? ": exactly the bytes that were frozen there"
                                                        : ": NOT the bytes that were frozen there";
  }
  view.compared = fmt::format("our request {}{}", id.str(), how);
}

ApprovalView ApprovalDesk::find_by_account(const std::string& typed) {
  ApprovalView view;
  const auto ours = [&](const workflow::Record& record) {
    const auto reference = reference_of(record);
    if (reference.empty()) {
      throw Error{ErrorKind::conflict,
                  fmt::format("request {} is not waiting for {}", record.order.id.str(), record.order.provider)}
          .hint(fmt::format("hsmbridge request show {}", record.order.id.str()));
    }
    if (workflow::name_of(record.state) == workflow::StateName::withdrawing) {
      view.expectation.known.push_back(fmt::format("request {} is being withdrawn", record.order.id.str()));
    }
    const auto* draft = workflow::draft_of(record.state);
    view.ours = draft != nullptr && !draft->csr.empty();
    if (view.ours) view.compared = "it holds the CSR that we sent: " + draft->summary;
    view.task = approvals_.show(reference.str(), csr_of(record));
    view.task.origin = workflow::ApprovalTask::Origin{record.order.id.str(), 0, ""};
  };
  const auto store = open_store_();
  if (const auto id = store == nullptr ? std::nullopt : our_id(*store, typed)) {
    const auto record = store->find(*id);
    if (!record || record->order.provider != approvals_.provider()) {
      throw Error{ErrorKind::invalid_input,
                  fmt::format("request {} is not one of provider {}", id->str(), approvals_.provider())};
    }
    ours(*record);
  } else {
    view.task = approvals_.show(typed, {});
    // Now in the provider's own spelling.
    const auto known =
        store == nullptr ? Known{} : known_of(*store, approvals_.provider(), ProviderReference(view.task.id));
    if (known.waits) {
      ours(*known.waits);
    } else if (!known.given_up.empty()) {
      view.expectation.known.push_back(known.given_up);
    }
  }
  if (!view.ours) view.compared = "nothing: no open request of this bridge is known by it";
  return view;
}

ApprovalView ApprovalDesk::find(const std::string& typed) {
  if (by_account()) return find_by_account(typed);
  ApprovalView view;
  view.task = task_of(typed);
  return view;
}

ApprovalView ApprovalDesk::show(const std::string& typed, const std::optional<std::string>& payload_sha256) {
  if (by_account() && payload_sha256) {
    throw Error{ErrorKind::invalid_input, fmt::format("--sha256 is of bytes that an approver's key signs, and at {} "
                                                      "approvers decide by their account",
                                                      approvals_.provider())};
  }
  ApprovalView view = find(typed);
  view.expectation.payload_sha256 = payload_sha256;
  if (!by_account()) {
    if (view.task.origin) {
      compare(view);
    } else {
      view.compared = "nothing: its metaData was not written by a bridge";
    }
  }
  view.expectation.at = clock_.now();
  view.judged = approvals_.judge(view.task, view.expectation);
  return view;
}

void ApprovalDesk::expect_approvable(const ApprovalView& view, Seen seen) const {
  const auto& task = view.task;
  const std::string refusal = fmt::format("{} {} is not approved: ", by_account() ? "request" : "task", task.id);
  if (!view.judged) throw Error{ErrorKind::internal, "a task that nobody judged is to be approved"};
  if (const auto& objections = view.judged->objections; !objections.empty()) {
    Error error{ErrorKind::refused, refusal + objections.front()};
    for (const auto& objection : objections) error.with("objection", objection);
    throw error.hint(by_account() ? "`approval reject` ends it at the provider too"
                                  : "ask whoever made the request; `approval reject` refuses it");
  }
  // Nobody looks at the question then. What a server shows may be another thing a moment later, so somebody must have
  // said which bytes: our own request, or whoever typed the hash.
  if (seen == Seen::by_a_person || view.ours || view.expectation.payload_sha256) return;
  if (by_account()) {
    throw Error{ErrorKind::refused, refusal + "--yes is for requests of this bridge, whose CSR is compared"}.hint(
        "approve it at a terminal, without --yes: what it asks for is shown there");
  }
  throw Error{ErrorKind::refused,
              fmt::format("{}--yes without --sha256 is for the exact bytes of a request of this bridge, and what is "
                          "known of these is {}",
                          refusal, view.compared)}
      .with("payload_sha256", task.payload_sha256)
      .hint(fmt::format("look at it with `hsmbridge approval show --as {} {}`, then give the --sha256 that it shows",
                        approvals_.approver(), task.id.substr(0, 8)));
}

void ApprovalDesk::approve(const ApprovalView& view, Seen seen, const std::string& reason) {
  expect_approvable(view, seen);
  approvals_.approve(view.task, view.expectation, reason);
}

void ApprovalDesk::reject(const ApprovalView& view, const std::string& reason) {
  approvals_.reject(view.task, reason);
}

}  // namespace hsmbridge::service
