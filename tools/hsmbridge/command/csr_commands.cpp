#include "base/bytes.h"
#include "config/key_flaw.h"
#include "config/secret_source.h"
#include "service/content/brought_csr.h"
#include "service/keys/csr_batch.h"
#include "service/keys/keys.h"
#include "tools/commandline/progress.h"
#include "tools/hsmbridge/command/ask_options.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/csr.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/prompt.h"
#include "tools/hsmbridge/wiring/token_access.h"
#include "views/csr.h"

#include <fmt/core.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::safe;

ExitCode show_csr(Invocation& invocation) {
  const auto csr = service::csr_in(invocation.arguments.required("FILE"));
  invocation.output.result("hsmbridge.csr/1", views::csr(csr), csr_text(csr));
  if (const auto why = service::signature_flaw(csr); !why.empty()) invocation.output.warning(why);
  return ExitCode::done;
}

ExitCode check_csr(Invocation& invocation) {
  const std::string file = invocation.arguments.required("FILE");
  const config::ProfileSettings* profile = nullptr;
  CommandContext context(invocation);
  if (const auto name = invocation.arguments.text("--profile")) profile = &context.profile(*name);
  // What is known of bad keys here counts wherever there is a configuration.
  Wiring* const wiring = context.wiring();
  const auto store = context.store_that_is_there();
  const auto checked =
      service::check_csr_in(file, profile, wiring == nullptr ? nullptr : &wiring->weak_keys(), store.get());
  std::string text;
  for (const auto& fault : checked.faults) {
    text += fmt::format("{}: {}\n", fault.name, safe(service::sentence_of(fault)));
  }
  if (checked.faults.empty()) text = fmt::format("{}: no fault found\n", safe(file));
  for (const auto& note : checked.notes) text += fmt::format("note: {}\n", safe(note));
  invocation.output.result("hsmbridge.csr-check/1", views::csr_check(file, checked), text);
  return checked.faults.empty() ? ExitCode::done : ExitCode::failed;
}

// ---- create ---------------------------------------------------------------------------------------------------------

service::NewCsr wanted_csr(const Arguments& arguments) {
  service::NewCsr wanted;
  wanted.key = arguments.text_or("--key", "");
  wanted.new_key = arguments.text_or("--new-key", "");
  wanted.spec = arguments.text_or("--spec", "");
  wanted.out = arguments.text_or("--out", "");
  wanted.wishes = content_wishes(arguments);
  wanted.wishes.accept = arguments.all("--accept");
  for (const std::string& name : wanted.wishes.accept) {
    if (config::is_key_flaw(name)) continue;
    throw Error{ErrorKind::invalid_input, fmt::format("\"{}\" is not a flaw of a key that can be accepted", name)}.hint(
        "hsmbridge key show names the flaws of a key");
  }
  if (const auto source = arguments.text("--challenge-password")) {
    const auto password = config::SecretSource::parse(*source, config::SecretUse::any, std::filesystem::current_path());
    wanted.wishes.challenge_password =
        std::string(password.fetch(terminal_prompter(), "the challenge password").reveal());
  }
  return wanted;
}

service::CsrRun run_of(const Arguments& arguments, CommandContext& context) {
  service::CsrRun run;
  const std::string form = arguments.text_or("--form", "pem");
  if (form != "pem" && form != "der") {
    throw Error{ErrorKind::invalid_input, fmt::format("there is no form \"{}\"", form)}.hint("pem or der");
  }
  if (form == "der") run.form = service::CsrForm::der;
  if (arguments.has("--force")) run.existing = Existing::replace;
  if (const auto name = arguments.text("--profile")) run.profile = &context.profile(*name);
  if (const auto like = arguments.text("--like")) run.like = service::content_in(*like);
  return run;
}

// For CsrRun::authority; empty where the configuration has no CA.
std::function<std::optional<std::string>(const workflow::KeyInfo&)> authority_of(CommandContext& context,
                                                                                 workflow::KeyRing& ring) {
  Wiring* const wiring = context.wiring();
  if (wiring == nullptr || !service::has_authorities(*wiring)) return {};
  return [wiring, &ring](const workflow::KeyInfo& key) { return service::authority_of(*wiring, ring, key); };
}

ExitCode create_one(Output& output, CommandContext& context, const service::NewCsr& wanted, service::CsrRun run) {
  const auto ring = context.key_ring(run.profile != nullptr ? run.profile->token : std::nullopt);
  run.authority = authority_of(context, *ring);
  const bool der = run.form == service::CsrForm::der;
  if (wanted.out.empty() && der && output.stdout_is_terminal() && !output.json()) {
    throw Error{ErrorKind::invalid_input, "DER is not for a terminal"}.hint("give --out FILE");
  }
  const auto made = service::make_csr(*ring, context.log(), wanted, run);
  for (const std::string& sentence : made.advice) output.warning(sentence);
  if (made.key_made) {
    output.note(fmt::format("made key {} ({}, id {}) in token {}", made.key.label, made.key.type, hex(made.key.id),
                            ring->token()));
  }
  if (wanted.out.empty() && !output.json()) {
    output.raw(der ? to_text(made.der) : csr_pem(made.der));
    return ExitCode::done;
  }
  output.result("hsmbridge.csr-create/1", views::csr(ring->token(), wanted, made),
                fmt::format("{}: {}\n", safe(wanted.out), safe(summary_of(made.ask.content))));
  if (!output.json()) output.note(fmt::format("next: hsmbridge csr show {}", shell_word(wanted.out)));
  return ExitCode::done;
}

