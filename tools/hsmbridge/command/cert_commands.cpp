#include "service/certificates/files.h"
#include "tools/hsmbridge/command/cert_life.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/certificate.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "views/certificates.h"

#include <filesystem>
#include <optional>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Positional;
using commandline::Times;

// A file, or a certificate of the store by its SHA-256, as `request` names it.
struct Shown {
  std::vector<x509::Certificate> certificates;
  std::optional<service::CertificateRow> row;
};
Shown read_or_find(CommandContext& context, const std::string& name) {
  std::error_code ignored;
  if (!std::filesystem::exists(name, ignored) && service::may_name_certificate(name)) {
    if (const auto store = context.store_that_is_there()) {
      const auto stored = service::stored_certificate(*store, name);
      return {{x509::parse_certificate(stored.der)},
              service::row_of(*store, stored, context.configured().settings(), context.clock().now())};
    }
  }
  return {service::certificates_in(name), std::nullopt};
}

ExitCode show_certificate(Invocation& invocation) {
  CommandContext context(invocation);
  Json rows = Json::array();
  std::string text;
  for (const std::string& name : invocation.arguments.all("FILE")) {
    const Shown shown = read_or_find(context, name);
    for (const auto& certificate : shown.certificates) {
      rows.push(views::certificate(certificate, name, shown.row ? &shown.row->record : nullptr));
      text += (text.empty() ? "" : "\n") + certificate_text(certificate);
    }
    if (shown.row) text += record_text(*shown.row, context.clock().now());
  }
  invocation.output.result("hsmbridge.cert-show/1", Json::object({{"certificates", std::move(rows)}}), text);
  return ExitCode::done;
}

ExitCode verify_certificate(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  CommandContext context(invocation);
  service::VerifyCertificate question;
  question.file = arguments.required("FILE");
  question.csr = arguments.text("--csr");
  const auto at = arguments.text("--at");
  question.at = at ? parse_rfc3339(*at) : context.clock().now();
  if (const auto name = arguments.text("--profile")) question.profile = &context.profile(*name);
  question.anchors = arguments.all("--anchor");
  question.chain = arguments.all("--chain");
  question.accept = arguments.all("--accept");
  question.left_out = [&](const std::string& why) { invocation.output.warning(commandline::safe(why)); };
  const auto verified = service::verify_certificate(question);
  invocation.output.result("hsmbridge.cert-verify/1", views::verified_certificate(question.file, verified),
                           verified_text(verified, question.csr.has_value()));
  return verified.ok ? ExitCode::done : ExitCode::failed;
}

// What needs no store: files.
std::vector<Command> file_commands() {
  return {
      {"cert",
       "show",
       "Show what certificates say",
       {},
       {{"FILE", "certificates, PEM or DER", Times::many}},
       show_certificate,
       {ExitCode::failed},
       ""},
      {"cert",
       "verify",
       "Verify a certificate against its request, trust anchors or both",
       {{"--csr", "FILE", "the request that it must answer"},
        {"--anchor", "FILE", "a certificate at which its chain must end", Times::many},
        {"--chain", "FILE", "intermediates, in addition to those in the file", Times::many},
        {"--profile", "NAME", "anchors, accepted deviations and validity of this profile"},
        {"--accept", "NAME", "a deviation that is reported only", Times::many},
        {"--at", "TIME", "the time at which it must be valid (RFC 3339), else now"}},
       {{"FILE", "the certificate; what follows it in the file is its chain"}},
       verify_certificate,
       {ExitCode::failed},
       "One line a finding: faults (exit code 1) and notes.\n"},
  };
}

}  // namespace

std::vector<Command> cert_commands() {
  std::vector<Command> commands = certificate_life_commands();
  for (auto& more : {certificate_place_commands(), file_commands()}) {
    commands.insert(commands.end(), more.begin(), more.end());
  }
  return commands;
}

}  // namespace hsmbridge::cli
