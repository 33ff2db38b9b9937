#include "tools/hsmbridge/usecase/provider_decision.h"

#include "base/error.h"
#include "service/requests/requests.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "workflow/machine/state.h"
#include "workflow/ports/provider.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace hsmbridge::cli {
namespace {

using workflow::ApprovalAuthority;
using workflow::Approver;

constexpr Duration kLimit = std::chrono::minutes{1};

// What is decided about: the reference at the provider, and our own request where it is one.
struct Matter {
  ProviderReference reference;
  std::string summary;   // what our draft says, "" for somebody else's request
  Bytes csr;             // and its CSR
  std::string given_up;  // "request … is being withdrawn", where nobody here wants it any more
};

Matter matter_of(const workflow::Record& record) {
  const auto* submission = workflow::submission_of(record.state);
  if (submission == nullptr || submission->reference.empty()) {
    throw Error{ErrorKind::conflict,
                fmt::format("request {} waits for nobody at {}", record.order.id.str(), record.order.provider)}
        .hint(fmt::format("hsmbridge request show {}", record.order.id.str()));
  }
  Matter matter{submission->reference, "", {}, ""};
  if (const auto* draft = workflow::draft_of(record.state); draft != nullptr) {
    matter.summary = draft->summary;
    matter.csr = draft->csr;
  }
  if (workflow::name_of(record.state) == workflow::StateName::withdrawing) {
    matter.given_up = fmt::format("request {} is being withdrawn", record.order.id.str());
  }
  return matter;
}

std::optional<RequestId> our_id(workflow::Requests& store, const std::string& typed) {
  try {
    return service::find_request(store, typed);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::invalid_input) throw;
    return std::nullopt;
  }
}

// Without regard to letter case: the service is not particular about it either, and a person may have typed one.
bool same(const ProviderReference& a, const ProviderReference& b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const std::string& x = a.str();
  const std::string& y = b.str();
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [&](char c, char d) { return lower(c) == lower(d); });
}

// Ours by the provider's reference, whatever has become of it here; else somebody else's.
Matter matter_of(workflow::Requests& requests, const std::string& provider, const ProviderReference& reference) {
  Matter matter{reference, "", {}, ""};
  for (const auto& record : requests.by_reference(provider, reference)) {
    const auto* submission = workflow::submission_of(record.state);
    const bool waits = submission != nullptr && !submission->reference.empty();
    if (waits && same(submission->reference, reference)) return matter_of(record);
    // What has ended does not hold it any more.
    if (waits || !matter.given_up.empty()) continue;
    matter.given_up = fmt::format("request {} is not waited for here: it is {}", record.order.id.str(),
                                  workflow::to_string(workflow::name_of(record.state)));
  }
  return matter;
}

// A request of this bridge by the beginning of its id or by the provider's own, else somebody else's. `authority` tells
// the provider's own spelling of what was typed.
Matter matter_of(Wiring& wiring, ApprovalAuthority& authority, const std::string& provider, const std::string& typed) {
  const auto there = [&] { return authority.standing(ProviderReference(typed), {}, kLimit).reference; };
  if (!wiring.settings().store.path) return {there(), "", {}, ""};
  const auto store = wiring.store();
  if (const auto id = our_id(*store, typed)) {
    const auto record = store->find(*id);
    if (!record || record->order.provider != provider) {
      throw Error{ErrorKind::invalid_input, fmt::format("request {} is not one of provider {}", id->str(), provider)};
    }
    return matter_of(*record);
  }
  return matter_of(*store, provider, there());
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
  fields.add("Compared", matter.csr.empty() ? "nothing: no open request of this bridge is known by it"
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
  return provider_type(wiring->settings().provider(*name)).approvers != Approvers::with_a_key;
}

ExitCode decide_by_account(Invocation& invocation, bool approve) {
  CommandContext context(invocation);
  auto& wiring = *context.wiring();
  const auto name = invocation.arguments.required("--provider");
  const auto provider = wiring.provider(name);
  auto* authority = dynamic_cast<ApprovalAuthority*>(provider.get());
  if (authority == nullptr) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {} is of type {}: its approvers decide there, not here", name, provider->type())};
  }
  const auto matter = matter_of(wiring, *authority, name, invocation.arguments.required("TASK"));
  if (approve && !matter.given_up.empty()) {
    throw Error{ErrorKind::refused, fmt::format("{}: it is not approved", matter.given_up)}.hint(
        "`approval reject` ends it at the provider too");
  }
  if (approve && invocation.arguments.has("--sha256")) {
    throw Error{ErrorKind::invalid_input, fmt::format("--sha256 is of bytes that an approver's key signs, and at {} "
                                                      "approvers decide by their account",
                                                      name)};
  }
  // Nobody looks at the question then, and there is nothing here to compare somebody else's request with.
  if (approve && matter.csr.empty() && invocation.arguments.has("--yes")) {
    throw Error{ErrorKind::refused, fmt::format("request {} is not approved: --yes is for requests of this bridge, "
                                                "whose CSR is compared",
                                                matter.reference.str())}
        .hint("approve it at a terminal, without --yes: what it asks for is shown there");
  }
  const auto report = authority->standing(matter.reference, matter.csr, kLimit);
  if (report.status != workflow::RequestStatus::awaiting_approval) {
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
    context.log().record(outcome.empty() ? "provider-decision" : "provider-decision-answered", facts);
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
