#include "tools/hsmbridge/command/commands.h"

#include <iterator>

namespace hsmbridge::cli {

namespace {

std::vector<Command> all_commands() {
  std::vector<Command> commands;
  for (const auto rows :
       {token_commands, key_commands, csr_commands, cert_commands, enroll_commands, request_commands, approval_commands,
        provider_commands, run_commands, store_commands, doctor_commands, help_commands}) {
    std::vector<Command> more = rows();
    commands.insert(commands.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return commands;
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
          {"enroll", "get a certificate for a key in a token"},
          {"request", "requests"},
          {"approval", "what waits for an approver's signature"},
          {"provider", "certificate providers"},
          {"run", "the daemon"},
          {"store", "the store: create it, back it up, accept an older copy"},
          {"audit", "the audit log in the store"},
          {"doctor", "check configuration, secrets, modules, tokens and store"},
          {"help", "help on commands and topics, manual page"},
          {"completion", "completion for a shell"},
      },
      all_commands()};
}

}  // namespace hsmbridge::cli
