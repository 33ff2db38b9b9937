#include "base/error.h"
#include "base/file.h"
#include "service/certificates/certificates.h"
#include "tools/hsmbridge/command/cert_life.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "x509/judge/chain.h"
#include "x509/judge/check.h"
#include "x509/judge/render.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Positional;
using commandline::Times;

std::vector<x509::Certificate> read(const std::string& file) {
  std::vector<x509::Certificate> certificates;
  for (const Bytes& der : x509::certificates_in_file(file, x509::Given::to_be_read)) {
    try {
      certificates.push_back(x509::parse_certificate(der));
    } catch (Error& error) {
      throw error.prefix(file);
    }
  }
  return certificates;
}

// The stored certificate that service::find_certificate finds under this name; nothing when it can be no such name, or
// no store is configured.
std::optional<workflow::CertificateRecord> stored_certificate(Invocation& invocation, const std::string& name) {
  constexpr std::size_t kLeast = 4;
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == ':'; };
  if (name.size() < kLeast || !std::all_of(name.begin(), name.end(), fits)) return std::nullopt;
  if (!config::find_file(invocation.config)) return std::nullopt;
  const auto wiring = Wiring::open(invocation.config);
  if (!wiring->settings().store.path) return std::nullopt;
  try {
    return service::find_certificate(*wiring->stores().open_to_look(), name);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    throw Error{ErrorKind::not_found, fmt::format("there is no file {}, and {}", name, error.message())}.hint(
        error.hint());
  }
}

// A file, or a certificate of the store by its SHA-256, as `request` names it.
struct Shown {
  std::vector<x509::Certificate> certificates;
  std::optional<workflow::CertificateRecord> record;
};
Shown read_or_find(Invocation& invocation, const std::string& name) {
  std::error_code ignored;
  if (!std::filesystem::exists(name, ignored)) {
    if (auto stored = stored_certificate(invocation, name)) {
      return {{x509::parse_certificate(stored->der)}, std::move(stored)};
    }
  }
  return {read(name), std::nullopt};
}

ExitCode show(Invocation& invocation) {
  Json rows = Json(Json::Array{});
  std::string text;
  for (const std::string& file : invocation.arguments.all("FILE")) {
    const Shown shown = read_or_find(invocation, file);
    for (const x509::Certificate& certificate : shown.certificates) {
      Json row = x509::to_json(certificate);
      row.set("file", Json(file));
      if (shown.record) {
        row.set("status", shown.record->status);
        row.set("request", shown.record->request.str());
        row.set("installed", Json(shown.record->installed));
      }
      rows.push(std::move(row));
      text += (text.empty() ? "" : "\n") + x509::render(certificate);
    }
    if (shown.record) text += record_text(invocation, *shown.record);
  }
  invocation.output.result("hsmbridge.cert-show/1", Json::object({{"certificates", std::move(rows)}}), text);
  return ExitCode::done;
}

// Trust anchors: what cannot be used is named, and the others count.
void add_anchors(Invocation& invocation, std::vector<x509::Certificate>& to, const std::string& file,
                 x509::Given given) {
  const auto bundle = x509::bundle_in_file(file, given);
  for (const Bytes& der : bundle.certificates) to.push_back(x509::parse_certificate(der));
  for (const std::string& skipped : bundle.skipped) {
    invocation.output.warning(fmt::format("{}: left out: {}", commandline::safe(file), commandline::safe(skipped)));
  }
}

