#pragma once

#include "base/clock.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge {

// Another program, run without a shell, so that nothing in a name or a path is ever interpreted.
struct Program {
  std::string what;               // what messages call it: "the hook"
  std::string why;                // why it must be nobody else's to change: "it is run after an installation"
  std::vector<std::string> argv;  // argv[0]: as program_file takes it
  // Added to PATH, HOME, LANG and TZ; nothing else is handed down, since this process may hold secrets in its
  // environment.
  std::map<std::string, std::string> environment = {};
  std::string input = {};  // standard input
  Duration time_limit{};   // afterwards it and its process group are killed, as far as this process may do that
  enum class Errors { with_output, dropped } errors = Errors::with_output;
};

// The file that a program's name means: the name itself where it has a folder, else the first file in PATH that may be
// executed, as the shell finds it. Nothing where there is none.
std::optional<std::filesystem::path> program_file(const std::string& name);

// Runs it until it exits, and gives what it wrote; what it started in the background lives on, whatever it exited with,
// and may keep its output open. Throws refused when it exits with another status than 0 (the last line of its output is
// in the message), unavailable when it could not be started or did not end in time, outcome_unknown when its status was
// lost, denied where others may write it or put another in its place (trust.h). Of output beyond 64 KiB the beginning is dropped.
// Thread rule: may be called from several threads.
std::string run(const Program& program);

// How a program ended by itself, and what it wrote.
struct ProgramEnd {
  int status = 0;
  std::string output;
  // Whether that is the beginning alone: it wrote more than is kept, or what it started may still be writing.
  bool cut = false;
};

// The same for whoever reads the status and all of the output. Throws what `run` throws but refused, and unavailable
// where a signal ended it. Of output beyond `most_output` the end is dropped: a caller who missed the first lines would
// not know.
ProgramEnd run_to_end(const Program& program, std::size_t most_output);

}  // namespace hsmbridge
