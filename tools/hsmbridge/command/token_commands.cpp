#include "config/secret_source.h"
#include "service/tokens/tokens.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/token.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/prompt.h"
#include "tools/hsmbridge/wiring/token_access.h"
#include "views/tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Option;
using commandline::Positional;
using commandline::Table;
using commandline::Times;

std::string state_of(const workflow::TokenInfo& info) {
  return info.initialized ? std::string(workflow::to_string(info.user_pin)) : "not initialised";
}

ExitCode list_module(Invocation& invocation, CommandContext& context) {
  const auto module = context.token_module(invocation.arguments.required("--module"));
  Table table({"TOKEN", "SLOT", "SERIAL", "MODEL", "USER PIN"});
  std::vector<Error> unread;
  const auto tokens = module->tokens(unread);
  for (const auto& info : tokens) {
    table.row(
        {info.initialized ? info.label : "-", std::to_string(info.slot), info.serial, info.model, state_of(info)});
  }
  const auto about = module->info();
  if (table.empty()) invocation.output.note(fmt::format("{} shows no token", about.path.string()));
  invocation.output.result("hsmbridge.token-list/1", views::tokens(about, tokens), table.empty() ? "" : table.text());
  for (const Error& error : unread) invocation.output.warning(error.message());
  return ExitCode::done;
}

ExitCode list_tokens(Invocation& invocation) {
  CommandContext context(invocation);
  if (names_module(invocation.arguments)) return list_module(invocation, context);
  if (context.wiring() == nullptr) {
    throw Error{ErrorKind::invalid_input, "there is no configuration to take the tokens from"}.hint(
        "--config FILE, or --module PATH to see the tokens of one module");
  }
  const auto tokens = service::list_tokens(*context.wiring());
  Table table({"NAME", "TOKEN", "SERIAL", "MODEL", "USER PIN"});
  for (const auto& token : tokens) {
    if (token.info) {
      table.row({token.name, token.info->label, token.info->serial, token.info->model, state_of(*token.info)});
    } else {
      table.row({token.name, "-", "", "", std::string(to_string(token.error->kind()))});
    }
  }
  if (table.empty()) invocation.output.note("the configuration has no token");
  invocation.output.result("hsmbridge.token-list/1", views::tokens(tokens), table.empty() ? "" : table.text());
  for (const auto& token : tokens) {
    if (token.error) invocation.output.note(fmt::format("{}: {}", token.name, token.error->message()));
  }
  return ExitCode::done;
}

ExitCode show_token(Invocation& invocation) {
  CommandContext context(invocation);
  const auto view = service::view_token(*context.token_device(invocation.arguments.text("TOKEN")));
  std::string text = token_text(view.info) + "\n";
  if (invocation.arguments.has("--mechanisms")) {
    text += mechanisms_text(view.mechanisms);
  } else {
    const auto names = fmt::format("{}", fmt::join(view.signs, ", "));
    commandline::Fields fields;
    fields.add("Signs", commandline::wrapped(names.empty() ? "nothing that this program knows" : names, 64, 0));
    text += fields.text();
  }
  invocation.output.result("hsmbridge.token/1", views::token(view), text);
  return ExitCode::done;
}

// A secret named on the command line, or asked for on the terminal when it was left out.
Secret secret_of(const Arguments& arguments, std::string_view option, std::string_view what, std::string& source_name) {
  const auto source = config::SecretSource::parse(arguments.text_or(option, "prompt"), config::SecretUse::any,
                                                  std::filesystem::current_path());
  source_name = source.name();
  return source.fetch(terminal_prompter(), what);
}

