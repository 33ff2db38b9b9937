#include "tools/rig/commands.h"

#include <csignal>
#include <string>
#include <vector>

int main(int count, char** words) {
  // Blocked before any thread starts, so that only the one that waits for them gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return hsmbridge::rig::run_command(hsmbridge::rig::commands(), std::vector<std::string>(words + 1, words + count));
}
