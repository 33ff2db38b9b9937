#include "base/error.h"
#include "service/authorities/authorities.h"
#include "service/authorities/crl_request.h"
#include "service/authorities/cross_sign.h"
#include "service/authorities/takeover.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/command/request_wait.h"
#include "tools/hsmbridge/text/authority.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "views/authorities.h"

#include <fmt/core.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::cli {

namespace {

using commandline::Option;
using commandline::Positional;
using commandline::safe;
using From = workflow::Takeover::From;

ExitCode list_authorities(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto all = service::authorities(*wiring);
  invocation.output.result("hsmbridge.ca-list/1", views::authorities(all), authorities_text(all));
  return ExitCode::done;
}

ExitCode show_authority(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto one = service::authority(*wiring, invocation.arguments.required("NAME"));
  const auto at_urls = service::look_at_urls(one);
  invocation.output.result("hsmbridge.ca/1", views::authority(one, at_urls), authority_text(one, at_urls));
  return ExitCode::done;
}

// Of all that is read back, the worst. Nothing, where it is all as it was published.
std::optional<ExitCode> code_of_urls(const std::vector<std::optional<service::CrlAtUrl>>& at_urls) {
  using Gives = service::CrlAtUrl::Gives;
  // What a URL gives, the exit code; the worst first.
  constexpr std::pair<Gives, ExitCode> kCodes[] = {{Gives::something_else, ExitCode::failed},
                                                   {Gives::nothing, ExitCode::unavailable},
                                                   {Gives::an_older_one, ExitCode::pending}};
  for (const auto& [gives, code] : kCodes) {
    for (const auto& one : at_urls) {
      if (one && one->gives == gives) return code;
    }
  }
  return std::nullopt;
}

void ask(Invocation& invocation, const std::string& question) {
  if (invocation.arguments.has("--yes")) return;
  if (!commandline::confirm(invocation.output, question, "give --yes to go on without being asked")) {
    throw Error{ErrorKind::refused, "not confirmed, nothing was made"};
  }
}

ExitCode init_root(Invocation& invocation, const std::string& name) {
  for (const auto* other : {"--profile", "--path-length"}) {
    if (invocation.arguments.has(other)) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} is for a CA below another one (--parent)", other)}.hint(
          fmt::format("what a root says of itself is in the configuration: providers: {}: root", name));
    }
  }
  CommandContext context(invocation);
  auto& wiring = context.configured();
  const auto store = wiring.store();
  const auto root = service::plan_root(wiring, *store, name);
  const auto& view = root.authority.view;
  ask(invocation,
      fmt::format("{} key {} in token {}, and let it certify itself in {}?", root.key_is_there ? "Use the" : "Make the",
                  safe(view.key), safe(view.token), safe(view.file.string())));
  if (root.is_frozen) {
    invocation.output.note("an earlier try did not come to its end: what it was about to sign is signed again");
  }
  service::make_root(wiring.actor(), wiring, *store, context.log(), root);
  const auto made = service::authority(wiring, name);
  invocation.output.result("hsmbridge.ca/1", views::authority(made, {}), authority_text(made, {}));
  invocation.output.note(fmt::format("next: take {} to whoever shall trust it, and name it under `anchors` of profiles",
                                     view.file.string()));
  return ExitCode::done;
}

ExitCode init(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const std::string name = arguments.required("NAME");
  const auto parent = arguments.text("--parent");
  if (!parent) return init_root(invocation, name);
  service::NewSubordinate wanted{name, *parent, arguments.text_or("--profile", "sub-ca"), std::nullopt};
  if (const auto length = arguments.number("--path-length", 0, 100)) {
    wanted.path_length = static_cast<unsigned>(*length);
  }
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto planned = service::subordinate_request(*wiring, *store, wanted);
  const auto& request = planned.enrolment;
  ask(invocation, fmt::format("{} key {} in token {}, and ask {} for a certificate of a CA?",
                              request.new_key ? "Make the" : "Use the", safe(request.new_key.value_or(*request.key)),
                              safe(*request.token), safe(*parent)));
  service::begin_subordinate(wiring->actor(), *store, name, planned, wiring->clock().now());
  const auto made = service::enroll(wiring->actor(), *wiring, *store, request);
  if (made.how == service::Enrolment::How::open) {
    invocation.output.note(fmt::format("request {} is open for exactly this: going on with it", made.id.str()));
  }
  return finish(invocation.output, *wiring, *store, made.id, Pace{});
}

// What the new certificate would say, and what not, before anything is asked for.
void tell_differences(Invocation& invocation, const service::CrossSigning& planned) {
  for (const auto& line : planned.differences) invocation.output.note(safe(line));
}

