#include "support/cli/cli.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace hsmbridge::test {

namespace {

namespace fs = std::filesystem;
using Steady = std::chrono::steady_clock;

struct Pipe {
  int read = -1;
  int write = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    read = ends[0];
    write = ends[1];
  }
  ~Pipe() {
    close(read);
    close(write);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  static void close(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
};

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

// Feeds `input`, reads both outputs to their ends. False when the time is over first.
bool converse(Pipe& in, Pipe& out, Pipe& err, std::string_view input, CliResult& result, Steady::time_point end) {
  if (input.empty()) Pipe::close(in.write);
  while (out.read >= 0 || err.read >= 0) {
    pollfd polls[] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}, {in.write, POLLOUT, 0}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now()).count();
    if (left <= 0) return false;
    if (::poll(polls, 3, static_cast<int>(left)) < 0 && errno != EINTR) throw std::runtime_error("poll failed");
    const auto drain = [](short events, int& file, std::string& to) {
      if (events == 0) return;
      char buffer[65536];
      const ssize_t count = ::read(file, buffer, sizeof buffer);
      if (count > 0) {
        to.append(buffer, static_cast<std::size_t>(count));
      } else {
        Pipe::close(file);
      }
    };
    drain(polls[0].revents, out.read, result.out);
    drain(polls[1].revents, err.read, result.err);
    if (polls[2].revents != 0) {
      const ssize_t count = ::write(in.write, input.data(), input.size());
      if (count > 0) input.remove_prefix(static_cast<std::size_t>(count));
      if (count < 0 || input.empty()) Pipe::close(in.write);
    }
  }
  return true;
}

// posix_spawn has no portable way to change the folder before Debian 12's glibc; addchdir_np is there.
CliResult spawn(std::vector<std::string> argv, std::vector<std::string> environment, const fs::path& folder,
                std::string_view input, std::chrono::seconds limit) {
  // A program that ends without reading its input must not end the test program.
  ::signal(SIGPIPE, SIG_IGN);
  Pipe in;
  Pipe out;
  Pipe err;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  ::posix_spawn_file_actions_adddup2(&actions, in.read, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  // In a session of its own the program has no terminal to ask at, wherever the tests run.
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  pid_t child = -1;
  const int failure = ::posix_spawnp(&child, argv.front().c_str(), &actions, &attributes, pointers(argv).data(),
                                     pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failure != 0) throw std::runtime_error("cannot start " + argv.front());
  Pipe::close(in.read);
  Pipe::close(out.write);
  Pipe::close(err.write);
  CliResult result;
  const bool in_time = converse(in, out, err, input, result, Steady::now() + limit);
  if (!in_time) ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) throw std::runtime_error(argv.front() + " ran longer than it may; it said: " + result.err);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

Json CliResult::json() const {
  return Json::parse(first_line(out));
}

Json CliResult::error() const {
  return Json::parse(first_line(err));
}

Cli::Cli() {
  fs::create_directories(folder() / "tokens");
  write("softhsm2.conf", "directories.tokendir = " + (folder() / "tokens").string() + "\nlog.level = ERROR\n");
  set("HOME", folder().string());
  set("SOFTHSM2_CONF", (folder() / "softhsm2.conf").string());
  set("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
  set("LANG", "C.UTF-8");
  set("TMPDIR", folder().string());
  // Whatever the test leaves behind goes with its folder.
  fs::create_directories(folder() / ".locks");
  set("HSMBRIDGE_LOCK_FOLDER", (folder() / ".locks").string());
}

fs::path Cli::module() {
  return SoftHsm::module();
}

fs::path Cli::write(const std::string& name, std::string_view content, unsigned mode) const {
  const fs::path file = folder() / name;
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
  if (::chmod(file.c_str(), mode) != 0) throw std::runtime_error("chmod failed");
  return file;
}

std::string Cli::read(const std::string& name) const {
  std::ifstream file(folder() / name, std::ios::binary);
  if (!file) throw std::runtime_error("there is no file " + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Cli::listing() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder())) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

fs::path Cli::program() {
  return HSMBRIDGE_PROGRAM;
}

CliResult Cli::run(const std::vector<std::string>& arguments, const std::string& input,
                   std::chrono::seconds limit) const {
  std::vector<std::string> argv = {HSMBRIDGE_PROGRAM};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return other(argv, input, limit);
}

CliResult Cli::other(const std::vector<std::string>& argv, const std::string& input, std::chrono::seconds limit) const {
  std::vector<std::string> environment;
  for (const auto& [name, value] : environment_) environment.push_back(name + "=" + value);
  return spawn(argv, std::move(environment), folder(), input, limit);
}

void Cli::make_token(const std::string& label) const {
  write(label + ".pin", "1234\n");
  const CliResult made =
      other({"softhsm2-util", "--init-token", "--free", "--label", label, "--pin", "1234", "--so-pin", "87654321"});
  if (made.status != 0) throw std::runtime_error("softhsm2-util: " + made.err);
}

std::vector<std::string> Cli::on(const std::string& label, std::vector<std::string> arguments) const {
  for (const std::string& word : {std::string("--module"), module().string(), std::string("--token"), label,
                                  std::string("--pin"), "file:" + label + ".pin"}) {
    arguments.push_back(word);
  }
  return arguments;
}

CliResult Cli::pkcs11_tool(const std::string& label, const std::vector<std::string>& arguments) const {
  std::vector<std::string> argv = {"pkcs11-tool", "--module", module().string(), "--token-label",
                                   label,         "--login",  "--pin",           "1234"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return other(argv);
}

void Cli::configure(std::string_view more) const {
  std::string text = "tokens:\n  web: {module: " + module().string() +
                     ", uri: \"pkcs11:token=web\", pin: \"file:" + (folder() / "web.pin").string() + "\"}\n";
  text += more;
  write(".config/hsmbridge/hsmbridge.yaml", text);
}

}  // namespace hsmbridge::test
