#include "tools/hsmbridge/commands.h"

int main(int argc, char** argv) {
  return hsmbridge::commandline::run_program(hsmbridge::cli::all_nouns(), hsmbridge::cli::all_commands(), argc, argv);
}