ExitCode cross_sign(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  service::NewCrossSigning wanted{arguments.required("NAME"),
                                  arguments.text_or("--profile", "cross-ca"),
                                  arguments.required("--certificate"),
                                  std::nullopt,
                                  arguments.text("--csr"),
                                  std::nullopt};
  if (const auto file = arguments.text("--issuer")) wanted.issuer = *file;
  if (const auto file = arguments.text("--out")) wanted.out = *file;
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto planned = service::plan_cross_signing(*wiring, *store, wanted);
  if (const auto& done = planned.done) {
    invocation.output.note(fmt::format("request {} brought the certificate for exactly this", done->str()));
    return finish(invocation.output, *wiring, *store, *done, Pace{});
  }
  if (const auto& open = planned.open) {
    invocation.output.note(fmt::format("request {} is open for exactly this: going on with it", open->str()));
    return finish(invocation.output, *wiring, *store, *open, Pace{});
  }
  tell_differences(invocation, planned);
  ask(invocation, fmt::format("Let the CA {} certify the CA \"{}\" ({}) too, in {}?", safe(wanted.name),
                              safe(planned.subject), safe(planned.key), safe(planned.file.string())));
  const auto made = service::enroll(wiring->actor(), *wiring, *store, planned.enrolment);
  return finish(invocation.output, *wiring, *store, made.id, Pace{});
}

ExitCode check_crl(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto check = service::check_crl(*wiring, invocation.arguments.required("NAME"));
  invocation.output.result("hsmbridge.ca-crl-check/1", views::crl_check(check), crl_check_text(check));
  if (const auto& obstacle = check.authority.view.obstacle) {
    if (!obstacle->hint().empty()) invocation.output.note(obstacle->hint());
    return ExitCode::failed;
  }
  std::vector<std::optional<service::CrlAtUrl>> at_urls;
  for (const auto& one : check.crls) {
    if (!one.fault.empty()) return ExitCode::failed;
    at_urls.push_back(one.at_url);
  }
  return code_of_urls(at_urls).value_or(ExitCode::done);
}

// Whoever has it signed approves at a service, perhaps tomorrow: typed again it goes on with what waits.
ExitCode request_crl(Invocation& invocation, Wiring& wiring, workflow::Store& store, const std::string& name,
                     const std::optional<Instant>& after_future = std::nullopt) {
  const auto asked = service::request_crl(wiring.actor(), wiring, store, name, after_future);
  if (asked.how == service::CrlRequest::How::open) {
    invocation.output.note(fmt::format("request {} for the CRL is open: going on with it", asked.id.str()));
    if (asked.lacks != 0) {
      invocation.output.warning(fmt::format(
          "it lacks what was revoked since it was made: {}. For a CRL with that: hsmbridge request cancel {}, "
          "and this command again",
          asked.lacks, asked.id.str()));
    }
  }
  return finish(invocation.output, wiring, store, asked.id, Pace{});
}

ExitCode tell_published(Invocation& invocation, const std::string& name, const service::PublishedCrls& published) {
  invocation.output.result("hsmbridge.ca-crl/1", views::made_crls(name, published), made_crls_text(name, published));
  if (published.stopped) throw *published.stopped;
  std::vector<std::optional<service::CrlAtUrl>> at_urls;
  for (const auto& one : published.made) at_urls.push_back(one.at_url);
  return code_of_urls(at_urls).value_or(ExitCode::done);
}

// After a CRL of the future: a person says that the clock is right now, and what else is wrong nobody can see here.
ExitCode publish_after_future(Invocation& invocation) {
  for (const auto* other : {"--check", "--all"}) {
    if (!invocation.arguments.has(other)) continue;
    throw Error{ErrorKind::invalid_input, fmt::format("--clock-was-ahead and {} do not go together", other)};
  }
  CommandContext context(invocation);
  auto& wiring = context.configured();
  const auto store = wiring.store();
  const auto name = invocation.arguments.required("NAME");
  const auto found = service::crls_of_the_future(wiring, name);
  std::string which;
  for (const auto& one : found) {
    which += fmt::format("{}number {}{} of {}", which.empty() ? "" : ", ", one.number,
                         one.place.shard.empty() ? "" : fmt::format(" (shard {})", one.place.shard),
                         rfc3339(one.this_update));
  }
  if (!invocation.arguments.has("--yes")) {
    const auto question = fmt::format(
        "The last CRL of {} is {}, and this machine's clock says {}. Is this clock right, "
        "and shall the next one be of now?",
        safe(name), which, rfc3339(wiring.clock().now()));
    if (!commandline::confirm(invocation.output, question, "give --yes where this machine's clock is right")) {
      throw Error{ErrorKind::refused, "not confirmed, nothing was signed"};
    }
  }
  if (service::crl_is_a_request(wiring, name)) {
    return request_crl(invocation, wiring, *store, name, found.front().this_update);
  }
  return tell_published(invocation, name,
                        service::publish_crls(wiring, *store, context.log(), name, service::WhichCrls::after_future));
}

