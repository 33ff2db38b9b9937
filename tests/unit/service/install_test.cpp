#include "service/effects/install.h"

#include "base/error.h"
#include "base/file.h"
#include "service/effects/hook.h"
#include "support/temp_folder.h"
#include "support/variable.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge {

TEST_CASE("install targets are read from their text and bad ones are refused") {
  CHECK(service::install_target("token").name == "token");
  CHECK(service::install_target("file:/etc/x.pem").detail == "/etc/x.pem");
  CHECK(service::install_target("file:leaf:/etc/x.pem").detail == "leaf:/etc/x.pem");
  CHECK(service::install_target("token:keep").name == "token");
  CHECK(service::keeps_predecessor(service::install_target("token:keep")));
  CHECK_FALSE(service::keeps_predecessor(service::install_target("token")));
  CHECK(service::install_target(R"(file:{"path":"/etc/x.pem","content":"pkcs7"})").name == "file:/etc/x.pem");
  CHECK(service::kind_of(service::install_target("hook:/bin/true")) == "hook");
  CHECK(service::kind_of(service::install_target("provider:import")) == "provider");
  for (const char* wrong : {"", "tokens", "token:x", "file:", "file:x.pem", "file:leaf:x.pem", "hook:", "hook:[]",
                            "hook:[1]", "hook:[\"\"]", "provider:", "provider:export", "http://x"}) {
    INFO(wrong);
    CHECK_THROWS_AS(service::install_target(wrong), Error);
  }
}

TEST_CASE("the words of a hook are passed as they are") {
  CHECK(service::hook_argv("/bin/x") == std::vector<std::string>{"/bin/x"});
  CHECK(service::hook_argv("[\"/bin/x\",\"a b\",\"$(id)\"]") == std::vector<std::string>{"/bin/x", "a b", "$(id)"});
}

TEST_CASE("a hook that hangs is stopped and one that floods its output is not kept") {
  service::Hook hook;
  hook.argv = {"sleep", "60"};
  hook.time_limit = std::chrono::milliseconds{200};
  try {
    service::run_hook(hook);
    FAIL("it ended");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
  }
  hook.argv = {"sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end >&2; exit 3"};
  hook.time_limit = std::chrono::seconds{20};
  try {
    service::run_hook(hook);
    FAIL("it succeeded");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::refused);
    CHECK(error.message().find("exited with status 3") != std::string::npos);
    CHECK(error.message().find("the end") != std::string::npos);
    CHECK(error.message().size() < 1000);
  }
}

TEST_CASE("a hook gets no descriptor but its three") {
  const int secret = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as libraries do
  REQUIRE(secret > 2);
  service::Hook hook;
  hook.argv = {"sh", "-c", "test ! -e /proc/self/fd/" + std::to_string(secret)};
  hook.time_limit = std::chrono::seconds{20};
  CHECK_NOTHROW(service::run_hook(hook));
  ::close(secret);
}

TEST_CASE("a hook need not read its input and one that is not there is unavailable") {
  service::Hook hook;
  hook.argv = {"true"};
  hook.input = std::string(1U << 20U, 'x');
  hook.time_limit = std::chrono::seconds{20};
  CHECK_NOTHROW(service::run_hook(hook));
  hook.argv = {"/no/such/program"};
  try {
    service::run_hook(hook);
    FAIL("it ran");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
  }
}

TEST_CASE("a program that others could put in the place of the hook is not run, wherever it is found") {
  const test::TempFolder folder;
  const auto program = folder / "reload";
  const auto ran = folder / "ran";
  write_file(program, as_bytes("#!/bin/sh\ntouch " + ran.string() + "\n"), FileMode::private_0600, Existing::refuse);
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const test::Variable path("PATH", folder.path().string() + ":" + std::getenv("PATH"));
  service::Hook hook;
  hook.argv = {"reload"};
  hook.time_limit = std::chrono::seconds{20};
  CHECK_NOTHROW(service::run_hook(hook));
  CHECK(std::filesystem::remove(ran));
  for (const auto& writable : {program, folder.path()}) {
    INFO(writable.string());
    std::filesystem::permissions(writable, std::filesystem::perms::others_write, std::filesystem::perm_options::add);
    std::optional<ErrorKind> kind;
    try {
      service::run_hook(hook);
    } catch (const Error& error) {
      kind = error.kind();
    }
    CHECK(kind == ErrorKind::denied);
    CHECK_FALSE(std::filesystem::exists(ran));
    std::filesystem::permissions(writable, std::filesystem::perms::others_write, std::filesystem::perm_options::remove);
  }
}

