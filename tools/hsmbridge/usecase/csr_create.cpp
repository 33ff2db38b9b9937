#include "tools/hsmbridge/usecase/csr_create.h"

#include "base/file.h"
#include "config/key_flaw.h"
#include "config/secret_source.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/keys/signer.h"
#include "service/content/batch.h"
#include "service/content/csr.h"
#include "tools/hsmbridge/usecase/ask_options.h"
#include "tools/hsmbridge/usecase/key_birth.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/prompt.h"
#include "tools/hsmbridge/wiring/token_access.h"
#include "x509/judge/advice.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <filesystem>
#include <set>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Option;

constexpr std::string_view kKeyUse = row_of(workflow::Purpose::csr).intent;

// One CSR to make: from the options, or from a row over the options.
struct Job {
  std::string key;      // selector of a key that is there
  std::string new_key;  // or the label of one to be made
  std::string spec;     // of the new one; "" for the profile's or P-256
  std::string out;      // "" for standard output
  service::AskWishes wishes;
};

struct Done {
  pkcs11::KeyInfo key;
  bool made = false;
  Bytes der;
  x509::RequestedContent ask;
};

// Everything a run shares: opened once, also for a thousand rows.
struct Run {
  Invocation& invocation;
  CommandContext& context;
  std::shared_ptr<pkcs11::Token> token;
  const config::ProfileSettings* profile = nullptr;
  std::optional<x509::Content> like;
  service::AskWishes typed;  // read once: a secret among them may be asked for on the terminal
  std::string form;
  Existing existing = Existing::refuse;
};

void require_one_key(const Job& job) {
  if (job.key.empty() == job.new_key.empty()) {
    throw Error{ErrorKind::invalid_input,
                job.key.empty() ? "no key is named" : "--key and --new-key contradict each other"}
        .hint("--key KEY for one that is in the token, --new-key LABEL to make one");
  }
}

std::string summary_of(const x509::Content& content) {
  std::string names;
  for (const x509::GeneralName& name : content.subject_alternative_names) {
    names += (names.empty() ? "" : ", ") + name.text;
  }
  if (content.subject.empty()) return names;
  return content.subject.to_string() + (names.empty() ? "" : " (" + names + ")");
}

x509::KeySpec spec_of(const Job& job, const config::ProfileSettings* profile) {
  if (!job.spec.empty()) return x509::parse_key_spec(job.spec);
  return x509::parse_key_spec(profile != nullptr && profile->key ? *profile->key : "ec:P-256");
}

// A key that could not sign what is asked is not made.
pkcs11::KeyInfo make_key(Run& run, const Job& job, const x509::RequestedContent& ask) {
  const x509::KeySpec spec = spec_of(job, run.profile);
  pkcs11::expect_to_sign(*run.token, service::algorithm_for(ask, spec));
  return make_keys(run.context, *run.token, {{job.new_key}, spec, pkcs11::KeyUse::sign, std::nullopt}).front().key;
}

// What can be refused is refused before a key is made or used.
Done carry_out(Run& run, const Job& job) {
  require_one_key(job);
  Done done;
  done.ask = service::build_ask(run.like ? &*run.like : nullptr, run.profile, job.wishes);
  if (!job.out.empty() && run.existing == Existing::refuse && std::filesystem::exists(job.out)) {
    throw Error{ErrorKind::conflict, fmt::format("{} exists already, nothing was done", job.out)}.hint(
        "name another file, or give --force to replace it");
  }
  if (job.key.empty()) {
    done.key = make_key(run, job, done.ask);
    done.made = true;
  } else {
    done.key = pkcs11::find_key(*run.token, pkcs11::KeySelector::parse(job.key));
  }
  const auto write_down = [&](std::string_view kind, const Json& facts) {
    if (kind != kKeyUse || !run.context.is_planned(run.token->name(), done.key.id)) {
      run.context.record(kind, facts);
    } else {
      // Only planned, as far as the store knew, and in use now.
      run.context.record_key(kind, facts, key_record(*run.token, done.key, "active", run.context.clock().now()));
    }
  };
  const auto signer = pkcs11::TokenKey::open(
      run.token, done.key,
      {workflow::Purpose::csr, "csr", Json::object({{"subject", Json(done.ask.content.subject.to_string())}}),
       service::accepted_of_key(run.profile, job.wishes)},
      write_down);
  done.key = signer->info();
  done.der = service::create_csr(*signer, done.ask);
  if (!job.out.empty()) {
    const std::string pem = x509::csr_to_pem(done.der);
    write_file(job.out, run.form == "der" ? ByteView(done.der) : as_bytes(pem), FileMode::public_0644, run.existing);
  }
  return done;
}

