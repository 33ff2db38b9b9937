#include "tools/hsmbridge/text/request.h"

#include "base/error.h"
#include "tools/commandline/output.h"
#include "workflow/machine/state.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <variant>

namespace hsmbridge::cli {

namespace {

using commandline::ExitCode;
using commandline::safe;

// "2026-11-23 15:42:07 UTC" reads better than RFC 3339 in a table.
std::string clock_text(Instant instant) {
  auto text = rfc3339(std::chrono::floor<std::chrono::seconds>(instant));
  text[10] = ' ';
  text.pop_back();
  return text;
}

std::string ago(Instant then, Instant now) {
  return now - then < std::chrono::seconds{1} ? "just now" : spoken(now - then) + " ago";
}

std::string with_distance(Instant instant, Instant now) {
  return fmt::format("{} UTC ({})", clock_text(instant),
                     instant > now ? "in " + spoken(instant - now) : ago(instant, now));
}

std::string targets_text(const workflow::State& state, const workflow::Order& order) {
  std::string text;
  const auto add = [&](const std::string& line) { text += (text.empty() ? "" : "\n") + line; };
  if (const auto* installing = std::get_if<workflow::Installing>(&state)) {
    for (const auto& target : installing->targets) {
      using Stage = workflow::TargetState::Stage;
      const auto stage = target.stage == Stage::done      ? std::string("done")
                         : target.stage == Stage::skipped ? std::string("given up")
                         : target.stage == Stage::failed
                             ? fmt::format("failed {} times: {}", target.failures, target.last_error)
                             : std::string("waiting");
      add(safe(target.target.name) + ": " + safe(stage));
    }
    return text;
  }
  const auto* wanted = order.enrolment();
  if (wanted == nullptr) return text;
  const auto* completed = std::get_if<workflow::Completed>(&state);
  for (const auto& target : wanted->targets) {
    std::string_view stage;
    if (completed != nullptr) {
      const auto& skipped = completed->skipped;
      const bool given_up = std::find(skipped.begin(), skipped.end(), target.name) != skipped.end();
      stage = completed->late ? ": not installed, it came late" : given_up ? ": given up" : ": done";
    }
    add(safe(target.name) + std::string(stage));
  }
  return text;
}

std::string findings_text(const workflow::State& state) {
  const std::vector<workflow::Finding>* findings = nullptr;
  if (const auto* completed = std::get_if<workflow::Completed>(&state)) findings = &completed->findings;
  if (const auto* installing = std::get_if<workflow::Installing>(&state)) findings = &installing->findings;
  if (const auto* quarantined = std::get_if<workflow::Quarantined>(&state)) findings = &quarantined->findings;
  std::string text;
  if (findings == nullptr) return text;
  for (const auto& finding : *findings) {
    text += fmt::format("{}{}{}: {}", text.empty() ? "" : "\n", finding.fatal ? "FATAL " : "", finding.name,
                        safe(finding.explanation));
  }
  return text;
}

bool revokes(const service::RequestView& view) {
  return view.record.order.revocation() != nullptr;
}

// What a request is for, in one line.
std::string for_text(const service::RequestView& view, const service::RequestRow& row) {
  if (revokes(view)) {
    return fmt::format("revocation of certificate {} ({}), reason {}", row.predecessor, row.what,
                       view.record.order.revocation()->reason);
  }
  if (row.kind == workflow::Kind::renew) {
    return fmt::format("renewal of certificate {} ({}), key {}", row.predecessor, row.what, row.key);
  }
  return row.kind == workflow::Kind::issue_crl ? row.what : row.what + ", key " + row.key;
}

std::string indented(const std::vector<std::string>& lines, std::string_view indent) {
  std::string text;
  for (const auto& line : lines) text += fmt::format("{}{}\n", indent, safe(line));
  return text;
}

// A message may list its points, each on a line of its own. Anything else that would break a line is escaped.
std::string wrapped_lines(std::string_view text, std::size_t width, std::size_t indent) {
  std::string result;
  for (bool first = true; first || !text.empty(); first = false) {
    const auto end = std::min(text.find('\n'), text.size());
    if (!first) result += "\n" + std::string(indent, ' ');
    result += commandline::wrapped(safe(text.substr(0, end)), width, indent);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

// A request that a policy or a refused credential ended is "refused"; one that ended in trouble has failed.
ExitCode exit_code_of(const workflow::Failed& state) {
  const auto kind = error_kind_from(state.error_kind);
  return kind == ErrorKind::refused || kind == ErrorKind::denied ? ExitCode::refused : ExitCode::failed;
}

// Of a CRL that was signed too late: whoever asked for it has not got it. One that is not put yet is put later.
ExitCode exit_code_of(const workflow::Completed& state) {
  const bool is_out = std::none_of(state.findings.begin(), state.findings.end(),
                                   [](const workflow::Finding& one) { return one.name == workflow::kCrlNotPublished; });
  return is_out ? ExitCode::done : ExitCode::failed;
}

}  // namespace

ExitCode exit_code_of(const workflow::State& state) {
  using workflow::StateName;
  switch (workflow::name_of(state)) {
    case StateName::completed:
      return exit_code_of(std::get<workflow::Completed>(state));
    case StateName::rejected:
    case StateName::expired:
    case StateName::cancelled:
    case StateName::abandoned:
      return ExitCode::refused;
    case StateName::failed:
      return exit_code_of(std::get<workflow::Failed>(state));
    case StateName::quarantined:
    case StateName::unresolved:
      return ExitCode::unresolved;
    default:
      return ExitCode::pending;
  }
}

std::string RequestTable::more(const std::vector<service::RequestRow>& rows, Instant now) {
  for (const auto& row : rows) {
    // What is usual goes without saying.
    const auto kind =
        row.kind == workflow::Kind::enroll ? std::string{} : std::string(workflow::to_string(row.kind)) + " ";
    table_.row({row.id.str(), row.state, row.key, ago(row.changed_at, now), kind + row.what});
  }
  // Why some of them get no further. A line each: a table would cut it.
  std::string troubles;
  for (const auto& row : rows) {
    if (!row.trouble.empty()) troubles += fmt::format("{} waits: {}\n", row.id.str(), safe(row.trouble));
  }
  return table_.more() + (troubles.empty() ? "" : "\n" + troubles);
}

std::string show_text(const service::RequestView& view, Instant now) {
  const auto& order = view.record.order;
  const auto& state = view.record.state;
  const auto row = service::row_of(view.record);
  commandline::Fields fields;
  fields.add("Request", row.id.str());
  fields.add("State", fmt::format("{} since {}", row.state, with_distance(view.record.changed_at, now)));
  if (row.kind != workflow::Kind::enroll) fields.add("Kind", std::string(workflow::to_string(row.kind)));
  fields.add("Names", safe(row.what));
  if (const auto* old = order.predecessor()) fields.add(revokes(view) ? "Revokes" : "Renews", old->certificate);
  if (const auto* asked = order.enrolment(); asked != nullptr && !asked->cross_signs.empty()) {
    fields.add("Cross-signs", "the CA that has the certificate " + hex(sha256(asked->cross_signs)));
  }
  if (const auto* revocation = order.revocation()) fields.add("Reason", safe(revocation->reason));
  fields.add("Provider", safe(order.provider + (order.profile.empty() ? "" : ", profile " + order.profile)));
  if (order.traits().needs_key) fields.add("Key", safe(row.key));
  if (const auto* key = workflow::key_of(state); key != nullptr && order.traits().needs_key) {
    fields.add("Key URI", safe(key->uri));
    fields.add("SPKI SHA-256", key->spki.str());
  }
  if (const Bytes& csr = order.brought_csr(); !csr.empty()) fields.add("CSR", "brought, SHA-256 " + hex(sha256(csr)));
  fields.add("Created",
             fmt::format("{} by {}", with_distance(order.created_at, now), safe(workflow::who_asked(order))));
  if (order.deadline) fields.add("Deadline", with_distance(*order.deadline, now));
  if (const auto* draft = workflow::draft_of(state)) {
    fields.add("Draft", fmt::format("{}, built {}", safe(draft->summary), ago(draft->built_at, now)));
    if (!revokes(view)) fields.add("Draft SHA-256", workflow::draft_digest(*draft));
    if (!draft->to_be_signed.empty()) fields.add("To be signed", "SHA-256 " + hex(sha256(draft->to_be_signed)));
  }
  if (const auto* submission = workflow::submission_of(state)) {
    fields.add("Reference", safe(submission->reference.str()));
  }
  if (const auto* progress = workflow::progress_of(state)) fields.add("Quorum", safe(progress->quorum));
  if (view.certificate) {
    const auto& certificate = *view.certificate;
    fields.add("Certificate", fmt::format("SHA-256 {}", certificate.fingerprint));
    fields.add("Subject", safe(certificate.subject));
    fields.add("Issuer", safe(certificate.issuer));
    fields.add("Serial", certificate.serial);
    fields.add("Valid",
               fmt::format("{} to {} UTC", clock_text(certificate.not_before), clock_text(certificate.not_after)));
    fields.add("Status", certificate.status);
  }
  fields.add("Findings", findings_text(state));
  fields.add("Install", targets_text(state, order));
  for (const auto& answer : view.late) {
    fields.add("Came late", fmt::format("{}, {}: {}; {}", with_distance(answer.event.at, now),
                                        workflow::to_string(workflow::name_of(answer.event.body)),
                                        safe(service::detail_of(answer.event.body)), safe(answer.why)));
  }
  return fields.text();
}

std::string explain_text(const service::RequestView& view, Instant now) {
  const auto& explanation = view.explanation;
  const auto row = service::row_of(view.record);
  std::string text = fmt::format("Request {}: {}\n", row.id.str(), row.state);
  const auto paragraph = [&](std::string_view heading, const std::string& content) {
    if (content.empty()) return;
    text += fmt::format("{:<10}{}\n", heading, wrapped_lines(content, 78 - 10, 10));
  };
  paragraph("For", for_text(view, row));
  paragraph("Happened", explanation.what_happened);
  paragraph("Awaited", explanation.awaited);
  if (explanation.since) paragraph("Since", with_distance(*explanation.since, now));
  if (explanation.until) paragraph("Until", with_distance(*explanation.until, now));
  if (!explanation.approvers.empty()) text += "Approvers\n" + indented(explanation.approvers, "  ");
  paragraph("Next", explanation.next);
  if (!explanation.commands.empty()) text += "You can type\n" + indented(explanation.commands, "  ");
  return text;
}

std::string history_line(const workflow::JournalEntry& entry) {
  const auto detail = service::detail_of(entry.event.body);
  auto line = fmt::format("{}  {:<22} {}", clock_text(entry.event.at),
                          workflow::to_string(workflow::name_of(entry.event.body)), safe(detail));
  while (line.back() == ' ') line.pop_back();
  return line;
}

std::string history_text(const std::vector<workflow::JournalEntry>& history,
                         const std::vector<workflow::LateAnswer>& late) {
  commandline::Table table({"#", "TIME (UTC)", "EVENT", "STATE AFTER", "BY", "DETAIL"});
  for (const auto& entry : history) {
    table.row({std::to_string(entry.sequence), clock_text(entry.event.at),
               std::string(workflow::to_string(workflow::name_of(entry.event.body))),
               std::string(workflow::to_string(entry.after)), entry.event.actor, service::detail_of(entry.event.body)});
  }
  for (const auto& answer : late) {
    table.row({"-", clock_text(answer.event.at), std::string(workflow::to_string(workflow::name_of(answer.event.body))),
               "(not taken)", answer.event.actor, service::detail_of(answer.event.body) + "; " + answer.why});
  }
  return table.text();
}

std::string outcome_text(const service::RequestView& view, Instant now) {
  const auto row = service::row_of(view.record);
  const auto kind =
      row.kind == workflow::Kind::enroll ? std::string{} : std::string(workflow::to_string(row.kind)) + " ";
  std::string text = fmt::format("{}  {}  {}{}\n", row.id.str(), row.state, kind, safe(row.what));
  if (view.certificate && !revokes(view)) {
    text += fmt::format("certificate {}, serial {}, valid until {} UTC\n", view.certificate->fingerprint.substr(0, 16),
                        view.certificate->serial, clock_text(view.certificate->not_after));
    const auto findings = findings_text(view.record.state);
    if (!findings.empty()) text += findings + "\n";
    const auto targets = targets_text(view.record.state, view.record.order);
    std::string lines;
    for (const char c : targets) lines += c == '\n' ? "\n" + std::string(11, ' ') : std::string(1, c);
    if (workflow::name_of(view.record.state) == workflow::StateName::quarantined) {
      text += "installed  nowhere\n";
    } else if (!lines.empty()) {
      text += "installed  " + lines + "\n";
    }
  } else {
    // While others decide: who they are. Otherwise what happened, and what comes next.
    const auto name = workflow::name_of(view.record.state);
    const bool others = name == workflow::StateName::awaiting_approval ||
                        name == workflow::StateName::awaiting_issuance ||
                        name == workflow::StateName::awaiting_local_approval;
    const auto& explanation = view.explanation;
    for (const auto& words : others ? std::vector<std::string>{explanation.awaited}
                                    : std::vector<std::string>{explanation.what_happened, explanation.next}) {
      if (!words.empty()) text += wrapped_lines(words, 78, 0) + "\n";
    }
    text += indented(view.explanation.approvers, "  ");
    if (view.explanation.until) text += fmt::format("until {}\n", with_distance(*view.explanation.until, now));
  }
  const auto next =
      !view.explanation.commands.empty() ? view.explanation.commands.front() : "hsmbridge request show " + row.id.str();
  text += "next: " + safe(next) + "\n";
  return text;
}

}  // namespace hsmbridge::cli
