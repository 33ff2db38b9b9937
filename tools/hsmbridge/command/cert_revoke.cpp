#include "base/error.h"
#include "service/certificates/certificates.h"
#include "service/certificates/mass_revocation.h"
#include "service/certificates/renewal.h"
#include "service/content/brought_csr.h"
#include "tools/hsmbridge/command/cert_life.h"
#include "tools/hsmbridge/command/request_wait.h"
#include "tools/hsmbridge/text/revocation.h"
#include "tools/hsmbridge/wiring/token_access.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "views/certificates.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

using commandline::safe;

constexpr std::size_t kLeastWithYes = 8;
constexpr std::size_t kRequestRandomness = 8;

std::string reasons_text() {
  std::string text;
  for (const auto& row : workflow::revocation_reasons()) text += fmt::format("  {:<22}{}\n", row.name, row.meaning);
  return text;
}

const workflow::RevocationReason& reason_of(const std::optional<std::string>& text) {
  std::string names;
  for (const auto& row : workflow::revocation_reasons()) names += (names.empty() ? "" : ", ") + std::string(row.name);
  if (!text) throw Error{ErrorKind::invalid_input, "say why: --reason REASON"}.hint("there are: " + names);
  const auto* row = workflow::revocation_reason(*text);
  if (row == nullptr) {
    throw Error{ErrorKind::invalid_input, fmt::format("there is no reason '{}'", *text)}.hint("there are: " + names);
  }
  return *row;
}

ExitCode rehearse(Invocation& invocation, const service::MassRevocation& planned, const std::string& file) {
  invocation.output.result("hsmbridge.cert-revoke-plan/1", views::mass_revocation(planned), plan_text(planned));
  if (planned.to_revoke != 0) {
    const auto reason = invocation.arguments.text("--reason");
    invocation.output.note(fmt::format("nothing was done; next: hsmbridge cert revoke --from {}{} --plan {}",
                                       shell_word(file), reason ? " --reason " + shell_word(*reason) : "",
                                       planned.plan));
  }
  return planned.faults == 0 ? ExitCode::done : ExitCode::failed;
}

ExitCode revoke_many(Invocation& invocation, const std::string& file) {
  const auto& arguments = invocation.arguments;
  for (const auto* one : {"CERT", "--since"}) {
    if (arguments.has(one)) throw Error{ErrorKind::invalid_input, fmt::format("{} does not go with --from", one)};
  }
  if (arguments.has("--rehearse") == arguments.has("--plan")) {
    throw Error{ErrorKind::invalid_input,
                "a file is rehearsed first (--rehearse), and then carried out as it was (--plan SHA-256)"};
  }
  const auto pace = pace_of(arguments);
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto rows = service::rows_in(file, service::revocation_columns());
  const auto plan = [&] { return service::plan_mass_revocation(*wiring, *store, rows, arguments.text("--reason")); };
  auto planned = plan();
  if (arguments.has("--rehearse")) return rehearse(invocation, planned, file);
  const auto expect_rehearsed = [&] {
    if (arguments.required("--plan") == planned.plan) return;
    throw Error{ErrorKind::conflict,
                fmt::format("this is not what was rehearsed: it would revoke {} certificates now, plan {}",
                            planned.to_revoke, planned.plan)}
        .hint("look at it: the same with --rehearse");
  };
  expect_rehearsed();
  if (!arguments.has("--yes")) {
    const auto question = fmt::format("Revoke {} certificates? This cannot be taken back.", planned.to_revoke);
    if (!commandline::confirm(invocation.output, question, "give --yes to revoke without being asked")) {
      throw Error{ErrorKind::refused, "nothing was revoked"};
    }
    planned = plan();
    expect_rehearsed();
  }
  ManyRequests many(invocation.output, "hsmbridge.cert-revoke-row/1", planned.rows.size());
  for (const auto& row : planned.rows) {
    if (row.is_revoked && !row.fault) continue;
    many.make(row.certificate.substr(0, kShownDigits), "certificate", row.certificate, [&] {
      if (row.fault) throw Error(*row.fault);
      if (row.under_way) return *row.under_way;
      const auto record = service::find_certificate(*store, row.certificate, service::Meaning::brought);
      return service::create_revocation(wiring->actor(), *store, record, {row.reason},
                                        service::timing_for(wiring->settings(), row.provider), wiring->clock().now(),
                                        random_bytes(kRequestRandomness))
          .id;
    });
  }
  return many.finish(*wiring, *store, pace, true);
}