ExitCode init_token(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  CommandContext context(invocation);
  const auto module = context.token_module(arguments.required("--module"));
  workflow::NewToken wanted;
  wanted.label = arguments.required("--label");
  if (const auto slot = arguments.number("--slot", 0, 0x7FFFFFFFFFFFFFFF)) {
    wanted.slot = static_cast<unsigned long>(*slot);
  }
  const bool destroy = arguments.has("--destroy-everything");
  if (destroy && wanted.slot) wanted.confirmed = service::token_in_slot(*module, *wanted.slot);
  if (destroy && !arguments.has("--yes")) {
    if (!wanted.slot) throw Error{ErrorKind::invalid_input, "--destroy-everything requires --slot"};
    const std::string label = wanted.confirmed->initialized ? wanted.confirmed->label : "(not initialised)";
    if (!commandline::confirm(invocation.output,
                              fmt::format("Destroy every key on token {} in slot {}?", label, *wanted.slot),
                              "give --yes to destroy every key on that token without being asked")) {
      throw Error{ErrorKind::refused, "not confirmed, nothing was changed"};
    }
  }
  if (arguments.has("--retry")) wanted.so_pin_again = workflow::LoginAttempt::retry;
  std::string user_source;
  wanted.so_pin = secret_of(arguments, "--so-pin", "the new token's SO PIN", wanted.so_pin_source);
  wanted.user_pin = secret_of(arguments, "--pin", "the new token's user PIN", user_source);
  using workflow::Reinitialize;
  const auto info = service::initialize_token(*module, context.log(), wanted,
                                              destroy ? Reinitialize::destroy_everything : Reinitialize::refuse);
  invocation.output.result("hsmbridge.token/1", views::token(info), token_text(info));
  invocation.output.note(fmt::format("next: hsmbridge key generate --module {} --token {} --pin {} --label NAME",
                                     module->info().path.string(), info.label, user_source));
  return ExitCode::done;
}

ExitCode login(Invocation& invocation) {
  CommandContext context(invocation);
  using workflow::LoginAttempt;
  const auto info =
      service::log_in(*context.token_device(invocation.arguments.text("TOKEN")), context.log(),
                      invocation.arguments.has("--retry") ? LoginAttempt::retry : LoginAttempt::unless_refused,
                      [&](const Error& error) {
                        invocation.output.note(
                            fmt::format("hsmbridge: this is in no audit log: {}", commandline::safe(error.message())));
                      });
  invocation.output.result("hsmbridge.token-login/1", views::token_login(info),
                           info.login_required
                               ? fmt::format("logged in to token {}: the PIN is right\n", commandline::safe(info.label))
                               : fmt::format("token {} requires no login\n", commandline::safe(info.label)));
  return ExitCode::done;
}

std::vector<Option> with(std::vector<Option> options, const std::vector<Option>& more) {
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

}  // namespace

std::vector<Command> token_commands() {
  const Positional named{"TOKEN", "its name in the configuration", Times::once};
  return {
      {"token",
       "list",
       "List the configured tokens, or those of a module",
       {{"--module", "PATH", "a PKCS#11 module, instead of the configuration"}},
       {},
       list_tokens,
       {ExitCode::failed, ExitCode::unavailable},
       "Logs in nowhere and spends no PIN attempt.\n"},
      {"token",
       "show",
       "Show one token: flags, PIN state, what it can sign",
       with({{"--mechanisms", "", "every mechanism with its key sizes"}}, token_options()),
       {named},
       show_token,
       {ExitCode::failed, ExitCode::unavailable},
       ""},
      {"token",
       "init",
       "Initialise an empty token and set its PINs",
       {{"--module", "PATH", "the PKCS#11 module", Times::required},
        {"--label", "LABEL", "the new token's label, at most 32 bytes", Times::required},
        {"--so-pin", "SOURCE", "env:NAME, file:PATH or prompt (default)"},
        {"--pin", "SOURCE", "of the user PIN, likewise"},
        {"--slot", "NUMBER", "which slot; else the first empty one"},
        {"--destroy-everything", "", "initialise a token that holds keys: they are lost"},
        {"--yes", "", "do not ask before destroying"},
        {"--retry", "", "try an SO PIN again although one was refused"}},
       {},
       init_token,
       {ExitCode::failed, ExitCode::refused, ExitCode::unavailable},
       ""},
      {"token",
       "login",
       "Prove once that the PIN is right",
       with({{"--retry", "", "try the PIN again although one was refused"}}, token_options()),
       {named},
       login,
       {ExitCode::failed, ExitCode::refused, ExitCode::unavailable},
       "A refused PIN is remembered for its token by all users of this host and never tried\n"
       "again without --retry, from whatever source, since a few wrong ones lock the token.\n"
       "Some modules report a wrong PIN as a general error, so two such answers in a row, or\n"
       "logins that a crash cut short, count as a refusal too, unless this process has logged\n"
       "in with the same PIN or the token counts wrong PINs and has counted none. Correct the\n"
       "PIN, then use --retry: as the user whose requests wait, or as root for everybody.\n"},
  };
}

}  // namespace hsmbridge::cli
