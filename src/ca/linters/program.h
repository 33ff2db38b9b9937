#pragma once

#include "base/clock.h"
#include "base/program.h"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

// What linters that are programs share.
namespace hsmbridge::ca {

// Gives it `input` and waits until it exits, with whatever status; its standard error is dropped. Throws as no_verdict
// does where it could not be run, did not end within `limit`, or where its output is not all there.
ProgramEnd run_linter(std::string_view linter, std::vector<std::string> argv, std::string input, Duration limit);

// The one line that is its version, of a program that prints it and exits with 0: its first line, what it wrote as an
// error included. Throws as no_verdict does.
std::string version_line(std::string_view linter, std::vector<std::string> argv, Duration limit);

// What was learnt of programs, for as long as they are the same files. Thread rule: any thread; one asks at a time.
class KnownVersion {
 public:
  // What `ask` says, or said when the files of these programs (base/program.h) were what they are now.
  std::string of(const std::vector<std::string>& programs, const std::function<std::string()>& ask);

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> versions_;  // by files
};

}  // namespace hsmbridge::ca
