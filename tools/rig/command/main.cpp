#include "tools/rig/command/commands.h"

#include <csignal>

int main(int count, char** words) {
  // Blocked before any thread starts, so that only the one that waits for them gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return hsmbridge::commandline::run_program(hsmbridge::rig::whole_program(), count, words);
}