Json json_of(const Job& job, const Done& done, const Run& run) {
  Json object = Json::object({{"token", Json(run.token->name())},
                              {"key", Json(done.key.uri)},
                              {"key_made", Json(done.made)},
                              {"spki_sha256", Json(done.key.spki_hash.str())},
                              {"subject", Json(done.ask.content.subject.to_string())},
                              {"csr_sha256", Json(hex(sha256(done.der)))}});
  std::vector<std::string> names;
  for (const x509::GeneralName& name : done.ask.content.subject_alternative_names) names.push_back(name.text);
  object.set("names", Json(names));
  if (job.out.empty()) {
    object.set("pem", Json(x509::csr_to_pem(done.der)));
  } else {
    object.set("file", Json(job.out));
  }
  return object;
}

ExitCode create_one(Run& run) {
  const Arguments& arguments = run.invocation.arguments;
  Output& output = run.invocation.output;
  Job job;
  job.key = arguments.text_or("--key", "");
  job.new_key = arguments.text_or("--new-key", "");
  job.spec = arguments.text_or("--spec", "");
  job.out = arguments.text_or("--out", "");
  job.wishes = run.typed;
  if (job.out.empty() && run.form == "der" && output.stdout_is_terminal() && !output.json()) {
    throw Error{ErrorKind::invalid_input, "DER is not for a terminal"}.hint("give --out FILE");
  }
  const Done done = carry_out(run, job);
  for (const std::string& sentence : x509::advice(done.ask.content)) output.warning(sentence);
  if (done.made) {
    output.note(fmt::format("made key {} ({}, id {}) in token {}", done.key.label, done.key.type, hex(done.key.id),
                            run.token->name()));
  }
  if (output.json()) {
    output.result("hsmbridge.csr-create/1", json_of(job, done, run), "");
  } else if (job.out.empty()) {
    output.raw(run.form == "der" ? to_text(done.der) : x509::csr_to_pem(done.der));
  } else {
    output.result("hsmbridge.csr-create/1", json_of(job, done, run),
                  fmt::format("{}: {}\n", commandline::safe(job.out), commandline::safe(summary_of(done.ask.content))));
    output.note(fmt::format("next: hsmbridge csr show {}", shell_word(job.out)));
  }
  return ExitCode::done;
}

Job job_of(const Run& run, const service::BatchRow& row, const std::string& folder) {
  const Arguments& arguments = run.invocation.arguments;
  Job job;
  job.key = row.text_or("key", arguments.text_or("--key", ""));
  job.new_key = row.text_or("new-key", arguments.text_or("--new-key", ""));
  if (row.has("key") && !row.has("new-key")) job.new_key.clear();
  if (row.has("new-key") && !row.has("key")) job.key.clear();
  job.spec = row.text_or("spec", arguments.text_or("--spec", ""));
  job.out = row.text_or("out", "");
  if (job.out.empty()) {
    const std::string& name = job.new_key.empty() ? job.key : job.new_key;
    if (name.empty() || name.find('/') != std::string::npos || name.front() == '.') {
      throw Error{ErrorKind::invalid_input, "no file name follows from the key's name"}.hint("add a column out");
    }
    job.out = name + ".csr";
  }
  if (!folder.empty()) job.out = (std::filesystem::path(folder) / job.out).string();
  job.wishes = service::wishes_of(row, run.typed);
  return job;
}

