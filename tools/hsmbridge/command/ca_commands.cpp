#include "base/error.h"
#include "service/authorities/authorities.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/command/request_wait.h"
#include "tools/hsmbridge/text/authority.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "views/authorities.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

namespace {

using commandline::Positional;
using commandline::safe;

ExitCode list_authorities(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto all = service::authorities(*wiring);
  invocation.output.result("hsmbridge.ca-list/1", views::authorities(all), authorities_text(all));
  return ExitCode::done;
}

ExitCode show_authority(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto one = service::authority(*wiring, invocation.arguments.required("NAME"));
  invocation.output.result("hsmbridge.ca/1", views::authority(one), authority_text(one));
  return ExitCode::done;
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
  service::make_root(wiring, context.log(), root);
  const auto made = service::authority(wiring, name);
  invocation.output.result("hsmbridge.ca/1", views::authority(made), authority_text(made));
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
  const auto request = service::subordinate_request(*wiring, *store, wanted);
  ask(invocation, fmt::format("{} key {} in token {}, and ask {} for a certificate of a CA?",
                              request.new_key ? "Make the" : "Use the", safe(request.new_key.value_or(*request.key)),
                              safe(*request.token), safe(*parent)));
  const auto made = service::enroll(wiring->actor(), *wiring, *store, request);
  if (made.how == service::Enrolment::How::open) {
    invocation.output.note(fmt::format("request {} is open for exactly this: going on with it", made.id.str()));
  }
  return finish(invocation.output, *wiring, *store, made.id, Pace{});
}

ExitCode publish_crl(Invocation& invocation) {
  CommandContext context(invocation);
  auto& wiring = context.configured();
  const auto store = wiring.store();
  const auto name = invocation.arguments.required("NAME");
  const auto made = service::publish_crl(wiring, *store, context.log(), name);
  invocation.output.result(
      "hsmbridge.ca-crl/1", views::made_crl(name, made),
      fmt::format("CRL {} of {} with {} revoked, valid until {}: {}\n", made.crl.number, safe(name), made.entries,
                  rfc3339(made.crl.next_update), safe(made.file.string())));
  return ExitCode::done;
}

}  // namespace

std::vector<Command> ca_commands() {
  const Positional name{"NAME", "a provider of type local-ca"};
  const std::vector<ExitCode> exits = {ExitCode::failed, ExitCode::refused, ExitCode::unavailable};
  return {
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
       "crl",
       "Sign a CRL with everything that the CA has revoked, and publish it",
       {},
       {name},
       publish_crl,
       exits,
       "It is written to the `file` of the provider's `crl` in one step, and read back. Its number\n"
       "follows the last one; a file that holds a newer CRL, or something else, is not touched.\n"
       "Type it after a revocation, and again before the last one ends (`ca list`).\n"},
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
}

}  // namespace hsmbridge::cli
