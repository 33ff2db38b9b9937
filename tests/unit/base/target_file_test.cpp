#include "base/target_file.h"

#include "base/error.h"
#include "base/file.h"
#include "support/temp_folder.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

constexpr uid_t kNobody = 65534;

struct stat look(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

void put(const std::filesystem::path& path, const std::string& text, mode_t mode = 0644) {
  write_file(path, as_bytes(text), FileMode::public_0644, Existing::refuse);
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

void replace(const std::filesystem::path& path, const FileAccess& access = {}) {
  TargetFile(path).replace(as_bytes("new"), access);
}

ErrorKind refusal_of(const std::filesystem::path& path) {
  try {
    replace(path);
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("it was replaced");
  return ErrorKind::internal;
}

// acl(5) as the kernel keeps it: version 2, then entries of tag, permissions and id.
std::string acl_with_user(uid_t user) {
  struct Entry {
    std::uint16_t tag, permissions;
    std::uint32_t id;
  };
  constexpr std::uint32_t kNone = 0xffffffff;
  const std::array<Entry, 5> entries{
      {{0x01, 6, kNone}, {0x02, 4, user}, {0x04, 0, kNone}, {0x10, 4, kNone}, {0x20, 0, kNone}}};
  std::string value("\x02\0\0\0", 4);
  value.append(reinterpret_cast<const char*>(entries.data()), sizeof entries);
  return value;
}

std::string acl_of(const std::filesystem::path& path) {
  std::array<char, 256> buffer{};
  const auto size = ::getxattr(path.c_str(), "system.posix_acl_access", buffer.data(), buffer.size());
  return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
}

}  // namespace

TEST_CASE("a symbolic link stays and the file behind it is replaced, through every kind of link") {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "data");
  put(folder / "data/real.pem", "old");
  std::filesystem::create_symlink(folder / "data/real.pem", folder / "absolute.pem");
  std::filesystem::create_symlink("data/real.pem", folder / "relative.pem");
  std::filesystem::create_symlink("relative.pem", folder / "twice.pem");
  for (const char* name : {"absolute.pem", "relative.pem", "twice.pem"}) {
    INFO(name);
    write_file(folder / "data/real.pem", as_bytes("old"), FileMode::public_0644, Existing::replace);
    replace(folder / name);
    CHECK(std::filesystem::is_symlink(folder / name));
    CHECK(to_text(read_file(folder / "data/real.pem")) == "new");
  }
  std::filesystem::create_symlink("data/missing.pem", folder / "dangling.pem");
  CHECK_FALSE(TargetFile(folder / "dangling.pem").is_there());
  replace(folder / "dangling.pem");
  CHECK(to_text(read_file(folder / "data/missing.pem")) == "new");
  std::filesystem::create_symlink("loop.pem", folder / "loop.pem");
  CHECK_THROWS_AS(replace(folder / "loop.pem"), Error);
}

namespace {

// A folder of root in which a service has a folder of its own, `app`, and root has `safe`, which holds victim.pem.
struct ServiceFolder {
  TempFolder folder;
  std::filesystem::path app = folder / "app";
  std::filesystem::path safe = folder / "safe";
  ServiceFolder() {
    REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
    for (const auto& path : {app, safe}) std::filesystem::create_directory(path);
    put(safe / "victim.pem", "old");
    if (::geteuid() == 0) give(app);
  }
  static void give(const std::filesystem::path& path) { REQUIRE(::lchown(path.c_str(), kNobody, kNobody) == 0); }
  std::filesystem::path link(const std::filesystem::path& to, const std::filesystem::path& at) const {
    std::filesystem::create_symlink(to, at);
    return at;
  }
  void expect_refused(const std::filesystem::path& path, const std::string& why) const {
    INFO(path.string());
    std::string said;
    try {
      replace(path, {{}, std::to_string(kNobody), {}});
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::denied);
      said = error.message();
    }
    CHECK(said.find(why) != std::string::npos);
    CHECK(to_text(read_file(safe / "victim.pem")) == "old");
    CHECK(look(safe / "victim.pem").st_uid == ::geteuid());
    CHECK(std::distance(std::filesystem::directory_iterator(safe), {}) == 1);
  }
};

bool is_root() {
  if (::geteuid() != 0) SUCCEED("only root can make a link for somebody else");
  return ::geteuid() == 0;
}

}  // namespace