void add(std::vector<x509::Certificate>& to, const std::vector<x509::Certificate>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// The answer to a CSR: everything that `request` would judge before it installs.
x509::Answer against_request(const std::vector<x509::Certificate>& given, x509::Expectation expected,
                             const std::string& csr_file, Instant at) {
  const x509::Csr csr = x509::parse_csr(x509::read_csr(read_file(csr_file)));
  const bool judges_chain = !expected.anchors.empty();
  expected.spki = csr.spki;
  expected.content = csr.content;
  x509::Answer answer = x509::check_answer(given.front(), expected, at);
  if (!judges_chain) {
    // Nobody named an anchor: then the question was the request alone.
    auto& findings = answer.findings;
    for (auto row = findings.begin(); row != findings.end();) {
      row = row->name == "chain-unanchored" ? findings.erase(row) : row + 1;
    }
  }
  return answer;
}

x509::Answer against_anchors(const std::vector<x509::Certificate>& given, const x509::Expectation& expected,
                             Instant at) {
  x509::Answer answer;
  x509::ChainResult chain = x509::build_chain(given.front(), expected.intermediates, expected.anchors, at);
  answer.chain = std::move(chain.chain);
  if (!chain.anchored) answer.findings.push_back({"chain-unanchored", x509::Severity::fatal, chain.why});
  return answer;
}

ExitCode verify(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const std::string file = arguments.required("FILE");
  const auto csr = arguments.text("--csr");
  SystemClock clock;
  const auto at = arguments.text("--at");
  const Instant when = at ? parse_rfc3339(*at) : clock.now();

  x509::Expectation expected;
  std::optional<CommandContext> context;
  if (const auto name = arguments.text("--profile")) {
    context.emplace(invocation);
    const config::ProfileSettings& profile = context->profile(*name);
    for (const auto& anchor : profile.anchors)
      add_anchors(invocation, expected.anchors, anchor.string(), x509::Given::to_be_believed);
    expected.accept = profile.accept;
    if (profile.validity) expected.lifetime = *profile.validity;
  }
  for (const std::string& anchor : arguments.all("--anchor"))
    add_anchors(invocation, expected.anchors, anchor, x509::Given::to_be_read);
  for (const std::string& name : arguments.all("--accept")) expected.accept.push_back(name);
  if (!csr && expected.anchors.empty()) {
    throw Error{ErrorKind::invalid_input, "there is nothing to verify against"}.hint(
        "give --csr FILE, --anchor FILE or both");
  }
  const auto given = read(file);
  expected.intermediates.assign(given.begin() + 1, given.end());
  for (const std::string& chain : arguments.all("--chain")) add(expected.intermediates, read(chain));
  if (!csr) {
    for (const std::string& name : expected.accept) x509::finding_kind(name);
  }
  const x509::Answer answer =
      csr ? against_request(given, expected, *csr, when) : against_anchors(given, expected, when);

  Json rows = Json(Json::Array{});
  std::string text;
  for (const x509::Finding& finding : answer.findings) {
    const bool fatal = finding.severity == x509::Severity::fatal;
    rows.push(Json::object(
        {{"name", Json(finding.name)}, {"fatal", Json(fatal)}, {"explanation", Json(finding.explanation)}}));
    text +=
        fmt::format("{}  {}: {}\n", fatal ? "fault" : "note ", finding.name, commandline::safe(finding.explanation));
  }
  std::vector<std::string> chain;
  for (const x509::Certificate& certificate : answer.chain) chain.push_back(certificate.subject().to_string());
  const bool ok = !answer.fatal();
  if (ok) {
    text += fmt::format("ok     {}{}\n", commandline::safe(given.front().subject().to_string()),
                        csr ? " answers the request" : "");
    for (std::size_t i = 1; i < chain.size(); ++i) {
      text += fmt::format("       under {}\n", commandline::safe(chain[i]));
    }
  }
  invocation.output.result(
      "hsmbridge.cert-verify/1",
      Json::object({{"file", Json(file)}, {"ok", Json(ok)}, {"findings", rows}, {"chain", Json(chain)}}), text);
  return ok ? ExitCode::done : ExitCode::failed;
}

// What needs no store: files.
std::vector<Command> file_commands() {
  return {
      {"cert",
       "show",
       "Show what certificates say",
       {},
       {{"FILE", "certificates, PEM or DER", Times::many}},
       show,
       {ExitCode::failed},
       ""},
      {"cert",
       "verify",
       "Verify a certificate against its request, trust anchors or both",
       {{"--csr", "FILE", "the request that it must answer"},
        {"--anchor", "FILE", "a certificate at which its chain must end", Times::many},
        {"--chain", "FILE", "intermediates, beside those in the file itself", Times::many},
        {"--profile", "NAME", "anchors, accepted deviations and validity of this profile"},
        {"--accept", "NAME", "a deviation that is reported only", Times::many},
        {"--at", "TIME", "the time at which it must be valid (RFC 3339), else now"}},
       {{"FILE", "the certificate; what follows it in the file is its chain"}},
       verify,
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
