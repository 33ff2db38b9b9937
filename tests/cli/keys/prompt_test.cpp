#include "tools/hsmbridge/wiring/prompt.h"

#include "base/error.h"
#include "support/cli/cli.h"
#include "tools/hsmbridge/wiring/run_signals.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

using hsmbridge::test::Cli;

namespace {

// A command that asks at a terminal of the test's, in a process that inherits what a careless parent leaves: SIGCHLD
// ignored, SIGTERM blocked, core files wanted.
class AtPrompt {
 public:
  // `token login`, which asks for its PIN.
  explicit AtPrompt(const Cli& cli)
      : AtPrompt(cli, {"token", "login", "--module", Cli::module().string(), "--token", "web", "--pin", "prompt"},
                 "the PIN of token web: ") {}
  AtPrompt(const Cli& cli, std::vector<std::string> argv, const std::string& question) {
    REQUIRE(::openpty(&master_, &terminal_, nullptr, nullptr, nullptr) == 0);
    ::fcntl(master_, F_SETFD, FD_CLOEXEC);
    argv.insert(argv.begin(), Cli::program().string());
    std::vector<std::string> environment;
    for (const auto& [name, value] : cli.environment()) environment.push_back(name + "=" + value);
    const auto pointers = [](std::vector<std::string>& words) {
      std::vector<char*> result;
      for (std::string& word : words) result.push_back(word.data());
      result.push_back(nullptr);
      return result;
    };
    const auto arguments = pointers(argv);
    const auto variables = pointers(environment);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      ::setsid();
      ::ioctl(terminal_, TIOCSCTTY, 0);
      for (int file = 0; file < 3; ++file) ::dup2(terminal_, file);
      ::signal(SIGCHLD, SIG_IGN);
      sigset_t blocked;
      ::sigemptyset(&blocked);
      ::sigaddset(&blocked, SIGTERM);
      ::sigprocmask(SIG_SETMASK, &blocked, nullptr);
      rlimit cores{};
      ::getrlimit(RLIMIT_CORE, &cores);
      cores.rlim_cur = cores.rlim_max;
      ::setrlimit(RLIMIT_CORE, &cores);
      if (::chdir(cli.folder().c_str()) == 0) ::execve(arguments[0], arguments.data(), variables.data());
      ::_exit(127);
    }
    expect(question);
  }
  ~AtPrompt() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      wait();
    }
    ::close(master_);
    ::close(terminal_);
  }
  AtPrompt(const AtPrompt&) = delete;
  AtPrompt& operator=(const AtPrompt&) = delete;

  pid_t process() const { return process_; }
  bool echoes() const {
    termios mode{};
    REQUIRE(::tcgetattr(terminal_, &mode) == 0);
    return (mode.c_lflag & static_cast<tcflag_t>(ECHO)) != 0;
  }
  void type(const std::string& text) const {
    REQUIRE(::write(master_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  // Until the terminal has shown `text`.
  void expect(const std::string& text) {
    while (shown_.find(text) == std::string::npos) {
      pollfd ready{master_, POLLIN, 0};
      if (::poll(&ready, 1, 30'000) <= 0) FAIL("the terminal shows only: " << shown_);
      std::array<char, 4096> buffer{};
      const ssize_t count = ::read(master_, buffer.data(), buffer.size());
      if (count <= 0) FAIL("the terminal shows only: " << shown_);
      shown_.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }
  const std::string& shown() const { return shown_; }
  int wait() {
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return status;
  }
  // A line of a file of /proc about it.
  std::string fact(const std::string& file, const std::string& name) const {
    std::ifstream lines("/proc/" + std::to_string(process_) + "/" + file);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind(name, 0) == 0) return line;
    }
    return "";
  }

 private:
  int master_ = -1;
  int terminal_ = -1;
  pid_t process_ = -1;
  std::string shown_;
};

}  // namespace

TEST_CASE("a PIN that is typed is not shown and the terminal echoes again afterwards") {
  const Cli cli;
  cli.make_token("web");
  AtPrompt asked(cli);
  CHECK_FALSE(asked.echoes());
  asked.type("1234\n");
  asked.expect("the PIN is right");
  CHECK(asked.wait() == 0);
  CHECK(asked.echoes());
  CHECK(asked.shown().find("1234") == std::string::npos);
}

TEST_CASE("a token that is another one when the person has agreed to destroy it keeps its keys") {
  const Cli cli;
  cli.make_token("web");
  cli.write("so.pin", "87654321\n");
  const auto listed = cli.run({"token", "list", "--module", Cli::module().string(), "--json"}).json();
  std::string slot;
  for (const auto& token : listed.at("tokens").as_array()) {
    if (token.at("label").as_string() == "web") slot = std::to_string(token.at("slot").as_integer());
  }
  REQUIRE_FALSE(slot.empty());
  AtPrompt asked(cli,
                 {"token", "init", "--module", Cli::module().string(), "--label", "new", "--slot", slot,
                  "--destroy-everything", "--so-pin", "file:so.pin", "--pin", "file:web.pin"},
                 "Destroy every key on token web in slot " + slot + "?");
  REQUIRE(cli.other({"softhsm2-util", "--init-token", "--slot", slot, "--label", "swapped", "--pin", "1234", "--so-pin",
                     "87654321"})
              .status == 0);
  cli.write("swapped.pin", "1234\n");
  REQUIRE(cli.run(cli.on("swapped", {"key", "generate", "--label", "a"})).status == 0);
  asked.type("yes\n");
  asked.expect("was changed by somebody else meanwhile");
  CHECK(WEXITSTATUS(asked.wait()) == 1);
  CHECK(cli.run(cli.on("swapped", {"key", "list", "--json"})).json().at("keys").as_array().size() == 1);
}

TEST_CASE("what is typed without the end of its line, or too long for a secret, is not sent") {
  const Cli cli;
  cli.make_token("web");
  AtPrompt asked(cli);
  SECTION("Ctrl-D") {
    asked.type("0000\x04\x04");
    asked.expect("the input ended within the line: nothing that was typed is used");
  }
  SECTION("more than a secret has") {
    asked.type(std::string(1500, '0') + "\n");
    asked.expect("more was typed than any secret has: nothing of it is used");
  }
  CHECK(asked.wait() != 0);
  CHECK(asked.echoes());
  const auto tokens = cli.other({"pkcs11-tool", "--module", Cli::module().string(), "--list-token-slots"});
  CHECK(tokens.out.find("token initialized") != std::string::npos);
  CHECK(tokens.out.find("user PIN count low") == std::string::npos);
}

TEST_CASE("a signal that stops the work gives up a question at the terminal, which echoes again") {
  int master = -1;
  int terminal = -1;
  REQUIRE(::openpty(&master, &terminal, nullptr, nullptr, nullptr) == 0);
  const pid_t process = ::fork();
  REQUIRE(process >= 0);
  if (process == 0) {
    ::alarm(60);
    ::setsid();
    ::ioctl(terminal, TIOCSCTTY, 0);
    int code = 1;
    {
      const hsmbridge::cli::StopSignals signals({SIGINT, SIGTERM});
      // As in `run`: the thread that asks is not the one that gets the signal.
      std::thread asking([&code] {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
        try {
          (void)hsmbridge::cli::terminal_prompter()("the PIN");
        } catch (const hsmbridge::Error&) {
          code = 3;
        }
      });
      asking.join();
      if (signals.received() != SIGINT) code = 2;
    }
    ::_exit(code);
  }
  std::string shown;
  while (shown.find("the PIN: ") == std::string::npos) {
    pollfd ready{master, POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 30'000) == 1);
    std::array<char, 256> buffer{};
    const ssize_t count = ::read(master, buffer.data(), buffer.size());
    REQUIRE(count > 0);
    shown.append(buffer.data(), static_cast<std::size_t>(count));
  }
  termios mode{};
  REQUIRE(::tcgetattr(terminal, &mode) == 0);
  CHECK((mode.c_lflag & static_cast<tcflag_t>(ECHO)) == 0);
  REQUIRE(::write(master, "12\x03", 3) == 3);
  int status = 0;
  REQUIRE(::waitpid(process, &status, 0) == process);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 3);
  REQUIRE(::tcgetattr(terminal, &mode) == 0);
  CHECK((mode.c_lflag & static_cast<tcflag_t>(ECHO)) != 0);
  ::close(master);
  ::close(terminal);
}

TEST_CASE("a signal at the PIN prompt ends the program and leaves a terminal that echoes") {
  const Cli cli;
  cli.make_token("web");
  AtPrompt asked(cli);
  REQUIRE_FALSE(asked.echoes());
  int expected = SIGINT;
  SECTION("Ctrl-C") {
    asked.type("12\x03");
  }
  SECTION("Ctrl-\\") {
    expected = SIGQUIT;
    asked.type("12\x1c");
  }
  SECTION("kill") {
    expected = SIGTERM;
    CHECK(::kill(asked.process(), SIGTERM) == 0);
  }
  const int status = asked.wait();
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == expected);
  CHECK(asked.echoes());
}

TEST_CASE("a crash leaves no core file whatever the limit") {
  const Cli cli;
  cli.make_token("web");
  AtPrompt asked(cli);
  CHECK(asked.fact("limits", "Max core file size").find("Max core file size        0 ") == 0);
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  ::prlimit(asked.process(), RLIMIT_CORE, &all, nullptr);
  ::kill(asked.process(), SIGSEGV);
  const int status = asked.wait();
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
  CHECK_FALSE(WCOREDUMP(status));
}

TEST_CASE("what a parent did to signals is undone at the start") {
  const Cli cli;
  cli.make_token("web");
  const AtPrompt asked(cli);
  CHECK(asked.fact("status", "SigBlk:") == "SigBlk:\t0000000000000000");
  const std::string ignored = asked.fact("status", "SigIgn:");
  REQUIRE(ignored.size() > 8);
  CHECK((std::stoull(ignored.substr(8), nullptr, 16) & (1ULL << (SIGCHLD - 1))) == 0);
}

TEST_CASE("a program that is started without its standard files writes into no other file") {
  const Cli cli;
  cli.make_token("web");
  cli.configure("store: {path: store.db}\n");
  REQUIRE(cli.run({"token", "login", "web"}).status == 0);
  for (const std::string& closed : {std::string(">&-"), std::string("2>&-"), std::string("<&- >&- 2>&-")}) {
    const auto result = cli.other({"bash", "-c", "exec \"$0\" -vv token login web " + closed, Cli::program().string()});
    CHECK(result.status == 0);
    CHECK(cli.other({"sqlite3", (cli / ".config/hsmbridge/store.db").string(), "PRAGMA integrity_check"}).out ==
          "ok\n");
  }
  CHECK(cli.run({"request", "list"}).status == 0);
}
