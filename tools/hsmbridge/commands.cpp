#include "tools/hsmbridge/commands.h"

#include <iterator>

namespace hsmbridge::cli {

std::vector<commandline::Noun> all_nouns() {
  return {
      {"token", "PKCS#11 tokens"},
      {"key", "keys in a token"},
      {"csr", "certificate requests, signed in the token"},
      {"cert", "certificates"},
      {"enroll", "get a certificate for a key in a token"},
      {"request", "requests"},
      {"approval", "what waits for an approver's signature"},
      {"provider", "certificate providers"},
      {"run", "the daemon"},
      {"store", "the store: begin one, copy it, take up an older copy"},
      {"audit", "the audit log in the store"},
      {"doctor", "check configuration, secrets, modules, tokens and store"},
      {"help", "help, manual page"},
      {"completion", "completion for a shell"},
  };
}

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

}  // namespace hsmbridge::cli