ExitCode publish_crl(Invocation& invocation) {
  if (invocation.arguments.has("--clock-was-ahead")) return publish_after_future(invocation);
  if (invocation.arguments.has("--check")) return check_crl(invocation);
  CommandContext context(invocation);
  auto& wiring = context.configured();
  const auto store = wiring.store();
  const auto name = invocation.arguments.required("NAME");
  if (service::crl_is_a_request(wiring, name)) {
    const auto put = service::put_crls(wiring, context.log(), name);
    return put.made.empty() ? request_crl(invocation, wiring, *store, name) : tell_published(invocation, name, put);
  }
  const auto which = invocation.arguments.has("--all") ? service::WhichCrls::all : service::WhichCrls::due;
  return tell_published(invocation, name, service::publish_crls(wiring, *store, context.log(), name, which));
}

// ---- what a CA did elsewhere ----------------------------------------------------------------------------------------

service::TakeoverSources sources_of(const Arguments& arguments, From from) {
  service::TakeoverSources sources;
  if (const auto file = arguments.text("--index")) sources.index = *file;
  if (from == From::a_lost_store) {
    if (const auto file = arguments.text("--serial-log")) sources.serial_log = *file;
  }
  for (const auto& path : arguments.all("--certificates")) sources.certificates.emplace_back(path);
  if (from == From::a_lost_store) {
    for (const auto& path : arguments.all("--crl")) sources.crls.emplace_back(path);
  } else if (const auto file = arguments.text("--crl")) {
    sources.crls.emplace_back(*file);
  }
  if (const auto number = arguments.number("--next-crl-number", 1, service::kHighestNextCrlNumber)) {
    sources.next_crl_number = static_cast<std::uint64_t>(*number);
  }
  return sources;
}

ExitCode take_over(Invocation& invocation, From from, std::string_view what) {
  CommandContext context(invocation);
  auto& wiring = context.configured();
  const auto store = wiring.store();
  const auto name = invocation.arguments.required("NAME");
  const auto planned =
      service::plan_takeover(wiring, *store, context.log(), name, sources_of(invocation.arguments, from), from);
  for (const auto& note : planned.inventory.notes) invocation.output.warning(safe(note));
  if (!invocation.arguments.has("--yes")) {
    const bool publishes = planned.authority.view.key_provider.empty();
    const auto question =
        fmt::format("{}{}?", takeover_question(what, planned), publishes ? ", and publish its next CRL" : "");
    if (!commandline::confirm(invocation.output, question, "give --yes to go on without being asked")) {
      throw Error{ErrorKind::refused, "not confirmed, nothing was taken over"};
    }
  }
  const auto done = service::take_over(wiring, *store, context.log(), wiring.actor(), planned);
  invocation.output.result("hsmbridge.ca-takeover/1", views::takeover(planned, done), takeover_text(planned, done));
  if (done.published && done.published->stopped) throw *done.published->stopped;
  return ExitCode::done;
}

ExitCode adopt(Invocation& invocation) {
  const auto code = take_over(invocation, From::another_program, "Take over");
  invocation.output.note(
      fmt::format("next: stop the other program, which must issue nothing any more; then hsmbridge ca show {}",
                  safe(invocation.arguments.required("NAME"))));
  return code;
}

ExitCode resume(Invocation& invocation) {
  return take_over(invocation, From::a_lost_store, "Go on with");
}

