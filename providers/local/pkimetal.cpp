#include "providers/local/pkimetal.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "base/unicode.h"
#include "net/url.h"
#include "x509/asn1/bounds.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hsmbridge::local {
namespace {

using ca::LinterWord;
using ca::LintSeverity;
using ca::no_verdict;

constexpr std::string_view kPkimetal = "pkimetal";

// linter/severity.go.
constexpr auto kPkimetalWords = std::to_array<LinterWord>({
    {"meta", std::nullopt},
    {"debug", std::nullopt},
    {"info", std::nullopt},
    {"notice", std::nullopt},
    {"warning", LintSeverity::warning},
    {"error", LintSeverity::error},
    {"bug", LintSeverity::error},
    {"fatal", LintSeverity::error},
});

// It refuses with 200 and a line of its own: no other answer is of its form.
constexpr providers::Dialect kDialect{
    kPkimetal, [](std::string_view, const net::Response&) -> std::optional<providers::Refused> { return std::nullopt; },
    200};

// TBSCertList of an issuer "hsmbridge": what is asked about where nothing but the answer's version is wanted.
constexpr std::string_view kProbe =
    "3043020101"
    "300a06082a8648ce3d040302"
    "3014311230100603550403"
    "0c0968736d627269646765"
    "170d3236303130313030303030305a"
    "170d3236303130353030303030305a";

// One entry of an answer.
struct Line {
  std::string linter, finding, field, code, severity;
};

std::vector<Line> lines_in(std::string_view answer) {
  std::vector<Line> lines;
  const Json json = Json::parse(answer);
  for (const Json& one : json.as_array()) {
    lines.push_back({one.at("Linter").as_string(), one.at("Finding").as_string(), one.string_or("Field", ""),
                     one.string_or("Code", ""), one.at("Severity").as_string()});
  }
  return lines;
}

// What `read` makes of an answer that is JSON of a known form.
template <class Read>
auto read_form(Read read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    no_verdict(kPkimetal, "its answer cannot be read: " + error.message());
  }
}

// Its first line: "Profile: tbr_leaf_tlsserver_dv; Version: v1.36.0". Whatever else it says of itself is a trouble.
std::string version_in(const std::vector<Line>& lines) {
  constexpr std::string_view kBefore = "; Version: ";
  std::string version;
  for (const Line& line : lines) {
    if (line.linter != kPkimetal) continue;
    if (line.severity != "meta") no_verdict(kPkimetal, "it says: " + printable(x509::bounded(line.finding)));
    const std::size_t at = line.finding.find(kBefore);
    if (line.finding.starts_with("Profile: ") && at != std::string::npos) {
      version = printable(x509::bounded(line.finding.substr(at + kBefore.size())));
    }
  }
  if (version.empty()) no_verdict(kPkimetal, "its answer does not begin with its own profile and version");
  return version;
}

// What the end of a linter's work looks like.
enum class Done { no, passed_over, used };
Done done_in(const std::vector<Line>& lines, const std::string& linter) {
  for (const Line& line : lines) {
    if (line.linter != linter || line.severity != "meta") continue;
    if (line.finding.starts_with("Queued: ")) return Done::used;
    if (line.finding.starts_with(linter + ": Not used [")) return Done::passed_over;
  }
  return Done::no;
}

}  // namespace

Pkimetal::Pkimetal(PkimetalSettings settings, const Clock& clock, Duration limit)
    : Pkimetal(std::move(settings), nullptr, clock, limit) {}

Pkimetal::Pkimetal(PkimetalSettings settings, std::shared_ptr<net::Transport> transport, const Clock& clock,
                   Duration limit)
    : settings_(std::move(settings)), clock_(clock), limit_(limit), transport_(std::move(transport)) {}

std::string Pkimetal::said_by(ca::Artefact artefact) {
  const Duration end = clock_.since_boot() + limit_;
  std::vector<PkimetalBackend> all = backends(limit_);
  const std::string own = version(all, end - clock_.since_boot());
  std::erase_if(all, [](const PkimetalBackend& one) { return !one.runs; });
  return fmt::format("pkimetal {} ({}) by the profile {}", own,
                     joined(all, ", ", [](const PkimetalBackend& one) { return one.name + " " + one.version; }),
                     profile(artefact));
}

