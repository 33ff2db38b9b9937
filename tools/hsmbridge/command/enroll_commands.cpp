#include "base/error.h"
#include "service/content/csr.h"
#include "service/requests/enrolment.h"
#include "tools/hsmbridge/command/ask_options.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/command/request_wait.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "views/requests.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Option;
using commandline::Times;

// Orders it, or finds the request that the same words ordered before.
service::Enrolment order_once(Output& output, Wiring& wiring, workflow::Store& store,
                              const service::NewEnrolment& wanted) {
  auto made = service::enroll(wiring.actor(), wiring, store, wanted);
  switch (made.how) {
    case service::Enrolment::How::ordered:
      break;
    case service::Enrolment::How::open:
      output.note(fmt::format("request {} is open for exactly this: going on with it", made.id.str()));
      break;
    case service::Enrolment::How::done:
      output.note(fmt::format("request {} did exactly this: nothing is ordered again", made.id.str()));
      break;
  }
  if (made.uses_left_over_key) {
    output.note(
        fmt::format("key {} was made for a request that ended without a certificate: using it", *wanted.new_key));
  }
  for (const auto& sentence : made.advice) output.warning(sentence);
  return made;
}

service::NewEnrolment wanted_enrolment(const Arguments& arguments) {
  service::NewEnrolment wanted;
  wanted.provider = arguments.text("--provider");
  wanted.profile = arguments.text("--profile");
  wanted.token = arguments.text("--token");
  wanted.new_key = arguments.text("--new-key");
  wanted.spec = arguments.text("--spec");
  wanted.key = arguments.text("--key");
  wanted.csr = arguments.text("--csr");
  wanted.wishes = order_wishes(arguments);
  if (const auto like = arguments.text("--like")) {
    wanted.like = service::content_in(*like);
  }
  wanted.install = arguments.all("--install");
  if (const auto deadline = arguments.text("--deadline")) wanted.deadline = parse_duration(*deadline);
  return wanted;
}

ExitCode enroll_many(Invocation& invocation, Wiring& wiring, const service::NewEnrolment& typed, const Pace& pace) {
  const auto rows = service::rows_in(invocation.arguments.required("--from"), service::enrolment_columns());
  const auto store = wiring.store();
  ManyRequests many(invocation.output, "hsmbridge.enroll-row/1", rows.size());
  std::size_t there = 0;
  for (const auto& row : rows) {
    many.make(fmt::format("line {}", row.line), "line", static_cast<std::int64_t>(row.line), [&] {
      const auto made = order_once(invocation.output, wiring, *store, service::enrolment_of(row, typed));
      if (made.how != service::Enrolment::How::ordered) ++there;
      return made.id;
    });
  }
  if (there > 0) invocation.output.note(fmt::format("{} of {} were ordered before", there, rows.size()));
  const auto code = many.finish(wiring, *store, pace, true);
  invocation.output.note("next: hsmbridge request list --open");
  return code;
}

ExitCode check_enrolment(Invocation& invocation) {
  for (const auto* other : {"--wait", "--queue", "--from"}) {
    if (invocation.arguments.has(other)) {
      throw Error{ErrorKind::invalid_input, fmt::format("--check creates nothing: it does not go with {}", other)};
    }
  }
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto check = service::check_enrolment(wiring->actor(), *wiring, *store, wanted_enrolment(invocation.arguments));
  const bool good = check.csr_faults.empty() && check.reasons.empty() && check.objections.empty();
  std::string text;
  const auto add = [&](const std::string& title, const std::vector<std::string>& lines) {
    if (lines.empty()) return;
    text += title + "\n";
    for (const auto& line : lines) text += "  - " + commandline::safe(line) + "\n";
  };
  add("the CSR is refused:", check.csr_faults);
  add(fmt::format("{} cannot carry this request:", check.provider), check.reasons);
  add(fmt::format("{} itself would refuse it:", check.provider), check.objections);
  if (good) text = fmt::format("no objections at {}; {}\n", check.provider, check.dry_run);
  add("to know:", check.notes);
  invocation.output.result("hsmbridge.enroll-check/1", views::enrolment_check(check), text);
  return good ? ExitCode::done : ExitCode::refused;
}

ExitCode enroll(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const auto pace = pace_of(arguments);
  if (arguments.has("--check")) return check_enrolment(invocation);
  const auto wanted = wanted_enrolment(arguments);
  const auto wiring = Wiring::open(invocation.config);
  if (arguments.has("--from")) return enroll_many(invocation, *wiring, wanted, pace);
  const auto store = wiring->store();
  return finish(invocation.output, *wiring, *store, order_once(invocation.output, *wiring, *store, wanted).id, pace);
}

std::vector<Option> options() {
  std::vector<Option> rows{
      {"--provider", "NAME", "who issues; else the profile's"},
      {"--profile", "NAME", "what to order; may be left out when there is only one"},
      {"--token", "NAME", "the key's token; else the profile's"},
      {"--new-key", "LABEL", "make this key in the token"},
      {"--spec", "KIND", "with --new-key: ec:P-256, ec:P-384, ec:P-521, rsa:3072, ed25519; else the profile's"},
      {"--key", "SELECTOR", "use this key: its label, id=HEX or a pkcs11: URI"},
      {"--csr", "FILE", "send this CSR, which somebody else made (PEM or DER): no token is used"},
      {"--like", "FILE", "ask for what this certificate says"},
      {"--install", "TARGET", "token, file:PATH, provider:import; in addition to the profile's", Times::many},
      {"--deadline", "DURATION", "give up when no certificate came within this time"},
      {"--wait", "", "work on it until the certificate is there"},
      {"--timeout", "DURATION", "with --wait: come back after this long"},
      {"--from", "FILE", "many: CSV or JSON lines with these options as columns"},
      {"--queue", "", "only write it down: `hsmbridge run` does all the work"},
      {"--check", "", "create nothing: say what the provider's rules, and its dry run, would object"},
  };
  for (const auto& more : {content_options(), order_options()}) rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace

std::vector<Command> enroll_commands() {
  return {{"enroll",
           "",
           "Get a certificate for a key in a token, or for somebody else's CSR: with --wait until it is there",
           options(),
           {},
           enroll,
           {ExitCode::failed, ExitCode::pending, ExitCode::refused, ExitCode::unavailable, ExitCode::unresolved},
           "  hsmbridge enroll --provider tsb --profile server --new-key web-2026 \\\n"
           "      --san dns:www.example.com --wait\n"
           "Without --wait it returns as soon as someone else must act (exit 3, the\n"
           "request id on standard output); `request wait ID`, `run` or a later day carry\n"
           "on. Typing it again goes on with the open request, or says that it is done: nothing\n"
           "is ordered twice.\n"
           "\n"
           "  hsmbridge enroll --csr appliance.csr --profile appliance --wait\n"
           "The CSR goes as it is, once its signature was verified, its key examined and what it\n"
           "asks compared with the profile (`copy` says what a CSR may decide) and with what is\n"
           "typed; --check prints every objection. The certificate goes into files and to the\n"
           "profile's hook, or `cert export` writes it out. `hsmbridge help certificates` tells more.\n"}};
}

}  // namespace hsmbridge::cli