ExitCode revoke_foreign(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const auto reason = arguments.text("--reason");
  if (!reason)
    throw Error{ErrorKind::invalid_input, "say why: --reason REASON"}.hint("for example --reason superseded");
  CommandContext context(invocation);
  auto& wiring = context.configured();
  const auto store = wiring.store();
  const auto name = arguments.required("NAME");
  const auto found = service::certified_elsewhere(wiring, *store, name, arguments.required("SERIAL"));
  const auto& certificate = found.certificate;
  if (!arguments.has("--yes")) {
    const auto question = fmt::format(
        "Revoke the certificate with the serial number {} ({}, until {}{}) for {}?", certificate.serial,
        safe(certificate.subject), rfc3339(certificate.not_after),
        found.request.empty() ? "" : ", which may have been signed for request " + found.request, safe(*reason));
    if (!commandline::confirm(invocation.output, question, "give --yes to revoke without being asked")) {
      throw Error{ErrorKind::refused, "nothing was revoked"};
    }
  }
  const auto how = service::revoke_elsewhere(wiring.actor(), *store, wiring.clock().now(), found, *reason);
  invocation.output.result(
      "hsmbridge.ca-revoke/1",
      Json::object({{"name", found.authority.name}, {"serial", certificate.serial}, {"reason", *reason}}),
      fmt::format("{} is revoked\n", certificate.serial));
  invocation.output.note(
      how == service::RevokedElsewhere::before
          ? "it was revoked before, and that stays; its key is recorded as compromised now"
      : found.ended_before_crls
          ? fmt::format("it ended {}, before the last CRL, and is on no CRL", rfc3339(certificate.not_after))
          : fmt::format("it is on the next CRL: hsmbridge ca crl {}", safe(name)));
  return ExitCode::done;
}

// About what a CA did elsewhere.
std::vector<Command> takeover_commands() {
  const Positional name{"NAME", "a provider of type local-ca"};
  const std::vector<ExitCode> exits = {ExitCode::failed, ExitCode::refused, ExitCode::unavailable};
  const Option index{"--index", "FILE", "what it has issued: index.txt of `openssl ca`"};
  const Option certificates{"--certificates", "PATH", "what it has issued: a file or folder of certificates (PEM, DER)",
                            commandline::Times::many};
  const Option crl{"--crl", "FILE", "the last CRL that was published (PEM, DER)"};
  const Option yes{"--yes", "", "do not ask; required without a terminal"};
  return {
      {"ca",
       "adopt",
       "Take over a CA from another program: its key is in a token already",
       {index, certificates, crl, {"--next-crl-number", "N", "where no CRL was ever published: 1"}, yes},
       {name},
       adopt,
       exits,
       "  hsmbridge ca adopt issuing --index index.txt --crl crl.pem\n"
       "The certificate of the CA is at the provider's `certificate`, its key in the token that\n"
       "`key` names, and `crl` says where the CRLs go. The key proves that it is the\n"
       "certificate's; of an imported one `accept` in `key` names what it may be (key-not-local).\n"
       "The sources are held against each other: a serial number that is there twice, a\n"
       "certificate or a revocation that the index lacks, an index that is older than the CRL,\n"
       "a CRL that is not complete, of another CA, or has no number: nothing is taken over, and\n"
       "everything that is wrong is said. Without an index the certificates must be all that\n"
       "were issued: those that EJBCA, XCA or step export.\n"
       "Serial numbers, revocations and the number of the CRL are taken over in one transaction.\n"
       "Then the next CRL is published, with everything that was on the last one. Typed again,\n"
       "it goes on where it was interrupted, and else changes nothing.\n"},
      {"ca",
       "resume",
       "Let a CA sign again after its store was restored from a backup",
       {{"--serial-log", "FILE", "what it has signed: a copy of its `serial_log`, which is read beside it"},
        index,
        certificates,
        {"--crl", "PATH", "the last CRL that was published (PEM, DER); of a CA with shards each of them, or a folder",
         commandline::Times::many},
        {"--next-crl-number", "N",
         "where nobody has the last CRL any more: a number higher than any that was published"},
        yes},
       {name},
       resume,
       exits,
       "  hsmbridge ca resume issuing --crl issuing.crl\n"
       "A store that is an older copy of itself does not know what its CAs did since: they sign\n"
       "nothing, also after `store accept-restored`, until they are told what they have issued\n"
       "since the backup (more does no harm) and the last CRL that was published. Where the\n"
       "provider has a `serial_log`, that is read, and must be there. What the CRL revokes must\n"
       "be known to the store or be among what is given. Then the next CRL is published, with\n"
       "everything that was on the last one.\n"},
      {"ca",
       "revoke",
       "Revoke a certificate that is in no record here, by its serial number",
       {{"--reason", "REASON", "why, as for `cert revoke`"}, {"--yes", "", "without asking"}},
       {name, {"SERIAL", "its serial number in hexadecimal, as openssl prints it"}},
       revoke_foreign,
       exits,
       "One that the CA issued before it was taken over, or that was handed to be signed for a\n"
       "request that is over, whether anybody ever signed it or not: its number was taken, and its\n"
       "draft tells when it ends. Which shard it names (`shards`) is not looked up: it is on each\n"
       "of them. What was issued here is revoked with `cert revoke`. A root's own\n"
       "certificate, of which no request was made, is revoked with this: `ca show` gives its\n"
       "serial number.\n"},
  };
}

}  // namespace