TEST_CASE("a hook is over when it exits, and the server that it started lives on") {
  const test::TempFolder folder;
  service::Hook hook;
  hook.time_limit = std::chrono::seconds{20};
  for (const auto& [end, fails] : {std::pair{"exit 0", false}, std::pair{"echo no luck; exit 3", true}}) {
    INFO(end);
    const auto pid_file = folder / (fails ? "failed" : "done");
    hook.argv = {"sh", "-c", "sleep 30 & echo $! > " + pid_file.string() + "; " + end};
    const auto begun = std::chrono::steady_clock::now();
    std::string message;
    try {
      service::run_hook(hook);
    } catch (const Error& error) {
      message = error.message();
    }
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds{10});
    CHECK((message.find("exited with status 3: no luck") != std::string::npos) == fails);
    const pid_t server = std::stoi(to_text(read_file(pid_file)));
    CHECK(::kill(server, 0) == 0);
    ::kill(server, SIGKILL);
  }
}

TEST_CASE("a hook whose exit status is lost does not count as done") {
  struct sigaction before {};
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  REQUIRE(::sigaction(SIGCHLD, &ignore, &before) == 0);
  service::Hook hook;
  hook.argv = {"sh", "-c", "exit 7"};
  hook.time_limit = std::chrono::seconds{20};
  std::optional<ErrorKind> kind;
  try {
    service::run_hook(hook);
  } catch (const Error& error) {
    kind = error.kind();
  }
  ::sigaction(SIGCHLD, &before, nullptr);
  CHECK(kind == ErrorKind::outcome_unknown);
}

namespace {

// What is said of hooks that user 1001 runs for too long, with a setpriv at hand by which they become root.
struct UnprivilegedHooks {
  test::TempFolder folder;
  std::filesystem::path become_root = folder / "setpriv";
  UnprivilegedHooks() {
    std::filesystem::copy_file("/usr/bin/setpriv", become_root);
    REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
    REQUIRE(::chmod(become_root.c_str(), 04755) == 0);
  }
  std::string said_of(const std::vector<std::string>& argv) const {
    int answer[2];
    REQUIRE(::pipe2(answer, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      if (::setgroups(0, nullptr) != 0 || ::setresgid(1001, 1001, 1001) != 0 || ::setresuid(1001, 1001, 1001) != 0) {
        ::_exit(2);
      }
      std::string said = "nothing";
      try {
        service::Hook hook;
        hook.argv = argv;
        hook.time_limit = std::chrono::milliseconds{500};
        service::run_hook(hook);
      } catch (const Error& error) {
        said = error.message();
      }
      const auto size = static_cast<ssize_t>(said.size());
      ::_exit(::write(answer[1], said.data(), said.size()) == size ? 0 : 1);
    }
    ::close(answer[1]);
    std::string said(1000, '\0');
    const auto size = ::read(answer[0], said.data(), said.size());
    ::close(answer[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    said.resize(static_cast<std::size_t>(size));
    return said;
  }
};

}  // namespace

TEST_CASE_METHOD(UnprivilegedHooks, "a hook that became another user's and cannot be stopped is not waited for") {
  const auto began = std::chrono::steady_clock::now();
  CHECK_THAT(
      said_of({become_root.string(), "--reuid", "0", "sleep", "6"}),
      Catch::EndsWith("did not end within 500 milliseconds and may not be stopped, since it runs as another user"));
  // One of its process group may be signalled: kill(2) succeeds for the group then.
  CHECK_THAT(said_of({"sh", "-c", "sleep 6 & exec " + become_root.string() + " --reuid 0 sleep 6"}),
             Catch::EndsWith(" and may not be stopped, since it runs as another user"));
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{5});
}

TEST_CASE_METHOD(UnprivilegedHooks, "a hook that was stopped and what it started as another user was not is told so") {
  CHECK_THAT(said_of({"sh", "-c", become_root.string() + " --reuid 0 sleep 6 & exec sleep 6"}),
             Catch::EndsWith(" and was stopped, but not what it started as another user"));
  CHECK_THAT(said_of({"sh", "-c", "sleep 6 & exec sleep 6"}),
             Catch::EndsWith(" did not end within 500 milliseconds and was stopped"));
}

}  // namespace hsmbridge
