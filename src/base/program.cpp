#include "base/program.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/trust.h"
#include "base/unicode.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

namespace hsmbridge {

namespace {

using Steady = std::chrono::steady_clock;
constexpr std::size_t kMostOutput = 64U << 10U;
constexpr std::size_t kShownOutput = 200;
constexpr std::chrono::milliseconds kLook{20};    // how often one that writes nothing is looked at
constexpr std::chrono::milliseconds kGrace{200};  // for the rest of its output when others hold it open

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
      throw Error{ErrorKind::unavailable, fmt::format("no pipe for another program: {}", std::strerror(errno))};
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

// Writing to a program that does not read raises SIGPIPE in this thread: it is held back here and taken away again,
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

std::vector<std::string> environment_of(const Program& program) {
  std::vector<std::string> result;
  for (const char* name : {"PATH", "HOME", "LANG", "TZ"}) {
    if (const char* value = std::getenv(name)) result.push_back(fmt::format("{}={}", name, value));
  }
  for (const auto& [name, value] : program.environment) result.push_back(name + "=" + value);
  return result;
}

// A process group of its own, so that what the program starts can be stopped with it; default signal handling, since this
// program blocks or catches some.
pid_t start(const Program& program, const Pipe& input, const Pipe& output) {
  SpawnActions actions;
  ::posix_spawn_file_actions_adddup2(&actions.value, input.read.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions.value, output.write.get(), STDOUT_FILENO);
  if (program.errors == Program::Errors::with_output) {
    ::posix_spawn_file_actions_adddup2(&actions.value, output.write.get(), STDERR_FILENO);
  } else {
    ::posix_spawn_file_actions_addopen(&actions.value, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  // Whatever else is open here (a file that some library opened without O_CLOEXEC, a terminal) is none of its business.
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
  const auto file = program_file(program.argv[0]);
  std::error_code unknown;
  if (file && std::filesystem::exists(*file, unknown)) expect_trusted(*file, {program.why});
  auto arguments = program.argv;
  auto variables = environment_of(program);
  auto argv = pointers(arguments);
  auto environment = pointers(variables);
  pid_t child = -1;
  const int failure =
      !file ? ENOENT
            : ::posix_spawn(&child, file->c_str(), &actions.value, &attributes.value, argv.data(), environment.data());
  if (failure != 0) {
    throw Error{ErrorKind::unavailable,
                fmt::format("{} {} could not be started: {}", program.what, program.argv[0], std::strerror(failure))}
        .hint("check the path and its x permission");
  }
  return child;
}

// The last line that it wrote: what a program says when it gives up.
std::string last_words(std::string output) {
  while (!output.empty() && (output.back() == '\n' || output.back() == '\r' || output.back() == ' ')) output.pop_back();
  output.erase(0, output.find_last_of('\n') + 1);
  if (output.size() > kShownOutput) output.erase(0, output.size() - kShownOutput);
  return output.empty() ? "" : ": " + printable(output);
}

// Its process, from its start to the moment in which its exit status is known.
class Child {
 public:
  Child(pid_t pid, const std::string& what) : pid_(pid), what_(what) {}
  // Whatever cut its run short: no child is left behind as a zombie.
  ~Child() {
    if (!ended_) stop();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Whether it ended itself; what it started may live on. Throws outcome_unknown when the status was lost: where
  // a parent left SIGCHLD ignored the kernel throws it away, and that must not read as success.
  bool ended() {
    while (!ended_) {
      const pid_t got = ::waitpid(pid_, &status_, WNOHANG);
      if (got == 0) return false;
      if (got < 0 && errno == EINTR) continue;
      ended_ = true;
      if (got < 0) {
        throw Error{ErrorKind::outcome_unknown,
                    fmt::format("the exit status of {} could not be read: {}", what_, std::strerror(errno))}
            .hint("start hsmbridge with SIGCHLD at its default");
      }
    }
    return true;
  }
  int status() const { return status_; }
  // With everything in its process group, and tells what became of it. kill(2) on a group succeeds when it may signal
  // any member, so that only its own end says that it was stopped. One that became another user's is
  // waited for a moment and then left: it ends when it likes, and nothing here waits for that.
  std::string stop() {
    const auto until = Steady::now() + kGrace;
    const auto goes_on = [&] {
      if (Steady::now() >= until) return false;
      ::poll(nullptr, 0, static_cast<int>(kLook.count()));
      return true;
    };
    ::kill(-pid_, SIGKILL);
    const bool foreign = ::kill(pid_, SIGKILL) != 0 && errno == EPERM;
    pid_t got = 0;
    do {
      got = ::waitpid(pid_, &status_, WNOHANG);
    } while ((got == 0 || (got < 0 && errno == EINTR)) && goes_on());
    ended_ = true;
    if (got == 0) {
      return foreign ? "may not be stopped, since it runs as another user" : "was told to stop and has not ended yet";
    }
    // While others of the group are dead and not yet reaped they hide the one that may not be signalled.
    while (::kill(-pid_, 0) == 0 && goes_on()) {
    }
    const bool left = ::kill(-pid_, 0) != 0 && errno == EPERM;
    return left ? "was stopped, but not what it started as another user" : "was stopped";
  }

 private:
  pid_t pid_;
  const std::string& what_;
  int status_ = 0;
  bool ended_ = false;
};

// How much of what a program writes is kept, and which end of it.
struct Kept {
  enum class End { first, last };
  End end;
  std::size_t most;
};

// Both ends of a conversation with it: its input is given to it, its output is kept as far as that is wanted.
class Conversation {
 public:
  Conversation(const std::string& input, const Kept& kept, Pipe& to, Pipe& from)
      : input_(input), kept_(kept), to_(to), from_(from) {
    ::fcntl(to_.write.get(), F_SETFL, O_NONBLOCK);
    ::fcntl(from_.read.get(), F_SETFL, O_NONBLOCK);
    if (input_.empty()) to_.write.close();
  }
  // Reads and writes what is possible, waiting at most so long for it.
  void go_on(std::chrono::milliseconds most) {
    pollfd wanted[2] = {{from_.read.get(), POLLIN, 0}, {to_.write.get(), POLLOUT, 0}};  // a negative one is passed over
    if (::poll(wanted, 2, static_cast<int>(most.count())) <= 0) return;
    if (wanted[1].revents != 0) write_some();
    if (wanted[0].revents != 0) read_some();
  }
  bool is_quiet() const { return !from_.read.valid(); }
  bool was_cut() const { return cut_; }
  const std::string& text() const { return text_; }

 private:
  // It need not read its input.
  void write_some() {
    const auto count = ::write(to_.write.get(), input_.data() + written_, input_.size() - written_);
    if (count > 0) written_ += static_cast<std::size_t>(count);
    if ((count < 0 && errno != EAGAIN && errno != EINTR) || written_ == input_.size()) to_.write.close();
  }
  void read_some() {
    char buffer[4096];
    const auto count = ::read(from_.read.get(), buffer, sizeof buffer);
    if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) from_.read.close();
    if (count <= 0) return;
    std::string_view more(buffer, static_cast<std::size_t>(count));
    if (kept_.end == Kept::End::first && more.size() > kept_.most - text_.size()) {
      more = more.substr(0, kept_.most - text_.size());
      cut_ = true;
    }
    text_ += more;
    if (text_.size() > kept_.most) text_.erase(0, text_.size() - kept_.most / 2);
  }

  const std::string& input_;
  const Kept kept_;
  Pipe& to_;
  Pipe& from_;
  std::string text_;
  std::size_t written_ = 0;
  bool cut_ = false;
};

struct Exit {
  int status;  // as waitpid gives it
  std::string output;
  bool cut;
};

std::string how(int status) {
  return WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                             : fmt::format("exited with status {}", WEXITSTATUS(status));
}

// Its own exit decides: a server that it started may keep its output open for as long as it runs.
Exit exit_of(const Program& program, const Kept& kept) {
  const auto end = Steady::now() + program.time_limit;
  const NoBrokenPipeSignal quiet;
  Pipe input;
  Pipe output;
  Child child(start(program, input, output), program.what);
  input.read.close();
  output.write.close();
  Conversation conversation(program.input, kept, input, output);
  while (!child.ended()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now());
    if (left.count() <= 0) {
      const std::string what_became = child.stop();
      throw Error{ErrorKind::unavailable,
                  fmt::format("{} {} did not end within {} and {}{}", program.what, program.argv[0],
                              spoken(program.time_limit), what_became, last_words(conversation.text()))};
    }
    conversation.go_on(std::min(left, kLook));
  }
  // What it wrote before it ended is in the pipe already.
  for (const auto grace = Steady::now() + kGrace; !conversation.is_quiet() && Steady::now() < grace;) {
    conversation.go_on(kLook);
  }
  return {child.status(), conversation.text(), conversation.was_cut() || !conversation.is_quiet()};
}

}  // namespace

std::optional<std::filesystem::path> program_file(const std::string& name) {
  if (name.empty()) return std::nullopt;
  if (name.find('/') != std::string::npos) return name;
  const char* const path = std::getenv("PATH");
  std::string_view folders = path != nullptr ? path : "/bin:/usr/bin";
  for (;;) {
    const std::size_t end = folders.find(':');
    const std::string_view folder = folders.substr(0, end);
    const std::filesystem::path file = std::filesystem::path(folder.empty() ? "." : folder) / name;
    std::error_code unknown;
    if (std::filesystem::is_regular_file(file, unknown) && ::access(file.c_str(), X_OK) == 0) return file;
    if (end == std::string_view::npos) return std::nullopt;
    folders.remove_prefix(end + 1);
  }
}

std::string run(const Program& program) {
  Exit exit = exit_of(program, {Kept::End::last, kMostOutput});
  if (WIFEXITED(exit.status) && WEXITSTATUS(exit.status) == 0) return std::move(exit.output);
  throw Error{ErrorKind::refused,
              fmt::format("{} {} {}{}", program.what, program.argv[0], how(exit.status), last_words(exit.output))};
}

ProgramEnd run_to_end(const Program& program, std::size_t most_output) {
  Exit exit = exit_of(program, {Kept::End::first, most_output});
  if (WIFEXITED(exit.status)) return {WEXITSTATUS(exit.status), std::move(exit.output), exit.cut};
  throw Error{ErrorKind::unavailable,
              fmt::format("{} {} {}{}", program.what, program.argv[0], how(exit.status), last_words(exit.output))};
}

}  // namespace hsmbridge
