#pragma once

#include "support/cli/cli.h"

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

// The whole house on one bench: the real program, real SoftHSM tokens, the real simulator in a process of its own.
namespace hsmbridge::test {

// A process of its own in a user's place; killed when the test ends.
class Process {
 public:
  Process(const Cli& cli, std::vector<std::string> argv, const std::map<std::string, std::string>& more_environment);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const;
  bool running();
  // Lets it work for that long, or to its end.
  void run_for(std::chrono::milliseconds time);
  // Waits for its end and gives the exit code, 128 + signal when it was killed. Killed after `limit`, with an
  // exception.
  int wait(std::chrono::seconds limit = std::chrono::seconds{60});

 private:
  pid_t pid_ = -1;
  int status_ = -1;
  bool ended_ = false;
};

struct BenchOptions {
  unsigned quorum = 2;              // of alice, bob and carol; 0: nobody need approve
  std::vector<std::string> serve;   // more flags of `hsmbridge-rig serve tsb`
  std::vector<std::string> create;  // more flags of `hsmbridge-rig tsb create-ca`
  std::string provider;             // more lines of the provider, indented by four
  std::string profile;              // more lines of the profile `server`, indented by four
};

// A configuration with the provider `tsb` (times short, so that nothing waits), the profile `server` for the token
// `web`, and three people with keys in tokens of their own.
class Bench {
 public:
  explicit Bench(const BenchOptions& options = {});
  ~Bench();

  Cli& cli() { return cli_; }
  const Cli& cli() const { return cli_; }
  std::filesystem::path operator/(const std::string& name) const { return cli_ / name; }
  CliResult run(const std::vector<std::string>& arguments) const { return cli_.run(arguments); }
  // hsmbridge-rig WORDS --dir rig.
  CliResult rig(std::vector<std::string> words) const;

  // The id that stands in an answer of `enroll` or `request`.
  static std::string id_in(const CliResult& result);
  // The ids of the tasks that wait for a person.
  std::vector<std::string> tasks_of(const std::string& person) const;
  // Approves everything that waits for that person; how many it was.
  unsigned approve_all(const std::string& person) const;
  std::string state_of(const std::string& id) const;

  // What reached the simulator: "POST /v1/sign".
  std::vector<std::string> journal() const;
  unsigned count(const std::string& method_and_path) const;
  // Objects of the token `web` that have this label, as pkcs11-tool sees them.
  struct Objects {
    unsigned private_keys = 0;
    unsigned public_keys = 0;
    unsigned certificates = 0;
  };
  Objects objects(const std::string& label) const;

  // Waits until a process of this bench has said that on standard error. Throws after a minute.
  void wait_for_words(const std::string& words) const;

  // Starts the simulator again, on the same folder.
  void restart_rig();
  void stop_rig();

 private:
  void start_rig();

  Cli cli_;
  BenchOptions options_;
  std::unique_ptr<Process> rig_;
};

}  // namespace hsmbridge::test