std::vector<ca::LintFinding> Pkimetal::lint(ca::Artefact artefact, ByteView to_be_signed) {
  const Duration end = clock_.since_boot() + limit_;
  const std::vector<PkimetalBackend> all = backends(limit_);
  PkimetalVerdict verdict = pkimetal_verdict(asked(artefact, to_be_signed, end - clock_.since_boot()), all);
  learnt(all, std::move(verdict.version));
  return std::move(verdict.findings);
}

providers::ApiClient& Pkimetal::client() {
  const std::lock_guard lock(mutex_);
  if (!client_) {
    if (!transport_) transport_ = providers::make_transport(settings_.connection, {});
    client_ = std::make_unique<providers::ApiClient>(transport_, kDialect, std::vector<providers::CredentialHeader>{},
                                                     clock_);
  }
  return *client_;
}

std::string Pkimetal::told(net::Request request, Duration limit) {
  try {
    return client().call(std::move(request), limit).success().body;
  } catch (const Error& error) {
    no_verdict(kPkimetal, error);
  }
}

std::vector<PkimetalBackend> Pkimetal::backends(Duration limit) {
  return pkimetal_backends(told({"GET", "/linters", {}, "", net::Repeat::allowed}, limit));
}

std::string Pkimetal::asked(ca::Artefact artefact, ByteView to_be_signed, Duration limit) {
  const std::string form =
      fmt::format("b64input={}&profile={}&format=json&severity=meta", net::percent_encode(base64(to_be_signed)),
                  net::percent_encode(profile(artefact)));
  return told({"POST",
               artefact == ca::Artefact::certificate ? "/linttbscert" : "/linttbscrl",
               {{"Content-Type", "application/x-www-form-urlencoded"}},
               form,
               net::Repeat::allowed},
              limit);
}

// It is told with a verdict, and nowhere else in a form for programs.
std::string Pkimetal::version(const std::vector<PkimetalBackend>& backends, Duration limit) {
  {
    const std::lock_guard lock(mutex_);
    if (!version_.empty() && backends == backends_) return version_;
  }
  const std::string answer = asked(ca::Artefact::crl, from_hex(kProbe), limit);
  std::string version = read_form([&] { return version_in(lines_in(answer)); });
  learnt(backends, version);
  return version;
}

void Pkimetal::learnt(const std::vector<PkimetalBackend>& backends, std::string version) {
  const std::lock_guard lock(mutex_);
  version_ = std::move(version);
  backends_ = backends;
}

std::vector<PkimetalBackend> pkimetal_backends(std::string_view answer) {
  return read_form([&] {
    std::vector<PkimetalBackend> all;
    const Json json = Json::parse(answer);
    for (const Json& one : json.as_array()) {
      all.push_back({one.at("Name").as_string(), printable(x509::bounded(one.at("Version").as_string())),
                     one.at("Instances").as_integer() > 0});
    }
    if (std::none_of(all.begin(), all.end(), [](const PkimetalBackend& one) { return one.runs; })) {
      no_verdict(kPkimetal, "it runs no linter");
    }
    return all;
  });
}

PkimetalVerdict pkimetal_verdict(std::string_view answer, const std::vector<PkimetalBackend>& backends) {
  return read_form([&] {
    const std::vector<Line> lines = lines_in(answer);
    PkimetalVerdict verdict{version_in(lines), {}};
    bool any_used = false;
    for (const PkimetalBackend& backend : backends) {
      if (!backend.runs) continue;
      const Done done = done_in(lines, backend.name);
      if (done == Done::no) no_verdict(kPkimetal, fmt::format("its linter {} did not answer in time", backend.name));
      any_used = any_used || done == Done::used;
    }
    if (!any_used) no_verdict(kPkimetal, "none of its linters is for this");
    for (const Line& line : lines) {
      const ca::Meaning meaning = ca::meaning_of(kPkimetalWords, line.severity, kPkimetal, line.linter);
      if (!meaning) continue;
      verdict.findings.push_back(ca::found_by(kPkimetal,
                                              line.code.empty() ? line.linter : line.linter + "/" + line.code, *meaning,
                                              line.field.empty() ? line.finding : line.finding + " at " + line.field));
    }
    return verdict;
  });
}

}  // namespace hsmbridge::local