TEST_CASE_METHOD(ServiceFolder, "a link of somebody else is not followed, in whosever folder it is") {
  if (!is_root()) return;
  for (const auto& [where, name] : {std::pair{app, "app-"}, std::pair{folder.path(), "folder-"}}) {
    const auto to_file = link(safe / "victim.pem", where / (std::string(name) + "file.pem"));
    const auto to_nothing = link(safe / "planted.pem", where / (std::string(name) + "nothing.pem"));
    const auto to_folder = link(safe, where / (std::string(name) + "folder"));
    for (const auto& path : {to_file, to_nothing, to_folder}) give(path);
    for (const auto& path : {to_file, to_nothing, to_folder / "victim.pem", to_folder / "planted.pem"}) {
      const auto& planted = path.parent_path() == to_folder ? to_folder : path;
      expect_refused(path, "the symbolic link " + planted.string() + " is not followed: ");
    }
  }
}

TEST_CASE_METHOD(ServiceFolder, "a link is not followed in a folder whose owner could put it under another name") {
  if (is_root()) {
    expect_refused(link(safe / "victim.pem", app / "of-root.pem"), app.string() + " belongs to nobody");
    std::filesystem::create_directory(app / "inner");
    expect_refused(link(safe / "victim.pem", app / "inner/of-root.pem"), app.string() + " belongs to nobody");
  }
  const auto shared = folder / "shared";
  std::filesystem::create_directory(shared);
  REQUIRE(::chmod(shared.c_str(), 0777) == 0);
  expect_refused(link(safe / "victim.pem", shared / "ours.pem"), shared.string() + " may be changed by everybody");
}

TEST_CASE_METHOD(ServiceFolder, "a link that root or we made leads into the folder of a service") {
  put(app / "server.pem", "old");
  std::filesystem::create_directories(folder / "live/www");
  replace(link("../../app/server.pem", folder / "live/www/fullchain.pem"));
  CHECK(to_text(read_file(app / "server.pem")) == "new");
  replace(link(app, folder / "by-folder") / "other.pem", {0640, std::to_string(::geteuid()), {}});
  CHECK(to_text(read_file(app / "other.pem")) == "new");
  CHECK(TargetFile(folder / "by-folder/other.pem").path() == app / "other.pem");
}

TEST_CASE_METHOD(ServiceFolder, "a hard link is replaced and the file that it shares is left as it was") {
  std::filesystem::create_hard_link(safe / "victim.pem", app / "server.pem");
  replace(app / "server.pem", {0640, std::to_string(::geteuid()), {}});
  CHECK(to_text(read_file(app / "server.pem")) == "new");
  CHECK(to_text(read_file(safe / "victim.pem")) == "old");
  CHECK((look(safe / "victim.pem").st_mode & 07777) == 0644);
}

TEST_CASE_METHOD(ServiceFolder, "a folder that becomes a link while it is looked at leads nowhere else") {
  if (!is_root()) return;
  std::filesystem::create_directory(app / "tls");
  give(app / "tls");
  give(link(safe, app / "other"));
  std::atomic<bool> done = false;
  std::thread owner([&] {
    while (!done) ::renameat2(AT_FDCWD, (app / "tls").c_str(), AT_FDCWD, (app / "other").c_str(), RENAME_EXCHANGE);
  });
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    try {
      replace(app / "tls/planted.pem", {{}, std::to_string(kNobody), {}});
    } catch (const Error&) {
      ++refused;
    }
  }
  done = true;
  owner.join();
  CHECK(refused > 0);
  CHECK(refused < 2000);
  CHECK_FALSE(std::filesystem::exists(safe / "planted.pem"));
}

TEST_CASE("a path that names no file, or a file through /proc, is refused") {
  const TempFolder folder;
  put(folder / "a.pem", "old");
  for (const char* name : {"", ".", "..", "x/.."}) {
    std::filesystem::create_directories(folder / "x");
    INFO(name);
    CHECK(refusal_of(folder.path() / name) == ErrorKind::invalid_input);
  }
  const Descriptor open(::open((folder / "a.pem").c_str(), O_RDONLY));
  CHECK(refusal_of("/proc/self/fd/" + std::to_string(open.get())) == ErrorKind::conflict);
  CHECK(to_text(read_file(folder / "a.pem")) == "old");
}

