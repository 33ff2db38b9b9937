#include "support/softhsm/softhsm.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

extern char** environ;  // NOLINT: POSIX names it

namespace hsmbridge::test {
namespace {

class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  }
  ~Pipe() {
    close_read();
    close_write();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_read() { close_one(ends_[0]); }
  void close_write() { close_one(ends_[1]); }

 private:
  static void close_one(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
  std::array<int, 2> ends_{-1, -1};
};

// Appends what is there; false at the end of the stream.
bool read_some(int end, std::string& to) {
  std::array<char, 65536> buffer;
  const ssize_t count = ::read(end, buffer.data(), buffer.size());
  if (count > 0) to.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& argv, const std::string& input) {
  Pipe in;
  Pipe out;
  Pipe err;
  std::vector<char*> arguments;
  std::vector<std::string> copies = argv;
  for (std::string& argument : copies) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.read_end(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out.write_end(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.write_end(), STDERR_FILENO);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, argv.front().c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot start " + argv.front());
  in.close_read();
  out.close_write();
  err.close_write();
  // Inputs here are small enough for a pipe's buffer.
  if (!input.empty() && ::write(in.write_end(), input.data(), input.size()) < 0) {
    throw std::runtime_error("cannot write to " + argv.front());
  }
  in.close_write();

  ProgramResult result;
  std::array<pollfd, 2> ends{pollfd{out.read_end(), POLLIN, 0}, pollfd{err.read_end(), POLLIN, 0}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (::poll(ends.data(), ends.size(), -1) < 0) continue;
    if (ends[0].revents != 0 && !read_some(ends[0].fd, result.out)) ends[0].fd = -1;
    if (ends[1].revents != 0 && !read_some(ends[1].fd, result.err)) ends[1].fd = -1;
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

SoftHsm::SoftHsm() {
  std::filesystem::create_directory(folder() / "tokens");
  std::ofstream(configuration()) << "directories.tokendir = " << (folder() / "tokens").string()
                                 << "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n";
  ::setenv("SOFTHSM2_CONF", configuration().c_str(), 1);
  // Locks and memories of refused PINs too: serial numbers of tokens are random and their files would stay behind.
  std::filesystem::create_directory(folder() / "locks");
  ::setenv("HSMBRIDGE_LOCK_FOLDER", (folder() / "locks").c_str(), 1);
}

SoftHsm& SoftHsm::of_this_process() {
  static SoftHsm only;
  return only;
}

std::filesystem::path SoftHsm::module() {
  return HSMBRIDGE_SOFTHSM_MODULE;
}

void SoftHsm::init_token(const std::string& label, const std::string& pin, const std::string& so_pin) const {
  const ProgramResult result =
      run_program({"softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", so_pin});
  if (result.status != 0) throw std::runtime_error("softhsm2-util failed: " + result.out + result.err);
}

ProgramResult SoftHsm::pkcs11_tool(const std::string& token, const std::string& pin,
                                   const std::vector<std::string>& arguments) const {
  std::vector<std::string> argv{"pkcs11-tool", "--module", module().string(), "--token-label",
                                token,         "--login",  "--pin",           pin};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_program(argv);
}

}  // namespace hsmbridge::test
