#include "tools/hsmbridge/wiring/service_manager.h"

#include "support/notify_socket.h"
#include "support/temp_folder.h"
#include "support/variable.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using hsmbridge::cli::ServiceManager;

TEST_CASE("a service manager is told of each step once") {
  const TempFolder folder;
  for (const std::string& address : {(folder / "notify").string(), "@hsmbridge-test-" + std::to_string(::getpid())}) {
    INFO(address);
    NotifySocket socket(address);
    const Variable named("NOTIFY_SOCKET", address);
    ServiceManager manager;
    CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
    manager.alive();  // no silence was named
    manager.reloading();
    manager.ready();
    manager.ready();
    manager.status("two\nlines");
    manager.reloading();
    manager.reloading();
    manager.ready();
    manager.stopping();
    manager.stopping();
    manager.ready();
    CHECK(socket.next() == "READY=1\n");
    CHECK(socket.next() == "STATUS=two lines\n");
    CHECK(socket.next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    CHECK(socket.next() == "READY=1\n");
    CHECK(socket.next().starts_with("STOPPING=1\n"));
    CHECK_FALSE(socket.has_more());
  }
}

TEST_CASE("a watchdog is answered as often as it wants, and only by the process that it watches") {
  const TempFolder folder;
  const std::string address = (folder / "notify").string();
  NotifySocket socket(address);
  {
    const Variable named("NOTIFY_SOCKET", address);
    const Variable silence("WATCHDOG_USEC", "3600000000");
    const Variable process("WATCHDOG_PID", std::to_string(::getpid()));
    ServiceManager manager;
    manager.alive();
    manager.alive();
    CHECK(socket.next() == "WATCHDOG=1\n");
    CHECK_FALSE(socket.has_more());
  }
  for (const char* const others : {"1", "x"}) {
    const Variable named("NOTIFY_SOCKET", address);
    const Variable silence("WATCHDOG_USEC", "3600000000");
    const Variable process("WATCHDOG_PID", others);
    ServiceManager manager;
    manager.alive();
    CHECK_FALSE(socket.has_more());
  }
}

TEST_CASE("without a service manager, or with one that is not there, nothing is sent and nothing fails") {
  const TempFolder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  // Where they would be sent, if an address were taken for a path that it is not.
  const NotifySocket vsock("vsock:2:1");
  const NotifySocket relative("relative");
  for (const std::string address : {"", "/none/there", "vsock:2:1", "@", "relative"}) {
    INFO(address);
    const Variable named("NOTIFY_SOCKET", address);
    ServiceManager manager;
    manager.ready();
    manager.status("x");
    manager.stopping();
    CHECK_FALSE(vsock.has_more());
    CHECK_FALSE(relative.has_more());
  }
  std::filesystem::current_path(before);
}