// One result line a row, as it happens.
ExitCode create_many(Invocation& invocation, CommandContext& context, const service::NewCsr& typed,
                     service::CsrRun run) {
  const Arguments& arguments = invocation.arguments;
  Output& output = invocation.output;
  const std::string file = arguments.required("--from");
  if (!typed.out.empty()) {
    throw Error{ErrorKind::invalid_input, "--out is for one CSR"}.hint("a column out, and --out-directory DIRECTORY");
  }
  const auto ring = context.key_ring(run.profile != nullptr ? run.profile->token : std::nullopt);
  run.authority = authority_of(context, *ring);
  const auto rows = service::rows_in(file, service::csr_columns());
  commandline::Progress progress(output, rows.size());
  std::size_t made = 0;
  std::size_t there = 0;
  std::size_t failed = 0;
  const auto tell = [&](const service::CsrRow& row) {
    ++(row.error ? failed : row.made->already ? there : made);
    const std::string text =
        row.error ? fmt::format("line {}: failed  {}\n", row.line, safe(row.error->message()))
                  : fmt::format("line {}: {}   {}: {}\n", row.line, row.made->already ? "there" : "ok   ",
                                safe(row.wanted.out), safe(summary_of(row.made->ask.content)));
    output.result("hsmbridge.csr-row/1", output.json() ? views::csr_row(ring->token(), row) : Json(), text);
    progress.one_done();
  };
  service::make_csrs(*ring, context.log(), rows, typed, run, arguments.text_or("--out-directory", ""), tell);
  output.note(fmt::format("{} of {} made{}", made, rows.size(),
                          there > 0 ? fmt::format(", {} were there already", there) : ""));
  return failed == 0 ? ExitCode::done : ExitCode::failed;
}

ExitCode create(Invocation& invocation) {
  CommandContext context(invocation);
  const auto run = run_of(invocation.arguments, context);
  const auto wanted = wanted_csr(invocation.arguments);
  if (invocation.arguments.has("--from")) return create_many(invocation, context, wanted, run);
  service::refuse_csr(wanted, run);
  return create_one(invocation.output, context, wanted, run);
}

Command csr_create_command() {
  std::vector<commandline::Option> options = {
      {"--key", "KEY", "the key: its label, id=HEX, or RFC 7512 URI"},
      {"--new-key", "LABEL", "make this key first"},
      {"--spec", "KIND", "of the new key: ec:P-256 (default), ed25519, rsa:3072, …"},
      {"--accept", "FLAW", "use the key although it has this flaw: see key show", commandline::Times::many},
  };
  const std::vector<commandline::Option> models = {
      {"--challenge-password", "SOURCE", "env:NAME or file:PATH; readable by whoever reads the CSR"},
      {"--profile", "NAME", "start from this profile of the configuration"},
      {"--like", "FILE", "start from what this certificate or CSR says"},
  };
  for (const auto& more : {content_options(), models, token_options()}) {
    options.insert(options.end(), more.begin(), more.end());
  }
  const std::vector<commandline::Option> files = {
      {"--out", "FILE", "write it there (mode 0644), else to standard output"},
      {"--form", "FORM", "pem (default) or der"},
      {"--force", "", "replace the file"},
      {"--from", "FILE", "many: CSV or JSON lines with these options as columns"},
      {"--out-directory", "DIRECTORY", "with --from: where the files go"},
  };
  options.insert(options.end(), files.begin(), files.end());
  return {
      "csr",
      "create",
      "Make a certificate request, signed by a key in the token",
      std::move(options),
      {},
      create,
      {ExitCode::failed, ExitCode::refused, ExitCode::unavailable},
      "What is typed replaces what the profile says, and that what --like says; a\n"
      "profile's alternative names are added to those typed. The result is read back\n"
      "and compared with what was asked, and its signature verified, before it leaves.\n"
      "\n"
      "  hsmbridge csr create --new-key web --san dns:www.example.com --out web.csr\n"
      "  hsmbridge csr create --key ca --subject 'C=CH, O=Example, CN=Issuing CA 2'\n"
      "    --ca --path-length 0 --usage keyCertSign --usage crlSign --out ca.csr\n"
      "\n"
      "Columns of --from: key, new-key, spec, out, and the options above without their\n"
      "dashes; several values of a CSV cell are parted by \"|\". A row replaces what is\n"
      "typed. Each row gives one line, in the order of the file; when one failed the\n"
      "exit code is 1. The token makes as many signatures at once as it has sessions\n"
      "(sessions in its configuration). The same command makes what is missing: a row\n"
      "whose file is there, and is the CSR that the row asks for, is left as it is.\n"
      "A row of new-key fails where a key of that label is there without the file; if\n"
      "an earlier run made it for this row and got no further, name it under key.\n",
  };
}

}  // namespace

std::vector<Command> csr_commands() {
  const commandline::Positional file{"FILE", "a CSR, PEM or DER"};
  return {
      csr_create_command(),
      {"csr", "show", "Show what a certificate request says", {}, {file}, show_csr, {ExitCode::failed}, ""},
      {"csr",
       "check",
       "Check a certificate request: its signature, its key, and what a profile asks",
       {{"--profile", "NAME", "compare with this profile of the configuration"}},
       {file},
       check_csr,
       {ExitCode::failed},
       "Prints each fault on a line of its own, with where it is written that it is one, and as\n"
       "notes what is odd about a server's names. A key is a fault when it is too small, or its\n"
       "private half can be computed (close primes, ROCA, small factors), or is known: it is in a\n"
       "list under `weak_keys` of the configuration, or a certificate for it was revoked here for\n"
       "keyCompromise. What `enroll --csr` would object to: hsmbridge enroll --csr FILE --check.\n"},
  };
}

}  // namespace hsmbridge::cli
