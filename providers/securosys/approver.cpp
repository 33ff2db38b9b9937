#include "providers/securosys/approver.h"

#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/securosys/task_walk.h"
#include "x509/judge/foreign_letters.h"
#include "x509/judge/render.h"
#include "x509/names/name.h"
#include "x509/objects/verify.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::securosys {
namespace {

// metaData and payload come with this level.
constexpr unsigned kNotes = 2;
constexpr unsigned kBytesOnly = 1;

std::string title_of(const x509::TbsCertificate& tbs) {
  const std::string names = joined(tbs.content.subject_alternative_names, ", ", &x509::GeneralName::text);
  const bool authority = tbs.content.basic_constraints && tbs.content.basic_constraints->ca;
  const std::string foreign = x509::foreign_letters(tbs.content, tbs.issuer);
  return fmt::format("{} for {}{}, until {}{}", authority ? "CA certificate" : "certificate",
                     tbs.content.subject.empty() ? "(no subject)" : tbs.content.subject.to_string(),
                     names.empty() ? "" : " (" + names + ")", rfc3339(tbs.validity.not_after),
                     foreign.empty() ? "" : " [" + foreign + "]");
}

void describe(TaskView& view) {
  view.content = x509::what_is_to_be_signed(view.approval.payload);
  if (const auto* certificate = std::get_if<x509::TbsCertificate>(&view.content)) {
    view.title = title_of(*certificate);
    view.text = x509::render(*certificate);
  } else if (const auto* list = std::get_if<x509::TbsCertList>(&view.content)) {
    view.title = fmt::format("revocation list of {} with {} entries", list->issuer.to_string(), list->revoked.size());
    view.text = x509::render(*list);
  } else {
    const std::string& why = std::get<x509::NotToBeSigned>(view.content).why;
    view.title = fmt::format("{} bytes that are neither certificate nor revocation list", view.approval.payload.size());
    view.text =
        fmt::format("Neither a TBSCertificate nor a TBSCertList: {}\nPayload: {}\n", why, hex(view.approval.payload));
  }
}

}  // namespace

TaskView view_of(const Task& task) {
  TaskView view;
  view.id = task.id;
  view.approver_public_key = task.approver_public_key;
  view.shown_payload = task.payload;
  if (task.meta_data) {
    view.meta_text = printable(as_text(*task.meta_data));
    view.meta_data = meta_data_from(*task.meta_data);
    view.note = SignedMetaData{*task.meta_data, task.meta_data_signature};
  }
  if (!task.fault.empty()) {
    view.fault = task.fault;
    view.title = "not understood: " + task.fault;
    return view;
  }
  try {
    view.approval = parse_approval_to_be_signed(task.approval_to_be_signed);
    view.payload_sha256 = hex(sha256(view.approval.payload));
    describe(view);
  } catch (const Error& error) {
    view.fault = error.message();
    view.title = "not understood: " + error.message();
  }
  return view;
}

std::vector<std::string> objections(const TaskView& task, const Expectation& expectation, const Bytes& approver_spki) {
  std::vector<std::string> found = expectation.known;
  if (!task.fault.empty()) {
    found.push_back(task.fault);
    return found;
  }
  const Bytes& payload = task.approval.payload;
  if (task.shown_payload && !equal(*task.shown_payload, payload)) {
    found.emplace_back("the payload that the server shows is not the one in the bytes to be signed");
  }
  if (!task.approver_public_key.empty() && task.approver_public_key != base64(approver_spki)) {
    found.emplace_back("the task is addressed to another approver's key");
  }
  if (expectation.key_label && *expectation.key_label != task.approval.key_label) {
    found.push_back(
        fmt::format("the key \"{}\" would sign, not \"{}\"", task.approval.key_label, *expectation.key_label));
  }
  if (expectation.to_be_signed && !equal(*expectation.to_be_signed, payload)) {
    found.push_back(fmt::format("the bytes are not those of our request (SHA-256 {}, ours {})", task.payload_sha256,
                                hex(sha256(*expectation.to_be_signed))));
  }
  if (const auto* certificate = std::get_if<x509::TbsCertificate>(&task.content);
      certificate != nullptr && expectation.at != Instant{} && certificate->validity.not_after <= expectation.at) {
    found.push_back(
        fmt::format("the certificate would have ended already, at {}", rfc3339(certificate->validity.not_after)));
  }
  if (expectation.certificate) {
    const auto* certificate = std::get_if<x509::TbsCertificate>(&task.content);
    if (certificate == nullptr) {
      found.emplace_back("it is not a certificate, and our request is for one");
    } else {
      for (const x509::Finding& finding :
           x509::check_to_be_signed(*certificate, *expectation.certificate, expectation.at)) {
        if (finding.severity == x509::Severity::fatal) {
          found.push_back(fmt::format("it differs from our request: {}: {}", finding.name, finding.explanation));
        }
      }
      // The TSB carries the common name as it was asked, whatever else of a subject it drops: that a profile accepts
      // another subject is no leave to certify another name.
      const auto asked = expectation.certificate->content.subject.find(x509::oids::kCommonName);
      const auto named = certificate->content.subject.find(x509::oids::kCommonName);
      if (asked != named) {
        found.push_back(fmt::format("its common name is \"{}\", and our request is for \"{}\"",
                                    printable(named.value_or("")), printable(asked.value_or(""))));
      }
    }
  }
  if (expectation.request && (!task.meta_data || task.meta_data->request != *expectation.request)) {
    found.push_back(fmt::format("its metaData does not name our request {}", *expectation.request));
  }
  if (task.meta_data && !task.meta_data->payload_sha256.empty() &&
      task.meta_data->payload_sha256 != task.payload_sha256) {
    found.push_back(
        fmt::format("its metaData was made for other bytes (SHA-256 {})", printable(task.meta_data->payload_sha256)));
  }
  if (expectation.payload_sha256) {
    if (*expectation.payload_sha256 != task.payload_sha256) {
      found.push_back(fmt::format("the payload has the SHA-256 {}, not {}", task.payload_sha256,
                                  printable(*expectation.payload_sha256)));
    }
  } else if (const auto* neither = std::get_if<x509::NotToBeSigned>(&task.content)) {
    found.push_back(
        fmt::format("the payload is neither a TBSCertificate nor a TBSCertList ({}); to sign it all the "
                    "same, give its SHA-256 {}",
                    neither->why, task.payload_sha256));
  }
  return found;
}

