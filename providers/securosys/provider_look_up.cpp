#include "base/error.h"
#include "providers/securosys/approval_bytes.h"
#include "providers/securosys/approver.h"
#include "providers/securosys/provider.h"
#include "providers/securosys/task_walk.h"
#include "x509/objects/crl.h"
#include "x509/objects/csr.h"
#include "x509/objects/spki.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

namespace hsmbridge::securosys {

using namespace workflow;

namespace {

// What a task's approval would sign; nothing when it is not a signature, or cannot be read.
std::optional<Bytes> payload_of(const Task& task) {
  if (!task.fault.empty()) return std::nullopt;
  try {
    return parse_approval_to_be_signed(task.approval_to_be_signed).payload;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The task with its metaData and its request's id, as far as this server has levels of detail. Nothing when it is gone.
std::optional<Task> in_detail(const FetchTasks& fetch, const std::string& id) {
  // The id of a request comes with the highest level, which not every server has; the mark with the second.
  for (const unsigned level : {6U, 2U}) {
    try {
      for (Task& task : fetch({id, level, 0, 1})) {
        if (task.id == id) return std::move(task);
      }
      return std::nullopt;
    } catch (const Error& error) {
      if (error.detail("errorCode") == "652") return std::nullopt;
      if (level == 2 || (error.kind() == ErrorKind::unavailable && error.detail("too-large").empty())) throw;
    }
  }
  return std::nullopt;
}

// What a person does next when nobody can look a lost submission up.
const char* const kByHand =
    "look into the TSB's own request list, then `hsmbridge request resolve ID --reference SIGNREQUESTID` or "
    "--not-there";

}  // namespace

// By what would be signed, which nobody else can choose.
bool SecurosysProvider::may_be_ours(const Task& task, const ProviderCall& call) const {
  const std::optional<Bytes> payload = payload_of(task);
  if (!payload) return false;
  if (settings_.mode != Mode::certificate) return equal(*payload, call.draft.to_be_signed);
  // The TSB's own TBSCertificate: its bytes cannot be known, its key can.
  const x509::ToBeSigned content = x509::what_is_to_be_signed(*payload);
  const auto* certificate = std::get_if<x509::TbsCertificate>(&content);
  return certificate != nullptr && x509::same_key(certificate->spki, x509::parse_csr(call.draft.csr).spki);
}

bool SecurosysProvider::is_ours(const Task& task, const ProviderCall& call) const {
  if (!may_be_ours(task, call) || !task.meta_data) return false;
  const std::optional<MetaData> meta = meta_data_from(*task.meta_data);
  if (!meta || meta->request != call.order.id.str() || meta->attempt != call.attempt) return false;
  if (settings_.mode == Mode::certificate && meta->csr_sha256 != hex(sha256(call.draft.csr))) return false;
  // Anybody may write any metaData; with an application key only we can sign it.
  return !keys_.application ||
         meta_data_signed_by({*task.meta_data, task.meta_data_signature}, keys_.application->subject_public_key_info());
}

// Waits for whoever uses the task reader, `limit` at most.
std::unique_lock<std::timed_mutex> SecurosysProvider::reader_turn(Duration limit) {
  std::unique_lock lock(reader_mutex_, std::defer_lock);
  if (limit <= Duration::zero() || !lock.try_lock_for(limit)) {
    throw Error{ErrorKind::unavailable,
                fmt::format("the task_reader of provider {} was busy with other look-ups until the time was over",
                            settings_.name)};
  }
  return lock;
}

SecurosysProvider::Search SecurosysProvider::find_task(const ProviderCall& call, Duration end) {
  const auto turn = reader_turn(end - clock_.since_boot());
  const FetchTasks fetch = [&](const TaskFilter& filter) {
    return reader_->with_proof([&](const TimestampProof& proof) {
      const Duration left = end - clock_.since_boot();
      if (left <= Duration::zero()) {
        throw Error{ErrorKind::unavailable, "the time limit was over before every approval task was seen"};
      }
      return client_->tasks(proof, filter, left);
    });
  };
  std::optional<Task> found;
  const Extent extent = walk_tasks(fetch, [&](const Task& task) {
    if (!may_be_ours(task, call)) return Walk::on;
    // Only now is more asked than what is open.
    std::optional<Task> full = in_detail(fetch, task.id);
    if (!full || !is_ours(*full, call)) return Walk::on;
    found = std::move(full);
    return Walk::stop;
  });
  return {std::move(found), extent};
}

// Why the task reader may not be used; "" when it may. What looks things up automatically must not be able to approve,
// and where nobody knows who may approve, nobody knows that.
std::string SecurosysProvider::reader_objection(Duration limit) {
  if (!keys_.unread_people.empty()) {
    return fmt::format(
        "the task_reader of provider {} is not used: whether it has the key of an approver cannot be told, since the "
        "key "
        "of {} cannot be read",
        settings_.name, fmt::join(keys_.unread_people, "; of "));
  }
  std::set<SpkiHash> approvers(keys_.people.begin(), keys_.people.end());
  for (const auto& [key, name] : settings_.names) approvers.insert(key);
  if (const std::optional<approval::Policy> now = policy(limit)) {
    for (const approval::Member& member : approval::members(*now)) approvers.insert(member.person.key);
  }
  approvers.erase(SpkiHash{});
  if (approvers.empty()) {
    return fmt::format(
        "the task_reader of provider {} is not used: no approver's key is known here to compare its own with (name "
        "them in `approvers`, `approval_policy` or `people`, or give a key_management API key)",
        settings_.name);
  }
  if (approvers.count(x509::spki_hash(keys_.task_reader->subject_public_key_info())) != 0) {
    return fmt::format(
        "the task_reader of provider {} has the key of an approver: it must not be able to approve, so it is not used",
        settings_.name);
  }
  return "";
}

LookUpAnswer SecurosysProvider::look_up(const ProviderCall& call) {
  if (!reader_) {
    return CannotTell{
        fmt::format("the TSB has no search for a submission whose answer was lost, and provider {} has no "
                    "task_reader that could look for it among the open approval tasks; {}",
                    settings_.name, kByHand)};
  }
  try {
    return search(call, clock_.since_boot() + call.time_limit);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    // Asked again it would be refused again: a person must know.
    return CannotTell{fmt::format("looking for it failed: {}{}; {}", error.message(),
                                  error.hint().empty() ? "" : " (" + error.hint() + ")", kByHand)};
  }
}

// `end`: on CLOCK_BOOTTIME, for everything together.
LookUpAnswer SecurosysProvider::search(const ProviderCall& call, Duration end) {
  const auto share = [&] { return std::min(call.time_limit / 4, end - clock_.since_boot()); };
  if (const std::string objection = reader_objection(share()); !objection.empty()) {
    return CannotTell{objection + "; " + kByHand};
  }
  const std::optional<approval::Policy> now = policy(share());
  const auto [task, extent] = find_task(call, end);
  if (!task) {
    return CannotTell{
        fmt::format("no open approval task carries this request's mark{}; that proves nothing, since a task "
                    "disappears once it is decided; {}",
                    extent == Extent::cut ? ", and not all tasks could be listed" : "", kByHand)};
  }
  if (!task->request_id) {
    return CannotTell{
        fmt::format("the approval task {} carries this request's mark: the submission arrived, but the "
                    "server does not show its signRequestId; {}",
                    task->id, kByHand)};
  }
  Report report;
  report.status = RequestStatus::awaiting_approval;
  report.provider_status = "PENDING";
  report.reference = ProviderReference(*task->request_id);
  report.provider_state = state_of({now, std::nullopt});
  report.message = "found by the approval task " + task->id;
  report.progress = progress_at_start({now, settings_.names, std::nullopt});
  return Found{std::move(report)};
}

}  // namespace hsmbridge::securosys
