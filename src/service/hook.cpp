#include "service/hook.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/json.h"
#include "x509/name.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace hsmbridge::service {

namespace {

using Steady = std::chrono::steady_clock;
constexpr std::size_t kMostOutput = 64U << 10U;
constexpr std::size_t kShownOutput = 400;

struct Pipe {
  Pipe() : Pipe(make()) {}
  Descriptor read;
  Descriptor write;

 private:
  struct Ends {
    int read, write;
  };
  explicit Pipe(Ends ends) : read(ends.read), write(ends.write) {}
  static Ends make() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw Error{ErrorKind::unavailable, fmt::format("no pipe for a hook: {}", std::strerror(errno))};
    }
    return {ends[0], ends[1]};
  }
};

struct SpawnActions {
  SpawnActions() { ::posix_spawn_file_actions_init(&value); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&value); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  posix_spawn_file_actions_t value{};
};

struct SpawnAttributes {
  SpawnAttributes() { ::posix_spawnattr_init(&value); }
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&value); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  posix_spawnattr_t value{};
};

// Writing to a hook that does not read raises SIGPIPE in this thread: it is held back here and taken away again,
// whatever the program does with that signal elsewhere.
class NoBrokenPipeSignal {
 public:
  NoBrokenPipeSignal() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~NoBrokenPipeSignal() {
    const timespec at_once{};
    while (::sigtimedwait(&set_, nullptr, &at_once) == SIGPIPE) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipeSignal(const NoBrokenPipeSignal&) = delete;
  NoBrokenPipeSignal& operator=(const NoBrokenPipeSignal&) = delete;

 private:
  sigset_t set_{};
  sigset_t before_{};
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_of(const Hook& hook) {
  std::vector<std::string> result;
  for (const char* name : {"PATH", "HOME", "LANG", "TZ"}) {
    if (const char* value = std::getenv(name)) result.push_back(fmt::format("{}={}", name, value));
  }
  for (const auto& [name, value] : hook.environment) result.push_back(name + "=" + value);
  return result;
}

// A process group of its own, so that what the hook starts can be stopped with it; default signal handling, since this
// program blocks or catches some.
pid_t start(const Hook& hook, const Pipe& input, const Pipe& output) {
  SpawnActions actions;
  ::posix_spawn_file_actions_adddup2(&actions.value, input.read.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions.value, output.write.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions.value, output.write.get(), STDERR_FILENO);
  // Whatever else is open here (a file that some library opened without O_CLOEXEC, a terminal) is no hook's business.
  ::posix_spawn_file_actions_addclosefrom_np(&actions.value, STDERR_FILENO + 1);
  SpawnAttributes attributes;
  sigset_t none;
  ::sigemptyset(&none);
  sigset_t all;
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes.value, &none);
  ::posix_spawnattr_setsigdefault(&attributes.value, &all);
  ::posix_spawnattr_setpgroup(&attributes.value, 0);
  ::posix_spawnattr_setflags(&attributes.value, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  auto arguments = hook.argv;
  auto variables = environment_of(hook);
  auto argv = pointers(arguments);
  auto environment = pointers(variables);
  pid_t child = -1;
  const int failure =
      ::posix_spawnp(&child, argv[0], &actions.value, &attributes.value, argv.data(), environment.data());
  if (failure != 0) {
    throw Error{ErrorKind::unavailable,
                fmt::format("the hook {} could not be started: {}", hook.argv[0], std::strerror(failure))}
        .hint("check the path and its x permission");
  }
  return child;
}

std::string last_words(const std::string& output) {
  const auto from = output.size() > kShownOutput ? output.size() - kShownOutput : 0;
  auto text = x509::printable(output.substr(from));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text.empty() ? "" : ": " + text;
}

void stop(pid_t child) {
  ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

std::vector<std::string> hook_argv(const std::string& text) {
  if (text.empty()) throw Error{ErrorKind::invalid_input, "a hook needs a program to run"};
  if (text.front() != '[') return {text};
  std::vector<std::string> argv;
  const auto words = Json::parse(text);
  for (const auto& element : words.as_array()) argv.push_back(element.as_string());
  if (argv.empty() || argv.front().empty()) throw Error{ErrorKind::invalid_input, "a hook needs a program to run"};
  for (const auto& word : argv) {
    if (word.find('\0') != std::string::npos) {
      throw Error{ErrorKind::invalid_input, "an argument of a hook holds a zero byte"};
    }
  }
  return argv;
}

void run_hook(const Hook& hook) {
  const auto end = Steady::now() + hook.time_limit;
  const NoBrokenPipeSignal quiet;
  Pipe input;
  Pipe output;
  const pid_t child = start(hook, input, output);
  input.read.close();
  output.write.close();
  ::fcntl(input.write.get(), F_SETFL, O_NONBLOCK);
  std::string text;
  std::size_t written = 0;
  if (hook.input.empty()) input.write.close();
  while (output.read.valid()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now()).count();
    if (left <= 0) {
      stop(child);
      throw Error{ErrorKind::unavailable, fmt::format("the hook {} did not end within {} and was stopped{}",
                                                      hook.argv[0], spoken(hook.time_limit), last_words(text))};
    }
    pollfd wanted[2] = {{output.read.get(), POLLIN, 0}, {input.write.get(), POLLOUT, 0}};
    if (::poll(wanted, input.write.valid() ? 2 : 1, static_cast<int>(left)) < 0 && errno != EINTR) break;
    if (input.write.valid() && wanted[1].revents != 0) {
      // A hook need not read its input.
      const auto count = ::write(input.write.get(), hook.input.data() + written, hook.input.size() - written);
      if (count > 0) written += static_cast<std::size_t>(count);
      if ((count < 0 && errno != EAGAIN && errno != EINTR) || written == hook.input.size()) input.write.close();
    }
    if (wanted[0].revents != 0) {
      char buffer[4096];
      const auto count = ::read(output.read.get(), buffer, sizeof buffer);
      if (count == 0 || (count < 0 && errno != EINTR)) output.read.close();
      if (count > 0) {
        text.append(buffer, static_cast<std::size_t>(count));
        if (text.size() > kMostOutput) text.erase(0, text.size() - kMostOutput / 2);
      }
    }
  }
  // It closed its output; it may still run (a daemon must detach from the group and from these pipes).
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) break;
    if (Steady::now() >= end) {
      stop(child);
      throw Error{ErrorKind::unavailable, fmt::format("the hook {} did not end within {} and was stopped", hook.argv[0],
                                                      spoken(hook.time_limit))};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  const auto how = WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                                       : fmt::format("exited with status {}", WEXITSTATUS(status));
  throw Error{ErrorKind::refused, fmt::format("the hook {} {}{}", hook.argv[0], how, last_words(text))};
}

}  // namespace hsmbridge::service
