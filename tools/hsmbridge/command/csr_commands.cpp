#include "base/file.h"
#include "service/content/csr.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/usecase/csr_create.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "x509/judge/advice.h"
#include "x509/judge/render.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

x509::Csr read(const std::string& file) {
  try {
    return x509::parse_csr(x509::read_csr(read_file(file)));
  } catch (Error& error) {
    // read_file names the file already.
    if (error.kind() == ErrorKind::invalid_input) error.prefix(file);
    throw;
  }
}

ExitCode show(Invocation& invocation) {
  const x509::Csr csr = read(invocation.arguments.required("FILE"));
  invocation.output.result("hsmbridge.csr/1", x509::to_json(csr), x509::render(csr));
  const x509::SignatureCheck check = x509::check_signature(csr.parts, csr.spki);
  if (check.verdict == x509::SignatureVerdict::does_not_verify) {
    invocation.output.warning("its signature does not verify");
  } else if (!check.why.empty()) {
    invocation.output.warning("its signature " + x509::to_string(check));
  }
  return ExitCode::done;
}

ExitCode check(Invocation& invocation) {
  const std::string file = invocation.arguments.required("FILE");
  const config::ProfileSettings* profile = nullptr;
  std::optional<CommandContext> context;
  if (const auto name = invocation.arguments.text("--profile")) {
    context.emplace(invocation);
    profile = &context->profile(*name);
  }
  const x509::Csr csr = read(file);
  const auto faults = service::check_csr(csr, profile);
  const auto notes = x509::advice(csr.content);
  Json rows = Json(Json::Array{});
  std::string text;
  for (const service::CsrFault& fault : faults) {
    rows.push(Json::object({{"name", Json(fault.name)}, {"explanation", Json(fault.explanation)}}));
    text += fmt::format("{}: {}\n", fault.name, commandline::safe(fault.explanation));
  }
  if (faults.empty()) text = fmt::format("{}: no fault found\n", commandline::safe(file));
  for (const std::string& note : notes) text += fmt::format("note: {}\n", commandline::safe(note));
  invocation.output.result(
      "hsmbridge.csr-check/1",
      Json::object({{"file", Json(file)}, {"ok", Json(faults.empty())}, {"faults", rows}, {"notes", Json(notes)}}),
      text);
  return faults.empty() ? ExitCode::done : ExitCode::failed;
}

}  // namespace

std::vector<Command> csr_commands() {
  const commandline::Positional file{"FILE", "a CSR, PEM or DER"};
  return {
      csr_create_command(),
      {"csr", "show", "Show what a certificate request says", {}, {file}, show, {ExitCode::failed}, ""},
      {"csr",
       "check",
       "Check a certificate request: its signature, and what a profile asks",
       {{"--profile", "NAME", "compare with this profile of the configuration"}},
       {file},
       check,
       {ExitCode::failed},
       "Prints each fault on a line of its own, and as notes what is odd about a server's names.\n"},
  };
}

}  // namespace hsmbridge::cli
