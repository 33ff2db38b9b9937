#include "tools/hsmbridge/command/commands.h"

#include "config/settings.h"
#include "tools/commandline/help.h"
#include "tools/hsmbridge/text/pages.h"

#include <iterator>

namespace hsmbridge::cli {

namespace {

std::vector<Command> all_commands() {
  std::vector<Command> commands;
  for (const auto rows :
       {token_commands, key_commands, csr_commands, cert_commands, ca_commands, enroll_commands, request_commands,
        approval_commands, provider_commands, run_commands, store_commands, doctor_commands}) {
    std::vector<Command> more = rows();
    commands.insert(commands.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  for (Command& command : commandline::help_commands("hsmbridge", pages())) commands.push_back(std::move(command));
  return commands;
}

// Names in the configuration, which is read alone: no module is loaded and nobody is asked.
std::vector<std::string> values(const commandline::Typed& typed, std::string_view name) {
  const auto file = config::find_file(typed.config);
  if (!file) return {};
  const auto names = [](const auto& list) {
    std::vector<std::string> result;
    for (const auto& one : list) result.push_back(one.name);
    return result;
  };
  const bool of_provider = typed.command.noun == "provider" || typed.command.noun == "ca";
  if (name == "--token" || name == "TOKEN") return names(config::read_settings(*file).tokens);
  if (name == "--provider" || name == "--parent" || (of_provider && name == "NAME"))
    return names(config::read_settings(*file).providers);
  if (name == "--profile") return names(config::read_settings(*file).profiles);
  if (name == "--as") return names(config::read_settings(*file).people);
  return {};
}

}  // namespace

commandline::Program whole_program() {
  return {
      "hsmbridge",
      "keys born in a PKCS#11 token, certificates brought to them",
      "The private key is made in a PKCS#11 token and stays there. hsmbridge signs the certificate\n"
      "request in the token, submits it to a certificate provider, waits for the people who must approve, checks the\n"
      "certificate that is issued, and stores it next to the key.",
      {
          {"--config", "FILE", "the configuration file (else $HSMBRIDGE_CONFIG, ~/.config and /etc are tried)"},
          {"--json", "", "results and errors as JSON"},
          {"-q", "", "print only results and errors"},
          {"-v", "", "say what is being done; twice: in detail", commandline::Times::many},
          {"--help", "", "this text (also -h)"},
          {"--version", "", "the version"},
      },
      {
          {"token", "PKCS#11 tokens"},
          {"key", "keys in a token"},
          {"csr", "certificate requests, signed in the token"},
          {"cert", "certificates"},
          {"ca", "certificate authorities whose keys are in a token"},
          {"enroll", "get a certificate for a key in a token"},
          {"request", "requests"},
          {"approval", "what waits for an approver's signature"},
          {"provider", "certificate providers"},
          {"run", "the daemon"},
          {"store", "the store: create it, back it up, accept an older copy"},
          {"audit", "the audit log in the store"},
          {"doctor", "check configuration, secrets, modules, tokens and store"},
          commandline::kHelpNoun,
          commandline::kCompletionNoun,
      },
      all_commands(),
      pages(),
      values};
}

}  // namespace hsmbridge::cli