std::vector<Command> ca_commands() {
  const Positional name{"NAME", "a provider of type local-ca"};
  const std::vector<ExitCode> exits = {ExitCode::failed, ExitCode::refused, ExitCode::unavailable};
  std::vector<Command> all{
      {"ca",
       "init",
       "Make a CA: its key in a token, and its certificate",
       {{"--parent", "PROVIDER", "who certifies it; without one it is a root and certifies itself"},
        {"--profile", "NAME", "with --parent: what to order there (default: sub-ca)"},
        {"--path-length", "N", "with --parent: how many CAs may be below it, one above the other"},
        {"--yes", "", "do not ask; required without a terminal. Nobody's approval is skipped"}},
       {name},
       init,
       {ExitCode::failed, ExitCode::pending, ExitCode::refused, ExitCode::unavailable, ExitCode::unresolved},
       "  hsmbridge ca init root\n"
       "  hsmbridge ca init issuing --parent root --path-length 0\n"
       "The key is made in the token that the provider's `key` names, under its label, and\n"
       "the certificate is written to its `certificate`; a file that is there is not touched.\n"
       "What a root says of itself is in the configuration (`root` of the provider). A CA with\n"
       "a parent is a request at that provider, whichever type it is; typing it again goes on\n"
       "with the open request.\n"},
      {"ca",
       "cross-sign",
       "Certify a CA that is there already, below this one too",
       {{"--certificate", "FILE", "the one that it has (PEM, DER)", commandline::Times::required},
        {"--issuer", "FILE", "the certificate of who issued it, where that is no CA of this bridge"},
        {"--csr", "FILE", "a CSR of its key, where that is in no token of ours; only the key of it counts"},
        {"--out", "FILE", "where the new certificate goes (default: beside the other one, as …-by-NAME.pem)"},
        {"--profile", "NAME", "what to order (default: cross-ca)"},
        {"--yes", "", "do not ask; required without a terminal. Nobody's approval is skipped"}},
       {name},
       cross_sign,
       {ExitCode::failed, ExitCode::pending, ExitCode::refused, ExitCode::unavailable, ExitCode::unresolved},
       "  hsmbridge ca cross-sign new-root --certificate old-root.pem\n"
       "The new certificate has the subject, the public key and the key identifier of the\n"
       "existing one to the byte, and grants nothing that this one or the CA's profile does\n"
       "not. It ends with it at the latest, unless the profile says outlives_cross_signed.\n"
       "What differs is listed, and those who approve see it again. Typing it again goes on\n"
       "with the open request.\n"},
      {"ca",
       "crl",
       "Sign a CRL with everything that the CA has revoked, and publish it",
       {{"--check", "", "only say whether the last one is in its place and valid; if not, the exit code is 1"},
        {"--all", "", "sign each of them, and not only those that are due (`shards`) or not yet put (`put`)"},
        {"--clock-was-ahead", "",
         "the last CRL says that it is of a time that has not come: sign one of now after it, with a higher number"},
        {"--yes", "", "with --clock-was-ahead: do not ask; required without a terminal"}},
       {name},
       publish_crl,
       {ExitCode::failed, ExitCode::pending, ExitCode::refused, ExitCode::unavailable, ExitCode::unresolved},
       "It is written to the `file` of the provider's `crl` in one step, and read back. Its number\n"
       "follows the last one; a file that holds a newer CRL, or something else, is not touched.\n"
       "Then it is fetched from the `url`, where there is one. When that gives another one, the\n"
       "CRL is published nevertheless, and the exit code tells: 3 for an older one (a cache may\n"
       "keep it for a while), 5 where the server does not answer, 1 for anything else. Of a CA\n"
       "with `shards` each one that is due is signed and published. With `put` it is put on a web\n"
       "server too; one that is not there yet is put there first, and nothing is signed for it.\n"
       "With `every` in `crl` of the provider `hsmbridge run` does it: when it is due, and after\n"
       "a revocation. Without it, type it after a revocation, and again before the last one\n"
       "ends (`ca list`).\n"
       "Where the key is at a provider the CRL is a request, which its quorum approves there: typed\n"
       "again it goes on with the open one, and publishes what is signed.\n"},
      {"ca", "list", "List the CAs whose keys this bridge uses", {}, {}, list_authorities, exits, ""},
      {"ca",
       "show",
       "Show a CA: its certificate, its key, and whether it can issue",
       {},
       {name},
       show_authority,
       exits,
       ""},
  };
  for (auto& command : takeover_commands()) all.push_back(std::move(command));
  return all;
}

}  // namespace hsmbridge::cli
