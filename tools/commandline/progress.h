#pragma once

#include "base/clock.h"
#include "tools/commandline/output.h"

#include <chrono>
#include <cstddef>
#include <string>

namespace hsmbridge::commandline {

// "250 of 1000, 310/s, 2 seconds left"; without a rate while nothing is done.
std::string progress_text(std::size_t done, std::size_t total, Duration elapsed);

// How far a command about many has come, on a line that stays the last one; nothing unless a person watches standard
// error. Thread rule: one thread.
class Progress {
 public:
  Progress(Output& output, std::size_t total);
  ~Progress();  // takes the line away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // One more is done. Drawn a few times a second at most.
  void one_done();

 private:
  Output& output_;
  const std::size_t total_;
  std::size_t done_ = 0;
  const std::chrono::steady_clock::time_point begun_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace hsmbridge::commandline
