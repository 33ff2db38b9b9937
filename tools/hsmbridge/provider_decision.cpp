#include "tools/hsmbridge/provider_decision.h"

#include "base/error.h"
#include "service/requests.h"
#include "tools/hsmbridge/place.h"
#include "tools/hsmbridge/wiring.h"
#include "workflow/provider.h"
#include "workflow/state.h"

#include <fmt/core.h>

namespace hsmbridge::cli {
namespace {

using workflow::ApprovalAuthority;
using workflow::Approver;

constexpr Duration kLimit = std::chrono::minutes{1};

// What is decided about: the reference at the provider, and our own request where it is one.
struct Matter {
  ProviderReference reference;
  std::string summary;  // what our draft says, "" for somebody else's request
  Bytes csr;            // and its CSR
};

// A request of this bridge by the beginning of its id, else the provider's own id as typed.
Matter matter_of(Wiring& wiring, const std::string& provider, const std::string& typed) {
  if (!wiring.settings().store.path) return {ProviderReference(typed), "", {}};
  const auto store = wiring.store();
  RequestId id;
  try {
    id = service::find_request(*store, typed);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::invalid_input) throw;
    return {ProviderReference(typed), "", {}};
  }
  const auto record = store->find(id);
  if (!record || record->order.provider != provider) {
    throw Error{ErrorKind::invalid_input, fmt::format("request {} is not one of provider {}", id.str(), provider)};
  }
  const auto* submission = workflow::submission_of(record->state);
  if (submission == nullptr || submission->reference.empty()) {
    throw Error{ErrorKind::conflict, fmt::format("request {} waits for nobody at {}", id.str(), provider)}.hint(
        fmt::format("hsmbridge request show {}", id.str()));
  }
  const auto* draft = workflow::draft_of(record->state);
  if (draft == nullptr || draft->csr.empty()) return {submission->reference, "", {}};
  return {submission->reference, draft->summary, draft->csr};
}

std::string_view word(Approver::Decision decision) {
  switch (decision) {
    case Approver::Decision::approved:
      return "approved";
    case Approver::Decision::rejected:
      return "rejected";
    case Approver::Decision::pending:
      break;
  }
  return "not decided";
}

std::string text_of(const Matter& matter, const workflow::Report& report) {
  commandline::Fields fields;
  fields.add("Request there", commandline::safe(matter.reference.str()));
  fields.add("Stands at", commandline::safe(report.provider_status));
  fields.add("Asks for", commandline::safe(report.message));
  fields.add("Compared", matter.csr.empty() ? "nothing: it is no request of this bridge"
                                            : commandline::safe("it holds the CSR that we sent: " + matter.summary));
  fields.add("Quorum", commandline::safe(report.progress.quorum));
  std::string people;
  for (const auto& approver : report.progress.approvers) {
    people +=
        fmt::format("{}{}: {}", people.empty() ? "" : "\n",
                    commandline::safe(approver.name.empty() ? approver.key : approver.name), word(approver.decision));
  }
  fields.add("Approvers", people);
  fields.add("Note", commandline::safe(report.progress.note));
  return fields.text();
}

}  // namespace

bool decides_by_account(Invocation& invocation) {
  const auto name = invocation.arguments.text("--provider");
  if (!name || invocation.arguments.has("--as")) return false;
  const auto wiring = Wiring::open(invocation.config);
  return wiring->settings().provider(*name).type != "securosys-tsb";
}

ExitCode decide_by_account(Invocation& invocation, bool approve) {
  Place place(invocation);
  auto& wiring = *place.wiring();
  const auto name = invocation.arguments.required("--provider");
  const auto provider = wiring.provider(name);
  auto* authority = dynamic_cast<ApprovalAuthority*>(provider.get());
  if (authority == nullptr) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {} is of type {}: its approvers decide there, not here", name, provider->type())};
  }
  const auto matter = matter_of(wiring, name, invocation.arguments.required("TASK"));
  const auto report = authority->standing(matter.reference, matter.csr, kLimit);
  if (report.standing != workflow::Standing::awaiting_approval) {
    throw Error{ErrorKind::conflict, fmt::format("request {} at {} waits for no approval: it is {}",
                                                 matter.reference.str(), name, report.provider_status)};
  }
  const auto reason = invocation.arguments.text_or("--reason", "");
  const char* verb = approve ? "approve" : "reject";
  // Everything is part of the question, also with --quiet and --json.
  const bool agreed = invocation.arguments.has("--yes") ||
                      commandline::confirm(invocation.output,
                                           fmt::format("{}{} it at {}, for good?", text_of(matter, report), verb, name),
                                           "look at it with `request show`, then give --yes");
  if (!agreed) {
    invocation.output.note("nothing was decided");
    return ExitCode::refused;
  }
  // Written down first, so that what was sent is known even when the answer is lost; then what became of it.
  const auto leaf = [&](const std::string& outcome) {
    Json facts = Json::object(
        {{"provider", name}, {"reference", matter.reference.str()}, {"decision", verb}, {"reason", reason}});
    if (!outcome.empty()) facts.set("outcome", outcome);
    place.record(outcome.empty() ? "provider-decision" : "provider-decision-answered", facts);
  };
  leaf("");
  try {
    authority->decide(matter.reference,
                      approve ? ApprovalAuthority::Decision::approve : ApprovalAuthority::Decision::reject, reason,
                      kLimit);
  } catch (const Error& error) {
    leaf(fmt::format("{}: {}", to_string(error.kind()), error.message()));
    throw;
  }
  leaf("taken");
  const auto* done = approve ? "approved" : "rejected";
  invocation.output.result(
      "hsmbridge.provider-decision/1",
      Json::object({{"provider", name}, {"reference", matter.reference.str()}, {"decision", done}, {"reason", reason}}),
      fmt::format("{} at {}: {}\n", done, name, commandline::safe(matter.reference.str())));
  return ExitCode::done;
}

}  // namespace hsmbridge::cli
