#include "base/error.h"
#include "base/file.h"
#include "service/approvals/approvals.h"
#include "service/approvals/local.h"
#include "service/requests/approval_terms.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/approval.h"
#include "tools/hsmbridge/wiring/approvals.h"
#include "views/approvals.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace hsmbridge::cli {

namespace {

using commandline::ExitCode;
using commandline::Option;
using commandline::Positional;
using commandline::safe;
using commandline::Times;

const Positional kTask{"TASK", "the task or request, or the beginning of its id"};
const Positional kRequestHere{"TASK", "the request, or the beginning of its id"};
const Option kReason{
    "--reason", "TEXT",
    "kept with the decision at this bridge; told to a provider whose approvers decide by their account"};
const Option kYes{"--yes", "", "do not ask; required without a terminal"};
const Option kSha256{
    "--sha256", "HEX",
    "only this, by the SHA-256 that is shown; required where no certificate or CRL is signed, and with --yes where "
    "it is not a request of this bridge"};
const Option kAs{"--as", "NAME", "which person of the configuration decides; may be left out when it is clear"};

std::vector<Option> with_desk(std::vector<Option> rows) {
  std::vector<Option> all = {kAs, {"--provider", "NAME", "which provider; else the person's, or the only one"}};
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

// A request that waits for approvals at this bridge, and who decides.
struct Here {
  std::unique_ptr<Wiring> wiring;
  std::unique_ptr<workflow::Store> store;
  service::LocalQuestion question;

  const config::PersonSettings& person(const Invocation& invocation) const {
    return service::person_deciding(wiring->settings(), invocation.arguments.text("--as"), wiring->actor());
  }
  service::ApprovalView view(const config::PersonSettings& by, const std::optional<std::string>& sha256 = {}) const {
    return service::view_of(question, by.name, sha256, wiring->clock().now());
  }
};

// Null where there is none, and where this user may not look into it: who approves at a provider needs none.
std::unique_ptr<workflow::Store> store_to_look(Wiring& wiring) {
  try {
    if (wiring.stores().is_there_or_was()) return wiring.stores().open_to_look();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::denied) throw;
  }
  return nullptr;
}

// Nothing where what was typed is not one of this bridge's own questions.
std::optional<Here> asked_here(const Invocation& invocation) {
  Here here{Wiring::open(invocation.config), nullptr, {}};
  here.store = store_to_look(*here.wiring);
  if (here.store == nullptr) return std::nullopt;
  auto question = service::waiting_here(*here.wiring, *here.store, invocation.arguments.required("TASK"));
  if (!question) return std::nullopt;
  here.question = *std::move(question);
  return std::optional<Here>(std::move(here));
}

// The same for commands that know providers too.
std::optional<Here> asked_here_or_there(const Invocation& invocation) {
  return invocation.arguments.has("--provider") ? std::nullopt : asked_here(invocation);
}

// What waits at this bridge; and at the provider where the person approves with a key, or where an account does.
ExitCode list_approvals(Invocation& invocation) {
  std::vector<workflow::ApprovalTask> tasks;
  std::string person;
  bool there = true;
  if (!invocation.arguments.has("--provider")) {
    const auto wiring = Wiring::open(invocation.config);
    const auto store = store_to_look(*wiring);
    const auto& settings = wiring->settings();
    const bool here = std::any_of(settings.profiles.begin(), settings.profiles.end(),
                                  [](const auto& profile) { return !profile.approval.empty(); });
    if (here) {
      const auto& who = service::person_deciding(settings, invocation.arguments.text("--as"), wiring->actor());
      person = who.name;
      there = who.token && who.provider;
      if (store != nullptr) tasks = service::waiting_for(*wiring, *store, person);
    }
  }
  std::string provider;
  std::string where = "this bridge";
  if (there) {
    Desk desk(invocation);
    for (auto& task : desk.desk.list()) tasks.push_back(std::move(task));
    provider = desk.approvals->provider();
    where = person.empty() ? provider : fmt::format("this bridge or {}", provider);
    person = desk.approvals->approver();
  }
  const auto text = tasks.empty()
                        ? fmt::format("nothing waits for {} at {}\n", person.empty() ? "our account" : person, where)
                        : tasks_text(tasks);
  invocation.output.result("hsmbridge.approval-list/1", views::approvals(person, provider, tasks), text);
  return ExitCode::done;
}

ExitCode shown_here(Invocation& invocation, const Here& here) {
  const auto& person = here.person(invocation);
  const auto view = here.view(person);
  auto text = task_text(view);
  const bool fine = view.judged->objections.empty();
  if (fine && person.token) {
    text += fmt::format("next: hsmbridge approval accept --as {} {} --sha256 {}\n", person.name, view.task.id,
                        view.task.payload_sha256);
  } else if (fine) {
    text += fmt::format("next: hsmbridge approval export {} --out FILE\n", view.task.id);
  }
  invocation.output.result("hsmbridge.approval/1", views::approval(view), text);
  return fine ? ExitCode::done : ExitCode::refused;
}

ExitCode show_approval(Invocation& invocation) {
  if (const auto here = asked_here_or_there(invocation)) return shown_here(invocation, *here);
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
  invocation.output.result("hsmbridge.approval-decision/1",
                           views::approval_decision(desk.approvals->approver(), desk.approvals->provider(), view,
                                                    decision, invocation.arguments.text_or("--reason", "")),
                           fmt::format("{} {} at {}: {} ({})\n", desk.who(), decision, desk.approvals->provider(),
                                       safe(title_of(view.task)), safe(view.task.id)));
  return ExitCode::done;
}

const char* word_of(service::Verdict verdict) {
  return verdict == service::Verdict::approve ? "approved" : "rejected";
}

// The vote, once the person has seen what it is about and agreed; nothing where the person did not.
std::optional<std::string> vote_of(Invocation& invocation, Wiring& wiring, const service::LocalQuestion& question,
                                   const service::ApprovalView& view, const config::PersonSettings& person,
                                   service::Verdict verdict) {
  service::expect_decidable(view, verdict);
  if (!person.token) {
    throw Error{ErrorKind::invalid_input, fmt::format("{} has no token and key in this configuration", person.name)}
        .hint(fmt::format("`hsmbridge approval export {}` writes a file for `approval sign` where that key is",
                          view.task.id));
  }
  const auto* const does = verdict == service::Verdict::approve ? "approves" : "rejects";
  if (!agreed(invocation,
              fmt::format("{}{} {} it, irrevocably: {}?", task_text(view), person.name, does, safe(view.task.title)))) {
    invocation.output.note("nothing was decided");
    return std::nullopt;
  }
  const auto ring = wiring.key_ring(*person.token);
  return service::signed_vote(question, person, *ring, verdict, invocation.arguments.text_or("--reason", ""),
                              wiring.recorder(), wiring.clock().now());
}

ExitCode decided_here(Invocation& invocation, Here& here, service::Verdict verdict,
                      const std::optional<std::string>& sha256 = {}) {
  const auto& person = here.person(invocation);
  const auto view = service::view_to_decide(here.question, person.name, sha256, here.wiring->clock().now());
  const auto& actor = here.wiring->actor();
  if (here.wiring->stores().may_only_be_read()) {
    throw Error{ErrorKind::denied, "this account may read the store and not write it"}.hint(
        fmt::format("`hsmbridge approval export {}` and `approval sign`; somebody who may write it imports the vote",
                    view.task.id));
  }
  const auto store = here.wiring->store();
  service::expect_may_decide(actor, *here.wiring, *store, person, here.question, view, verdict);
  const auto vote = vote_of(invocation, *here.wiring, here.question, view, person, verdict);
  if (!vote) return ExitCode::refused;
  const auto record = service::take_vote(actor, *here.wiring, *store, *vote);
  Json json =
      views::approval_decision(person.name, "", view, word_of(verdict), invocation.arguments.text_or("--reason", ""));
  json.set("state", workflow::to_string(workflow::name_of(record.state)));
  invocation.output.result("hsmbridge.approval-decision/1", json,
                           fmt::format("{} {}: {} ({})\n{}\nnext: hsmbridge request wait {}\n", person.name,
                                       word_of(verdict), safe(view.task.title), view.task.id,
                                       safe(service::standing_text(record, here.wiring->clock().now())), view.task.id));
  return ExitCode::done;
}

// ---- for approvers without a network ----------------------------------------------------------------------------------

void write_out(Invocation& invocation, const std::string& schema, const std::string& content) {
  if (const auto file = invocation.arguments.text("--out")) {
    write_file(*file, as_bytes(content), FileMode::public_0644, Existing::refuse);
    invocation.output.result(schema, Json::object({{"file", *file}}), "");
  } else {
    invocation.output.raw(content);
  }
}

ExitCode export_approval(Invocation& invocation) {
  const auto here = asked_here(invocation);
  if (!here) {
    throw Error{ErrorKind::not_found,
                fmt::format("no request {} waits for approvals at this bridge", invocation.arguments.required("TASK"))}
        .hint("`hsmbridge approval list` shows those that do");
  }
  write_out(invocation, "hsmbridge.approval-exported/1", service::export_of(here->question));
  return ExitCode::done;
}

ExitCode sign_approval(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const auto wiring = Wiring::open(invocation.config);
  const auto& person = service::person_deciding(wiring->settings(), arguments.text("--as"), wiring->actor());
  const auto question = service::question_in(as_text(read_file(arguments.required("FILE"))));
  if (arguments.has("--yes") && !arguments.has("--reject") && !arguments.text("--sha256")) {
    throw Error{ErrorKind::invalid_input, "with --yes nobody is shown what is approved"}.hint(
        "look at it without --yes first; with --yes give --sha256, the SHA-256 that was shown");
  }
  if (const auto why = service::against_account(wiring->actor().name, person, wiring->settings().people);
      !why.empty()) {
    throw Error{ErrorKind::refused, why};
  }
  const auto view = service::view_of(question, person.name, arguments.text("--sha256"), wiring->clock().now());
  const auto vote = vote_of(invocation, *wiring, question, view, person,
                            arguments.has("--reject") ? service::Verdict::reject : service::Verdict::approve);
  if (!vote) return ExitCode::refused;
  write_out(invocation, "hsmbridge.approval-signed/1", *vote + "\n");
  if (const auto file = arguments.text("--out")) {
    invocation.output.note(fmt::format("next, where the request is: hsmbridge approval import {}", *file));
  }
  return ExitCode::done;
}

ExitCode import_approval(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto record =
      service::take_vote(wiring->actor(), *wiring, *store, to_text(read_file(invocation.arguments.required("FILE"))));
  const auto& id = record.order.id.str();
  const auto state = workflow::to_string(workflow::name_of(record.state));
  invocation.output.result("hsmbridge.approval-imported/1", Json::object({{"request", id}, {"state", state}}),
                           fmt::format("{}: {}\nnext: hsmbridge request wait {}\n", id,
                                       safe(service::standing_text(record, wiring->clock().now())), id));
  return ExitCode::done;
}

ExitCode accept(Invocation& invocation) {
  if (auto here = asked_here_or_there(invocation)) {
    return decided_here(invocation, *here, service::Verdict::approve, invocation.arguments.text("--sha256"));
  }
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
  if (auto here = asked_here_or_there(invocation)) return decided_here(invocation, *here, service::Verdict::reject);
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
       "and our own request do not agree. A request that waits for approvals at this bridge\n"
       "(`approval` in its profile) is found first. Irrevocable.\n"
       "With --provider NAME where approvers decide by their account (Venafi), TASK is one of\n"
       "our requests or the provider's own id.\n"},
      {"approval", "reject", "Reject one task", with_desk({kReason, kYes}), {kTask}, reject, exits, ""},
      {"approval",
       "export",
       "Write a request that waits for approvals at this bridge to a file, for an approver elsewhere",
       {{"--out", "FILE", "write it there, else to standard output"}},
       {kRequestHere},
       export_approval,
       exits,
       "It holds the draft (TBSCertificate, CSR), the policy and the request. Nothing in it is secret.\n"},
      {"approval",
       "sign",
       "Approve or reject an exported request, with the approver's key in its token; no store or network is needed",
       {kAs,
        kSha256,
        kReason,
        {"--reject", "", "reject it"},
        kYes,
        {"--out", "FILE", "write it there, else to standard output"}},
       {{"FILE", "what `approval export` wrote"}},
       sign_approval,
       exits,
       "The draft in the file is decoded, hashed, shown and compared with the request in it;\n"
       "what is signed is the hash of what was shown. Irrevocable once it is imported.\n"},
      {"approval",
       "import",
       "Take the signed decision in a file, as if it had been given here",
       {},
       {{"FILE", "what `approval sign` wrote"}},
       import_approval,
       exits,
       "Refused where it is for other bytes, another request or an earlier round of\n"
       "approvals, not signed by that person's key, or of somebody who may not decide.\n"},
  };
}

}  // namespace hsmbridge::cli
