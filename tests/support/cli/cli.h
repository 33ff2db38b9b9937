#pragma once

#include "base/json.h"
#include "support/softhsm/softhsm.h"

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// The program as a user runs it.
namespace hsmbridge::test {

struct CliResult {
  int status = -1;  // exit code; 128 + signal when it was killed
  std::string out;
  std::string err;
  // The first line of standard output, or of standard error, as JSON. Throws when it is none.
  Json json() const;
  Json error() const;
};

// A user's place: a folder that is home and working directory, SoftHSM tokens of its own, and no environment but what
// is set here.
class Cli {
 public:
  Cli();

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::filesystem::path operator/(const std::string& name) const { return folder() / name; }
  static std::filesystem::path module();
  static std::filesystem::path program();

  void set(const std::string& name, const std::string& value) { environment_[name] = value; }
  void unset(const std::string& name) { environment_.erase(name); }
  const std::map<std::string, std::string>& environment() const { return environment_; }
  // A file in the folder, mode 0600 unless told.
  std::filesystem::path write(const std::string& name, std::string_view content, unsigned mode = 0600) const;
  std::string read(const std::string& name) const;
  bool exists(const std::string& name) const { return std::filesystem::exists(folder() / name); }
  // Names of everything in the folder itself, sorted: for "nothing changed".
  std::vector<std::string> listing() const;

  // hsmbridge with these arguments. Killed, with an exception, after `limit`.
  CliResult run(const std::vector<std::string>& arguments, const std::string& input = {},
                std::chrono::seconds limit = std::chrono::seconds{60}) const;
  // Another program of the PATH, in the same folder and environment.
  CliResult other(const std::vector<std::string>& argv, const std::string& input = {},
                  std::chrono::seconds limit = std::chrono::seconds{60}) const;

  // A token with the PIN "1234" in the file `label`.pin and the SO PIN "87654321".
  void make_token(const std::string& label) const;
  // --module … --token LABEL --pin file:LABEL.pin, after `arguments`.
  std::vector<std::string> on(const std::string& label, std::vector<std::string> arguments) const;
  // pkcs11-tool, logged in to the token.
  CliResult pkcs11_tool(const std::string& label, const std::vector<std::string>& arguments) const;
  // A configuration at its usual place in the home folder: a token `web`, and what is given.
  void configure(std::string_view more = {}) const;

 private:
  TempFolder folder_;
  std::map<std::string, std::string> environment_;
};

}  // namespace hsmbridge::test
