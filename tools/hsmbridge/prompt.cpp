#include "tools/hsmbridge/prompt.h"

#include "base/error.h"
#include "tools/commandline/output.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace hsmbridge::cli {

namespace {

// /dev/tty with its echo off, as it was before when this object goes, also by an exception.
class SilentTerminal {
 public:
  SilentTerminal() : file_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (file_ < 0 || ::tcgetattr(file_, &before_) != 0) {
      if (file_ >= 0) ::close(file_);
      throw Error{ErrorKind::denied, "a secret must be asked for and there is no terminal"}.hint(
          "name another source: env:NAME, file:PATH or credential:NAME");
    }
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(file_, TCSAFLUSH, &silent);
  }
  ~SilentTerminal() {
    ::tcsetattr(file_, TCSAFLUSH, &before_);
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
  termios before_{};
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
