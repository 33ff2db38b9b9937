#include "config/secret_source.h"
#include "pkcs11/token/module.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/token.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/prompt.h"
#include "tools/hsmbridge/wiring/token_access.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Option;
using commandline::Positional;
using commandline::Table;
using commandline::Times;

// "SoftHSM slot ID 0x1c9b" and the like say nothing beside a label.
std::string state_of(const pkcs11::TokenInfo& info) {
  if (!info.initialized) return "not initialised";
  return std::string(pkcs11::to_string(info.user_pin));
}

ExitCode list_module(Invocation& invocation) {
  const auto module = pkcs11::Module::load(std::filesystem::absolute(invocation.arguments.required("--module")));
  Table table({"TOKEN", "SLOT", "SERIAL", "MODEL", "USER PIN"});
  Json rows = Json(Json::Array{});
  std::vector<Error> unread;
  for (const pkcs11::TokenInfo& info : module->tokens(unread)) {
    table.row(
        {info.initialized ? info.label : "-", std::to_string(info.slot), info.serial, info.model, state_of(info)});
    rows.push(to_json(info));
  }
  const pkcs11::ModuleInfo about = module->info();
  if (table.empty()) invocation.output.note(fmt::format("{} shows no token", about.path.string()));
  invocation.output.result(
      "hsmbridge.token-list/1",
      Json::object({{"module", Json(about.path.string())}, {"description", Json(about.description)}, {"tokens", rows}}),
      table.empty() ? "" : table.text());
  for (const Error& error : unread) invocation.output.warning(error.message());
  return ExitCode::done;
}

ExitCode list(Invocation& invocation) {
  if (names_module(invocation.arguments)) return list_module(invocation);
  CommandContext context(invocation);
  if (context.wiring() == nullptr) {
    throw Error{ErrorKind::invalid_input, "there is no configuration to take the tokens from"}.hint(
        "--config FILE, or --module PATH to see the tokens of one module");
  }
  Table table({"NAME", "TOKEN", "SERIAL", "MODEL", "USER PIN"});
  Json rows = Json(Json::Array{});
  std::vector<std::pair<std::string, Error>> faults;
  for (const config::TokenSettings& settings : context.wiring()->settings().tokens) {
    Json row = Json::object({{"name", Json(settings.name)}, {"module", Json(settings.module.string())}});
    try {
      const pkcs11::TokenInfo info = context.wiring()->pkcs11_token(settings.name)->info();
      table.row({settings.name, info.label, info.serial, info.model, state_of(info)});
      row.set("token", to_json(info));
    } catch (...) {
      const Error error = current_error();
      table.row({settings.name, "-", "", "", std::string(to_string(error.kind()))});
      row.set("error", Json::object({{"kind", Json(to_string(error.kind()))}, {"message", Json(error.message())}}));
      faults.emplace_back(settings.name, error);
    }
    rows.push(std::move(row));
  }
  if (table.empty()) invocation.output.note("the configuration has no token");
  invocation.output.result("hsmbridge.token-list/1", Json::object({{"tokens", rows}}),
                           table.empty() ? "" : table.text());
  for (const auto& [name, error] : faults) invocation.output.note(fmt::format("{}: {}", name, error.message()));
  return ExitCode::done;
}

ExitCode show(Invocation& invocation) {
  CommandContext context(invocation);
  const auto token = context.token(invocation.arguments.text("TOKEN"));
  const pkcs11::TokenInfo info = token->info();
  Json object = to_json(info);
  object.set("name", Json(token->name()));
  object.set("module", Json(token->access().module.string()));
  Json mechanisms = Json(Json::Array{});
  for (const pkcs11::MechanismInfo& row : token->mechanisms()) mechanisms.push(to_json(row));
  object.set("mechanisms", std::move(mechanisms));
  std::string text = token_text(info);
  if (invocation.arguments.has("--mechanisms")) {
    text += "\n" + mechanisms_text(token->mechanisms());
  } else {
    std::string names;
    for (const x509::SignatureAlgorithm& row : x509::signature_algorithms()) {
      if (token->can_sign_with(row.token_mechanism)) names += (names.empty() ? "" : ", ") + std::string(row.name);
    }
    commandline::Fields fields;
    fields.add("Signs", commandline::wrapped(names.empty() ? "nothing that this program knows" : names, 64, 0));
    text += "\n" + fields.text();
  }
  invocation.output.result("hsmbridge.token/1", object, text);
  return ExitCode::done;
}

// A secret named on the command line, or asked for on the terminal when it was left out.
Secret secret_of(const Arguments& arguments, std::string_view option, std::string_view what, std::string& source_name) {
  const auto source = config::SecretSource::parse(arguments.text_or(option, "prompt"), config::SecretUse::any,
                                                  std::filesystem::current_path());
  source_name = source.name();
  return source.fetch(terminal_prompter(), what);
}

