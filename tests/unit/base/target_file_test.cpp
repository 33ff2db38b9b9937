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
#include <catch2/catch.hpp>
#include <cstring>
#include <string>

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

TEST_CASE("a link that somebody else put there is not followed") {
  if (::geteuid() != 0) {
    SUCCEED("only root can make a link for somebody else");
    return;
  }
  const TempFolder folder;
  put(folder / "victim.pem", "old");
  std::filesystem::create_symlink("victim.pem", folder / "link.pem");
  REQUIRE(::lchown((folder / "link.pem").c_str(), kNobody, kNobody) == 0);
  CHECK(refusal_of(folder / "link.pem") == ErrorKind::denied);
  CHECK(to_text(read_file(folder / "victim.pem")) == "old");
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