// One result line a row, as it happens; a row that fails stops nobody else's.
ExitCode create_many(Run& run, const std::string& file) {
  const Arguments& arguments = run.invocation.arguments;
  Output& output = run.invocation.output;
  std::vector<std::string> columns = {"key", "new-key", "spec", "out"};
  columns.insert(columns.end(), service::ask_columns().begin(), service::ask_columns().end());
  std::vector<service::BatchRow> rows;
  try {
    rows = service::read_batch(as_text(read_file(file)), columns);
  } catch (Error& error) {
    throw error.prefix(file);
  }
  if (arguments.has("--out")) {
    throw Error{ErrorKind::invalid_input, "--out is for one CSR"}.hint("a column out, and --out-directory DIRECTORY");
  }
  // One attempt for all rows: a thousand rows must not spend a thousand PINs.
  run.token->login();
  std::set<std::string> written;
  std::size_t failed = 0;
  for (const service::BatchRow& row : rows) {
    Json object = Json::object({{"line", Json(static_cast<std::uint64_t>(row.line))}});
    try {
      const Job job = job_of(run, row, arguments.text_or("--out-directory", ""));
      if (!written.insert(job.out).second) {
        throw Error{ErrorKind::conflict, fmt::format("{} is the file of an earlier row", job.out)};
      }
      const Done done = carry_out(run, job);
      object.set("ok", Json(true));
      const Json more = json_of(job, done, run);
      for (const auto& [name, value] : more.as_object()) object.set(name, value);
      output.result("hsmbridge.csr-row/1", object,
                    fmt::format("line {}: ok      {}: {}\n", row.line, commandline::safe(job.out),
                                commandline::safe(summary_of(done.ask.content))));
    } catch (...) {
      const Error error = current_error();
      ++failed;
      object.set("ok", Json(false));
      object.set("error", Json::object({{"kind", Json(to_string(error.kind()))},
                                        {"message", Json(error.message())},
                                        {"hint", Json(error.hint())}}));
      output.result("hsmbridge.csr-row/1", object,
                    fmt::format("line {}: failed  {}\n", row.line, commandline::safe(error.message())));
    }
  }
  output.note(fmt::format("{} of {} made", rows.size() - failed, rows.size()));
  return failed == 0 ? ExitCode::done : ExitCode::failed;
}

ExitCode create(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  CommandContext context(invocation);
  Run run{invocation,      context, nullptr, nullptr, std::nullopt, {}, arguments.text_or("--form", "pem"),
          Existing::refuse};
  if (run.form != "pem" && run.form != "der") {
    throw Error{ErrorKind::invalid_input, fmt::format("there is no form \"{}\"", run.form)}.hint("pem or der");
  }
  if (arguments.has("--force")) run.existing = Existing::replace;
  if (const auto name = arguments.text("--profile")) run.profile = &context.profile(*name);
  if (const auto like = arguments.text("--like")) run.like = like_content(*like);
  run.typed = content_wishes(arguments);
  run.typed.accept = arguments.all("--accept");
  for (const std::string& name : run.typed.accept) {
    if (config::is_key_flaw(name)) continue;
    throw Error{ErrorKind::invalid_input, fmt::format("\"{}\" is not a flaw of a key that can be accepted", name)}.hint(
        "hsmbridge key show names the flaws of a key");
  }
  if (const auto source = arguments.text("--challenge-password")) {
    const auto password = config::SecretSource::parse(*source, config::SecretUse::any, std::filesystem::current_path());
    run.typed.challenge_password = std::string(password.fetch(terminal_prompter(), "the challenge password").reveal());
  }
  const auto file = arguments.text("--from");
  if (!file) {
    // A malformed name is the user's to mend whether the token is there or not: judged before it is opened.
    const Job job{
        arguments.text_or("--key", ""), arguments.text_or("--new-key", ""), arguments.text_or("--spec", ""), "", {}};
    require_one_key(job);
    const x509::RequestedContent ask = service::build_ask(run.like ? &*run.like : nullptr, run.profile, run.typed);
    if (job.key.empty()) service::algorithm_for(ask, spec_of(job, run.profile));
  }
  run.token = context.token(run.profile != nullptr ? run.profile->token : std::nullopt);
  return file ? create_many(run, *file) : create_one(run);
}

}  // namespace

Command csr_create_command() {
  std::vector<Option> options = {
      {"--key", "KEY", "the key: its label, id=HEX, or RFC 7512 URI"},
      {"--new-key", "LABEL", "make this key first"},
      {"--spec", "KIND", "of the new key: ec:P-256 (default), ed25519, rsa:3072, …"},
      {"--accept", "FLAW", "use the key although it has this flaw: see key show", commandline::Times::many},
  };
  const std::vector<Option> models = {
      {"--challenge-password", "SOURCE", "env:NAME or file:PATH; readable by whoever reads the CSR"},
      {"--profile", "NAME", "start from this profile of the configuration"},
      {"--like", "FILE", "start from what this certificate or CSR says"},
  };
  for (const auto& more : {content_options(), models, token_options()}) {
    options.insert(options.end(), more.begin(), more.end());
  }
  const std::vector<Option> files = {
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
      "typed. Each row gives one line; when one failed the exit code is 1.\n",
  };
}

}  // namespace hsmbridge::cli
