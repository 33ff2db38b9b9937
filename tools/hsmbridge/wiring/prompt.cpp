#include "tools/hsmbridge/wiring/prompt.h"

#include "base/error.h"
#include "tools/commandline/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
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

// Written by give_up_prompt(), read by whoever waits at the prompt on another thread. Made once, never closed: a signal
// may come at any moment.
std::atomic<int> given_up{-1};

constexpr std::array kEndings{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// /dev/tty with its echo off, as it was before when this object goes, also by an exception, and when the process is
// ended by a signal for which it has no handler of its own. It cannot be stopped (Ctrl-Z) meanwhile: the shell would
// get a terminal without echo.
class SilentTerminal {
 public:
  SilentTerminal() : file_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (file_ < 0 || ::tcgetattr(file_, &before_silence.mode) != 0) {
      if (file_ >= 0) ::close(file_);
      throw Error{ErrorKind::denied, "a secret must be typed and there is no terminal"}.hint(
          "name another source: env:NAME, file:PATH or credential:NAME");
    }
    static const int registered = std::atexit(put_echo_back);
    (void)registered;
    if (given_up.load() < 0) given_up.store(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    forget_given_up();  // it was about the question before
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
    // Also after give_up_prompt(), which may have come before the echo was off.
    before_silence.file = -1;
    ::tcsetattr(file_, TCSANOW, &before_silence.mode);
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

  // Throws denied when the line has no end: at Ctrl-D, when the terminal goes away, and when give_up_prompt() was
  // called, what was typed so far is not the secret. Nor is the beginning of a line that is longer than any secret.
  Secret line() const {
    constexpr std::size_t kMost = 1023;
    std::string typed;
    typed.reserve(kMost);  // a growing buffer would leave copies of the secret behind
    bool too_long = false;
    for (;;) {
      char c = 0;
      const ssize_t count = next_octet(c);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        const Secret wiped(std::move(typed));
        ::tcflush(file_, TCIFLUSH);  // the rest of it is not for the shell
        throw Error{ErrorKind::denied, "the input ended within the line: nothing that was typed is used"};
      }
      if (c == '\n') break;
      too_long = too_long || typed.size() == kMost;
      if (!too_long) typed.push_back(c);
    }
    Secret secret(std::move(typed));
    if (too_long) throw Error{ErrorKind::denied, "more was typed than any secret has: nothing of it is used"};
    return secret;
  }

 private:
  // As read(2); 0 when whoever waits is to give up.
  ssize_t next_octet(char& c) const {
    std::array<pollfd, 2> ready{
        {{.fd = file_, .events = POLLIN, .revents = 0}, {.fd = given_up.load(), .events = POLLIN, .revents = 0}}};
    if (::poll(ready.data(), ready.size(), -1) < 0) return -1;
    return ready[1].revents != 0 ? 0 : ::read(file_, &c, 1);
  }
  static void forget_given_up() {
    std::uint64_t count = 0;
    (void)!::read(given_up.load(), &count, sizeof count);
  }

  int file_;
  std::array<struct sigaction, kEndings.size()> handlers_{};
};

Secret ask(const std::string& question) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const SilentTerminal terminal;
  terminal.say(commandline::safe(question) + ": ");
  try {
    Secret typed = terminal.line();
    terminal.say("\n");
    return typed;
  } catch (const Error&) {
    terminal.say("\n");
    throw;
  }
}

}  // namespace

void give_up_prompt() noexcept {
  const int code = errno;
  put_echo_back();
  const std::uint64_t one = 1;
  const int file = given_up.load();
  if (file >= 0) (void)!::write(file, &one, sizeof one);
  errno = code;
}

config::Prompter terminal_prompter() {
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) return {};
  ::close(terminal);
  return ask;
}

}  // namespace hsmbridge::cli