TEST_CASE("owner, group, mode and access list of the file that is there are kept unless others are said") {
  const TempFolder folder;
  put(folder / "a.pem", "old", 0640);
  const bool root = ::geteuid() == 0;
  if (root) REQUIRE(::chown((folder / "a.pem").c_str(), kNobody, 4) == 0);
  replace(folder / "a.pem");
  CHECK((look(folder / "a.pem").st_mode & 07777) == 0640);
  if (root) CHECK(look(folder / "a.pem").st_uid == kNobody);
  if (root) CHECK(look(folder / "a.pem").st_gid == 4);

  const auto list = acl_with_user(kNobody);
  put(folder / "b.pem", "old");
  REQUIRE(::setxattr((folder / "b.pem").c_str(), "system.posix_acl_access", list.data(), list.size(), 0) == 0);
  replace(folder / "b.pem");
  CHECK(acl_of(folder / "b.pem") == list);
  // A mode that is said is the whole answer to who may read it.
  replace(folder / "b.pem", {0600, {}, {}});
  CHECK(acl_of(folder / "b.pem").empty());
  CHECK((look(folder / "b.pem").st_mode & 07777) == 0600);

  replace(folder / "new.pem");
  CHECK((look(folder / "new.pem").st_mode & 07777) == 0644);
  CHECK(TargetFile(folder / "new.pem").has({0644, {}, {}}));
  CHECK_FALSE(TargetFile(folder / "new.pem").has({0600, {}, {}}));
}

TEST_CASE("an access list that the folder gives to new files does not widen a file that had none") {
  const TempFolder folder;
  put(folder / "a.pem", "old", 0600);
  const auto list = acl_with_user(kNobody);
  REQUIRE(::setxattr(folder.path().c_str(), "system.posix_acl_default", list.data(), list.size(), 0) == 0);
  replace(folder / "a.pem");
  CHECK(acl_of(folder / "a.pem").empty());
  CHECK((look(folder / "a.pem").st_mode & 07777) == 0600);
}

TEST_CASE("a file whose group cannot be kept is readable by nobody new") {
  if (::geteuid() != 0) {
    SUCCEED("only root can make a file of another group");
    return;
  }
  const TempFolder folder;
  put(folder / "a.pem", "old", 0640);
  REQUIRE(::chown((folder / "a.pem").c_str(), 0, 4) == 0);
  REQUIRE(::chmod((folder / "a.pem").c_str(), 0644) == 0);
  REQUIRE(::chown(folder.path().c_str(), kNobody, kNobody) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool other = ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0;
    try {
      if (other) replace(folder / "a.pem", {});
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(other ? 0 : 2);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  const auto after = look(folder / "a.pem");
  CHECK(after.st_uid == kNobody);
  CHECK((after.st_mode & 07777) == 0604);
  CHECK(to_text(read_file(folder / "a.pem")) == "new");
}

TEST_CASE("what is not a regular file is refused and never waited for") {
  const TempFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(refusal_of(folder / "pipe") == ErrorKind::conflict);
  std::filesystem::create_symlink("pipe", folder / "link");
  CHECK(refusal_of(folder / "link") == ErrorKind::conflict);
  std::filesystem::create_directory(folder / "folder");
  CHECK(refusal_of(folder / "folder") == ErrorKind::conflict);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder / "socket").c_str(), sizeof address.sun_path - 1);
  REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  CHECK(refusal_of(folder / "socket") == ErrorKind::conflict);
  ::close(socket);
  CHECK(refusal_of(folder / "no-such-folder/x.pem") == ErrorKind::not_found);
}

TEST_CASE("a file that is bind-mounted by itself is named as a mount point") {
  const TempFolder folder;
  put(folder / "inner.pem", "old");
  put(folder / "outer.pem", "old");
  // In a child with mounts of its own: 0 refused as it should be, 1 not refused, 2 no mounting here.
  const pid_t child = ::fork();
  if (child == 0) {
    const bool mounted =
        ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        ::mount((folder / "outer.pem").c_str(), (folder / "inner.pem").c_str(), nullptr, MS_BIND, nullptr) == 0;
    int result = mounted ? 1 : 2;
    try {
      if (mounted) replace(folder / "inner.pem");
    } catch (const Error& error) {
      const bool says = error.message().find("mount point") != std::string::npos;
      result = error.kind() == ErrorKind::conflict && says ? 0 : 3;
    }
    ::_exit(result);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) {
    SUCCEED("no permission to mount here");
    return;
  }
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("nothing is left next to a file that could not be replaced") {
  const TempFolder folder;
  put(folder / "a.pem", "old");
  CHECK_THROWS_AS(replace(folder / "a.pem", {{}, "no-such-user", {}}), Error);
  const auto names = std::distance(std::filesystem::directory_iterator(folder.path()), {});
  CHECK(names == 1);
  CHECK(to_text(read_file(folder / "a.pem")) == "old");
}
