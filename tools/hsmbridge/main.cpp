#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/wiring/process.h"

int main(int argc, char** argv) {
  hsmbridge::cli::settle_process();
  return hsmbridge::commandline::run_program(hsmbridge::cli::whole_program(), argc, argv);
}