std::vector<std::string> deviations(const TaskView& task, const Expectation& expectation) {
  std::vector<std::string> found;
  const auto* certificate = std::get_if<x509::TbsCertificate>(&task.content);
  if (!task.fault.empty() || !expectation.certificate || certificate == nullptr) return found;
  for (const x509::Finding& finding :
       x509::check_to_be_signed(*certificate, *expectation.certificate, expectation.at)) {
    if (finding.severity != x509::Severity::fatal) {
      found.push_back(fmt::format("{}: {}", finding.name, finding.explanation));
    }
  }
  return found;
}

Approver::Approver(Client& client, x509::Signer& signer, Identity identity, const Clock& clock, Duration limit)
    : client_(client),
      signer_(signer),
      identity_(identity),
      prover_(signer, std::move(identity), clock),
      limit_(limit) {}

std::vector<Task> Approver::page(const TaskFilter& filter) {
  return prover_.with_proof([&](const TimestampProof& proof) { return client_.tasks(proof, filter, limit_); });
}

std::vector<TaskView> Approver::list() {
  std::vector<TaskView> views;
  const Extent extent = walk_tasks([this](const TaskFilter& filter) { return page(filter); },
                                   [&views](const Task& task) {
                                     views.push_back(view_of(task));
                                     return Walk::on;
                                   });
  if (extent == Extent::cut) {
    Task more;
    more.fault = fmt::format("the listing was cut after {} tasks: there may be more", views.size());
    views.push_back(view_of(more));
  }
  return views;
}

// With what comes with the bytes; without it where that is too large, so that the task can still be refused.
std::vector<Task> Approver::fetch(const std::string& task_id) {
  std::string why;
  try {
    return page({task_id, kNotes, 0, 1});
  } catch (const Error& error) {
    if (error.detail("too-large").empty()) throw;
    why = error.message();
  }
  std::vector<Task> tasks = page({task_id, kBytesOnly, 0, 1});
  for (Task& task : tasks) task.fault = "what comes with its bytes is too large to be read: " + why;
  return tasks;
}

TaskView Approver::show(const std::string& task_id) {
  for (const Task& task : fetch(task_id)) {
    if (task.id == task_id) return view_of(task);
  }
  throw Error{ErrorKind::not_found, fmt::format("the TSB has no open task {} for this approver", task_id)}.hint(
      "it was approved or rejected already, has expired, or belongs to somebody else");
}

Approval Approver::sign(const TaskView& task, const Expectation& expectation) {
  const std::vector<std::string> against = objections(task, expectation, signer_.subject_public_key_info());
  if (!against.empty()) {
    Error error(ErrorKind::refused, fmt::format("task {} is not approved: {}", task.id, against.front()));
    for (const std::string& objection : against) error.with("objection", objection);
    throw error;
  }
  const ApproverAlgorithm by = approver_algorithm(signer_);
  Approval approval;
  approval.task_id = task.id;
  approval.to_be_signed = task.approval.whole;
  approval.signature = signer_.sign(task.approval.whole, *by.algorithm);
  if (!x509::verify(signer_.subject_public_key_info(), *by.algorithm, approval.to_be_signed, approval.signature)) {
    throw Error{ErrorKind::corrupt, "the approver's token answered a signature that does not verify"};
  }
  approval.digest = by.digest;
  approval.form = identity_.form;
  approval.identity = identity_.value;
  return approval;
}

void Approver::send(const Approval& approval) {
  client_.approve(approval, limit_);
}

void Approver::reject(const std::string& task_id) {
  prover_.with_proof([&](const TimestampProof& proof) { client_.reject(proof, task_id, limit_); });
}

bool meta_data_signed_by(const SignedMetaData& meta_data, const Bytes& application_key) {
  if (!meta_data.signature) return false;
  try {
    return x509::verify(application_key, *approver_algorithm(application_key).algorithm, meta_data.octets,
                        *meta_data.signature);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace hsmbridge::securosys
