#include "other_program.h"

#include "base/file.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace hsmbridge::test {

ProgramResult run_program(const std::vector<std::string>& words, ByteView input) {
  char name[] = "/tmp/hsmbridge-x509-XXXXXX";
  if (::mkdtemp(name) == nullptr) throw std::runtime_error("no temporary folder");
  const std::filesystem::path folder = name;
  write_file(folder / "input", input, FileMode::private_0600, Existing::refuse);
  std::string command;
  for (std::string word : words) {
    if (const auto at = word.find("{}"); at != std::string::npos) word.replace(at, 2, (folder / "input").string());
    command += "'" + word + "' ";  // no word of a test holds a quote
  }
  ProgramResult result;
  FILE* pipe = ::popen((command + "2>&1 </dev/null").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  char buffer[4096];
  for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    result.output.append(buffer, count);
  }
  const int status = ::pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::filesystem::remove_all(folder);
  return result;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace hsmbridge::test