pkcs11::TokenInfo token_in_slot(const pkcs11::Module& module, unsigned long slot) {
  for (const pkcs11::TokenInfo& info : module.tokens()) {
    if (info.slot == slot) return info;
  }
  throw Error{ErrorKind::not_found, fmt::format("slot {} holds no token", slot)}.hint(
      "hsmbridge token list shows the slots");
}

ExitCode init(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const auto module = pkcs11::Module::load(std::filesystem::absolute(arguments.required("--module")));
  pkcs11::NewToken wanted;
  wanted.label = arguments.required("--label");
  if (const auto slot = arguments.number("--slot", 0, 0x7FFFFFFFFFFFFFFF)) {
    wanted.slot = static_cast<unsigned long>(*slot);
  }
  const bool destroy = arguments.has("--destroy-everything");
  if (destroy && wanted.slot) wanted.confirmed = token_in_slot(*module, *wanted.slot);
  if (destroy && !arguments.has("--yes")) {
    if (!wanted.slot) throw Error{ErrorKind::invalid_input, "--destroy-everything wants --slot"};
    const std::string label = wanted.confirmed->initialized ? wanted.confirmed->label : "(not initialised)";
    if (!commandline::confirm(invocation.output,
                              fmt::format("Destroy every key on token {} in slot {}?", label, *wanted.slot),
                              "give --yes to destroy every key on that token without being asked")) {
      throw Error{ErrorKind::refused, "not confirmed, nothing was changed"};
    }
  }
  if (arguments.has("--retry")) wanted.so_pin_again = pkcs11::LoginAttempt::retry;
  std::string user_source;
  wanted.so_pin = secret_of(arguments, "--so-pin", "the new token's SO PIN", wanted.so_pin_source);
  wanted.user_pin = secret_of(arguments, "--pin", "the new token's user PIN", user_source);
  CommandContext context(invocation);
  const pkcs11::TokenInfo info = pkcs11::initialize_token(
      *module, wanted, destroy ? pkcs11::Reinitialize::destroy_everything : pkcs11::Reinitialize::refuse,
      *context.refusals());
  context.log().record("token-initialized", Json::object({{"label", Json(info.label)},
                                                          {"serial", Json(info.serial)},
                                                          {"module", Json(module->info().path.string())}}));
  invocation.output.result("hsmbridge.token/1", to_json(info), token_text(info));
  invocation.output.note(fmt::format("next: hsmbridge key generate --module {} --token {} --pin {} --label NAME",
                                     module->info().path.string(), info.label, user_source));
  return ExitCode::done;
}

// An approver may be allowed to read the store and nothing more, and the token is his own.
void record_retry(CommandContext& context, commandline::Output& output, const std::string& token) {
  try {
    context.log().record("token-login-retry", Json::object({{"token", Json(token)}}));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::denied) throw;
    output.note(fmt::format("hsmbridge: this is in no audit log: {}", commandline::safe(error.message())));
  }
}

ExitCode login(Invocation& invocation) {
  CommandContext context(invocation);
  const auto token = context.token(invocation.arguments.text("TOKEN"));
  const bool retry = invocation.arguments.has("--retry");
  if (retry) record_retry(context, invocation.output, token->name());
  token->login(retry ? pkcs11::LoginAttempt::retry : pkcs11::LoginAttempt::unless_refused);
  context.log().lane_works("token:" + token->name());
  const pkcs11::TokenInfo info = token->info();
  invocation.output.result(
      "hsmbridge.token-login/1",
      Json::object({{"token", Json(info.label)}, {"uri", Json(info.uri)}, {"logged_in", Json(info.login_required)}}),
      info.login_required ? fmt::format("logged in to token {}: the PIN is right\n", commandline::safe(info.label))
                          : fmt::format("token {} wants no login\n", commandline::safe(info.label)));
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
       list,
       {ExitCode::failed, ExitCode::unavailable},
       "Logs in nowhere and spends no PIN attempt.\n"},
      {"token",
       "show",
       "Show one token: flags, PIN state, what it can sign",
       with({{"--mechanisms", "", "every mechanism with its key sizes"}}, token_options()),
       {named},
       show,
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
        {"--retry", "", "try an SO PIN once more though one was refused"}},
       {},
       init,
       {ExitCode::failed, ExitCode::refused, ExitCode::unavailable},
       ""},
      {"token",
       "login",
       "Prove once that the PIN is right",
       with({{"--retry", "", "try the PIN once more though one was refused"}}, token_options()),
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
