#include "tools/hsmbridge/wiring/prompt.h"

#include "base/error.h"
#include "tools/commandline/output.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace hsmbridge::cli {

namespace {

// What the terminal was before its echo was put off, for whoever ends the process meanwhile: a signal, or exit() on
// another thread. There is one prompt at a time.
struct BeforeSilence {
  std::atomic<int> file{-1};  // -1: nothing to put back
  termios mode{};
};
BeforeSilence before_silence;

extern "C" void put_echo_back() {
  const int file = before_silence.file.exchange(-1);
  if (file >= 0) ::tcsetattr(file, TCSANOW, &before_silence.mode);
}

// tcsetattr and raise may be called here (POSIX.1-2017 §2.4.3).
extern "C" void put_echo_back_and_die(int number) {
  put_echo_back();
  ::signal(number, SIG_DFL);
  ::raise(number);
}

constexpr std::array kEndings{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// /dev/tty with its echo off, as it was before when this object goes, also by an exception, and when the process is
// ended by a signal for which it has no handler of its own. It cannot be stopped (Ctrl-Z) meanwhile: the shell would
// get a terminal without echo.
class SilentTerminal {
 public:
  SilentTerminal() : file_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (file_ < 0 || ::tcgetattr(file_, &before_silence.mode) != 0) {
      if (file_ >= 0) ::close(file_);
      throw Error{ErrorKind::denied, "a secret must be asked for and there is no terminal"}.hint(
          "name another source: env:NAME, file:PATH or credential:NAME");
    }
    static const int registered = std::atexit(put_echo_back);
    (void)registered;
    before_silence.file = file_;
    for (std::size_t i = 0; i < kEndings.size(); ++i) {
      ::sigaction(kEndings[i], nullptr, &handlers_[i]);
      if (handlers_[i].sa_handler != SIG_DFL) continue;
      struct sigaction ours {};
      ours.sa_handler = put_echo_back_and_die;
      ::sigaction(kEndings[i], &ours, nullptr);
    }
    termios silent = before_silence.mode;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_cc[VSUSP] = _POSIX_VDISABLE;
    ::tcsetattr(file_, TCSAFLUSH, &silent);
  }
  ~SilentTerminal() {
    put_echo_back();
    for (std::size_t i = 0; i < kEndings.size(); ++i) {
      if (handlers_[i].sa_handler == SIG_DFL) ::sigaction(kEndings[i], &handlers_[i], nullptr);
    }
    ::close(file_);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

  void say(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t count = ::write(file_, text.data(), text.size());
      if (count < 0 && errno != EINTR) throw Error{ErrorKind::denied, "the terminal cannot be written"};
      if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  Secret line() const {
    constexpr std::size_t kMost = 1023;
    std::string typed;
    typed.reserve(kMost);  // a growing buffer would leave copies of the secret behind
    for (;;) {
      char c = 0;
      const ssize_t count = ::read(file_, &c, 1);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0 || c == '\n' || typed.size() == kMost) break;
      typed.push_back(c);
    }
    return Secret(std::move(typed));
  }

 private:
  int file_;
  std::array<struct sigaction, kEndings.size()> handlers_{};
};

Secret ask(const std::string& question) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const SilentTerminal terminal;
  terminal.say(commandline::safe(question) + ": ");
  Secret typed = terminal.line();
  terminal.say("\n");
  return typed;
}

}  // namespace

config::Prompter terminal_prompter() {
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) return {};
  ::close(terminal);
  return ask;
}

}  // namespace hsmbridge::cli
