#pragma once

#include "support/temp_folder.h"

#include <filesystem>
#include <string>
#include <vector>

// Real SoftHSM tokens in folders of their own, and other people's programs to look at them with.
namespace hsmbridge::test {

struct ProgramResult {
  int status = -1;  // exit status; 128 + signal when it was killed
  std::string out;
  std::string err;
};
// Runs a program found in PATH and waits for it.
ProgramResult run_program(const std::vector<std::string>& argv, const std::string& input = {});

// A SoftHSM token directory with its configuration file. Making one sets SOFTHSM2_CONF for this process and its
// children. SoftHSM reads it at C_Initialize and never again, so a process that loads the module itself has one of
// these: SoftHsm::of_this_process().
class SoftHsm {
 public:
  SoftHsm();
  static SoftHsm& of_this_process();
  static std::filesystem::path module();  // libsofthsm2.so

  const std::filesystem::path& folder() const noexcept { return folder_.path(); }
  std::filesystem::path configuration() const { return folder() / "softhsm2.conf"; }
  // Makes a token with softhsm2-util. Only before this process has initialised the module: it would not see the token.
  void init_token(const std::string& label, const std::string& pin, const std::string& so_pin) const;
  // pkcs11-tool on a token of this folder, logged in. The module's path, --token-label and --pin are put in front.
  ProgramResult pkcs11_tool(const std::string& token, const std::string& pin,
                            const std::vector<std::string>& arguments) const;

 private:
  TempFolder folder_;
};

}  // namespace hsmbridge::test
