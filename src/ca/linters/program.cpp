#include "ca/linters/program.h"

#include "base/error.h"
#include "base/unicode.h"
#include "ca/linters/linter.h"
#include "x509/asn1/bounds.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <utility>

namespace hsmbridge::ca {
namespace {

// Of one with a finding for each entry of a long CRL.
constexpr std::size_t kMostWritten = 16U << 20U;

Program linter_program(std::vector<std::string> argv, Duration limit) {
  Program program{"the linter", "what it says is believed", std::move(argv)};
  program.time_limit = limit;
  return program;
}

ProgramEnd end_of(std::string_view linter, const Program& program) {
  try {
    ProgramEnd end = run_to_end(program, kMostWritten);
    if (!end.cut) return end;
  } catch (const Error& error) {
    no_verdict(linter, error);
  }
  no_verdict(linter, fmt::format("what it wrote is not all there: it is more than {} MiB, or a program that it started "
                                 "goes on writing",
                                 kMostWritten >> 20U));
}

// One that was replaced is not taken for the one before.
std::string file_of(const std::string& program) {
  const auto path = program_file(program);
  struct stat status {};
  if (!path || ::stat(path->c_str(), &status) != 0) return {};
  return fmt::format("{} {} {} {} {}.{}", path->string(), status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

}  // namespace

ProgramEnd run_linter(std::string_view linter, std::vector<std::string> argv, std::string input, Duration limit) {
  Program program = linter_program(std::move(argv), limit);
  program.input = std::move(input);
  program.errors = Program::Errors::dropped;
  return end_of(linter, program);
}

std::string version_line(std::string_view linter, std::vector<std::string> argv, Duration limit) {
  const std::string name = argv.front();
  const ProgramEnd end = end_of(linter, linter_program(std::move(argv), limit));
  std::string line = end.output.substr(0, end.output.find_first_of("\r\n"));
  if (end.status == 0 && line.find_first_not_of(" \t") != std::string::npos) return printable(x509::bounded(line));
  no_verdict(linter, fmt::format("its version cannot be told: {} exited with status {}{}", name, end.status,
                                 line.empty() ? std::string() : ": " + printable(x509::bounded(line))));
}

std::string KnownVersion::of(const std::vector<std::string>& programs, const std::function<std::string()>& ask) {
  std::string files;
  for (const std::string& program : programs) files += file_of(program) + "\n";
  const std::lock_guard lock(mutex_);
  if (const auto known = versions_.find(files); known != versions_.end()) return known->second;
  return versions_.emplace(std::move(files), ask()).first->second;
}

}  // namespace hsmbridge::ca