// What is revoked stays as it was revoked; what was learnt later is about the key.
ExitCode record_compromise(Invocation& invocation, Wiring& wiring, workflow::Store& store,
                           const workflow::CertificateRecord& record) {
  auto& output = invocation.output;
  const std::string name = record.fingerprint.substr(0, kShownDigits);
  for (const auto& words : service::shares_key(store, record)) output.warning(safe(words));
  if (!invocation.arguments.has("--yes")) {
    const auto question = fmt::format(
        "Certificate {} ({}) is revoked already, or about to be, and its entry stays as it is. Record its key as "
        "compromised, so that nothing is certified for it any more?",
        name, safe(record.subject));
    if (!commandline::confirm(output, question, "give --yes to record it without being asked")) {
      throw Error{ErrorKind::refused, "nothing was recorded"};
    }
  }
  service::record_compromise(store, record.spki, wiring.actor().name, wiring.clock().now());
  output.result("hsmbridge.cert-compromise/1",
                Json::object({{"certificate", record.fingerprint}, {"key_compromised", true}}),
                fmt::format("the key of certificate {} is recorded as compromised\n", name));
  return ExitCode::done;
}

ExitCode revoke(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  if (const auto file = arguments.text("--from")) return revoke_many(invocation, *file);
  for (const auto* one : {"--rehearse", "--plan"}) {
    if (arguments.has(one)) throw Error{ErrorKind::invalid_input, fmt::format("{} belongs to --from", one)};
  }
  const auto pace = pace_of(arguments);
  const auto& reason = reason_of(arguments.text("--reason"));
  const auto& typed = arguments.required("CERT");
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto record = service::find_certificate(*store, typed, service::Meaning::brought);
  const bool leaves_key_trusted = service::leaves_key_trusted(*store, record, reason);
  if (!leaves_key_trusted) service::refuse_revoked(record);
  // Nobody looks at what is named, and a slip of the finger may name another one.
  if (arguments.has("--yes") && typed.size() < kLeastWithYes) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("with --yes at least {} digits name a certificate", kLeastWithYes)}
        .hint("`hsmbridge cert list` shows 12; or leave --yes out and be asked");
  }
  if (leaves_key_trusted) {
    if (arguments.has("--since")) {
      throw Error{ErrorKind::invalid_input,
                  "the certificate is revoked already, or about to be: its entry gets no other date"};
    }
    return record_compromise(invocation, *wiring, *store, record);
  }
  const auto old = service::request_of(*store, record).order;
  service::RevocationWish wish{std::string(reason.name)};
  if (const auto since = arguments.text("--since")) wish.since = parse_rfc3339(*since);
  service::refuse_revocation(*wiring, record, old.provider, wish);
  if (reason.compromise) {
    for (const auto& words : service::shares_key(*store, record)) invocation.output.warning(safe(words));
  }
  if (!arguments.has("--yes")) {
    const auto question =
        fmt::format("Revoke certificate {} ({}, serial {}) at {} for {} ({}{})?",
                    record.fingerprint.substr(0, kShownDigits), safe(record.subject), record.serial, old.provider,
                    reason.name, reason.meaning, wish.since ? ", since " + rfc3339(*wish.since) : "");
    if (!commandline::confirm(invocation.output, question, "give --yes to revoke without being asked")) {
      throw Error{ErrorKind::refused, "nothing was revoked"};
    }
  }
  const auto order = service::create_revocation(wiring->actor(), *store, record, wish,
                                                service::timing_for(wiring->settings(), old.provider),
                                                wiring->clock().now(), random_bytes(kRequestRandomness));
  return finish(invocation.output, *wiring, *store, order.id, pace);
}

}  // namespace

Command certificate_revoke_command() {
  // The row keeps a view.
  static const std::string kHelp =
      "  hsmbridge cert revoke 3f2a90c1b7de --reason superseded\n"
      "  hsmbridge cert revoke --from lost.csv --reason keyCompromise --rehearse\n"
      "  hsmbridge cert revoke --from lost.csv --reason keyCompromise --plan 9c1e…\n"
      "A file has the columns `certificate` (the beginning of its SHA-256, 8 digits or more, or\n"
      "the request that brought it) and, where --reason is not for all, `reason`. --rehearse says\n"
      "what would happen and writes nothing; --plan carries that out, and nothing where it would\n"
      "be anything else by then. A run that was ended halfway is rehearsed again.\n"
      "Reasons (RFC 5280, 5.3.1):\n" +
      reasons_text() +
      "A provider that does not support revocation is refused before anything is written. A revocation\n"
      "that the provider has only taken note of is pending (exit 3), not done.\n";
  return {
      "cert",
      "revoke",
      "Have certificates revoked by their provider",
      {{"--reason", "REASON", "why; see below"},
       {"--since", "TIME", "with keyCompromise, at a CA of this bridge: since when (RFC 3339)"},
       {"--from", "FILE", "many, named in a CSV or JSON lines file; see below"},
       {"--rehearse", "", "with --from: say what would happen"},
       {"--plan", "SHA-256", "with --from: do what was rehearsed under this name"},
       {"--yes", "", "without asking"},
       kWait,
       kTimeout,
       kQueue},
      {{"CERT", "the beginning of its SHA-256, or the request that brought it; or --from", commandline::Times::once}},
      revoke,
      outcomes_of_requests(),
      kHelp};
}

}  // namespace hsmbridge::cli
