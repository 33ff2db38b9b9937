#include "base/trust.h"

#include "support/error_of.h"
#include "support/temp_folder.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

using namespace hsmbridge;
using hsmbridge::test::error_of;
using hsmbridge::test::TempFolder;

namespace {

constexpr uid_t kUs = 4'123'456;  // a number that no machine has a name for
constexpr TrustRule kRule{"it names the programs that are run"};

struct stat status_of(uid_t owner, mode_t mode) {
  struct stat status {};
  status.st_uid = owner;
  status.st_mode = mode;
  return status;
}

struct Files {
  TempFolder folder;
  std::filesystem::path file = folder / "inside/hsmbridge.yaml";
  Files() {
    std::filesystem::create_directory(file.parent_path());
    std::ofstream(file) << "x";
    mode(file.parent_path(), 0755);
    mode(file, 0644);
  }
  static void mode(const std::filesystem::path& path, mode_t bits) { REQUIRE(::chmod(path.c_str(), bits) == 0); }
};

}  // namespace

TEST_CASE("what root or the process's own user alone may write is trusted") {
  for (const uid_t owner : {uid_t{0}, kUs}) {
    CHECK_FALSE(distrust(status_of(owner, S_IFREG | 0644), "/x", kRule, kUs));
    CHECK_FALSE(distrust(status_of(owner, S_IFREG | 0400), "/x", kRule, kUs));
    CHECK_FALSE(distrust(status_of(owner, S_IFDIR | 0755), "/x", kRule, kUs));
    CHECK_FALSE(distrust(status_of(owner, S_IFDIR | S_ISVTX | 0777), "/tmp", kRule, kUs));
  }
}

TEST_CASE("what another user owns is not trusted, unless it is only read") {
  const auto fault = distrust(status_of(65534, S_IFREG | 0644), "/etc/x", kRule, kUs);
  REQUIRE(fault);
  CHECK(fault->kind() == ErrorKind::denied);
  CHECK(
      fault->message() ==
      "/etc/x belongs to nobody, neither to root nor to 4123456 who runs this (owner nobody, mode 0644); it names the "
      "programs that are run");
  CHECK(fault->hint() == "chown 4123456 /etc/x, or run this as nobody");
  CHECK(distrust(status_of(65534, S_IFREG | 0644), "/x", kRule, 0)->message().find("not to root who runs this") !=
        std::string::npos);
  // Whoever gives root's name to a stranger's link vouches for what the stranger chose.
  CHECK(distrust(status_of(65534, S_IFLNK | 0777), "/x", kRule, 0)->hint() == "name the file itself, not this link");
  CHECK_FALSE(distrust(status_of(0, S_IFLNK | 0777), "/x", kRule, kUs));
  CHECK(distrust(status_of(65534, S_IFDIR | S_ISVTX | 0777), "/x", kRule, kUs));
  CHECK_FALSE(distrust(status_of(65534, S_IFREG | 0640), "/x", {"", Owner::anyone}, kUs));
  CHECK(distrust(status_of(65534, S_IFREG | 0660), "/x", {"", Owner::anyone}, kUs));
}

TEST_CASE("what group or others may write is not trusted") {
  const auto group = distrust(status_of(0, S_IFREG | 0664), "/etc/x", kRule, kUs);
  REQUIRE(group);
  CHECK(group->message() ==
        "/etc/x may be changed by its group (owner root, mode 0664); it names the programs that are run");
  CHECK(group->hint() == "chmod go-w /etc/x");
  const auto others = distrust(status_of(kUs, S_IFREG | 0646), "/etc/x", kRule, kUs);
  REQUIRE(others);
  CHECK(others->message().find("by everybody (owner 4123456, mode 0646)") != std::string::npos);
  // The sticky bit says something about folders only.
  CHECK(distrust(status_of(0, S_IFREG | S_ISVTX | 0666), "/x", kRule, kUs));
}

TEST_CASE_METHOD(Files, "a file is opened when it and every folder above it are trusted") {
  CHECK(open_trusted(file, kRule).valid());
  mode(file, 0664);
  CHECK(error_of([&] { open_trusted(file, kRule); }).hint() == "chmod go-w " + file.string());
  mode(file, 0644);
  mode(file.parent_path(), 0775);
  const Error unsafe = error_of([&] { open_trusted(file, kRule); });
  CHECK(unsafe.kind() == ErrorKind::denied);
  CHECK(unsafe.message().find(file.string() + " is not safe in its folder: " + file.parent_path().string()) == 0);
  CHECK(unsafe.hint() == "chmod go-w " + file.parent_path().string());
  mode(file.parent_path(), 01777);
  CHECK(open_trusted(file, kRule).valid());
}

TEST_CASE_METHOD(Files, "a link is as good as both the file that it leads to and the folder that it is in") {
  const std::filesystem::path links = this->folder / "links";
  std::filesystem::create_directory(links);
  mode(links, 0755);
  const std::filesystem::path link = links / "hsmbridge.yaml";
  std::filesystem::create_symlink(file, link);
  CHECK(open_trusted(link, kRule).valid());
  mode(links, 0777);
  CHECK(error_of([&] { open_trusted(link, kRule); }).kind() == ErrorKind::denied);
  mode(links, 0755);
  mode(file.parent_path(), 0777);
  CHECK(error_of([&] { expect_trusted(link, kRule); }).kind() == ErrorKind::denied);
}

TEST_CASE_METHOD(Files, "every link on the way to a file is judged, with the folder that it is in") {
  const std::filesystem::path shared = this->folder / "shared";
  std::filesystem::create_directory(shared);
  const std::filesystem::path chain = file.parent_path() / "chain";
  std::filesystem::create_symlink("../shared/link", chain);
  std::filesystem::create_symlink("../inside/hsmbridge.yaml", shared / "link");
  const std::filesystem::path by_folder = file.parent_path() / "by-folder";
  std::filesystem::create_symlink(shared / "folder", by_folder);
  std::filesystem::create_symlink("../inside", shared / "folder");
  mode(shared, 0755);
  for (const auto& path : {chain, by_folder / "hsmbridge.yaml"}) {
    INFO(path.string());
    mode(shared, 0755);
    CHECK(open_trusted(path, kRule).valid());
    mode(shared, 0777);
    const Error unsafe = error_of([&] { open_trusted(path, kRule); });
    CHECK(unsafe.kind() == ErrorKind::denied);
    CHECK(unsafe.hint() == "chmod go-w " + shared.string());
    mode(shared, 01777);
    CHECK(open_trusted(path, kRule).valid());
    if (::geteuid() != 0) continue;
    REQUIRE(::lchown((shared / "link").c_str(), 65534, 65534) == 0);
    REQUIRE(::lchown((shared / "folder").c_str(), 65534, 65534) == 0);
    const Error foreign = error_of([&] { open_trusted(path, kRule); });
    CHECK(foreign.message().find(" is not safe behind its link: " + shared.string()) != std::string::npos);
    CHECK(foreign.hint() == "name the file itself, not this link");
    REQUIRE(::lchown((shared / "link").c_str(), 0, 0) == 0);
    REQUIRE(::lchown((shared / "folder").c_str(), 0, 0) == 0);
  }
}

TEST_CASE_METHOD(Files, "a pipe with a name is as good as its folder and its mode, and is not waited for before that") {
  const std::filesystem::path pipe = file.parent_path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_NOTHROW(expect_trusted(pipe, kRule));
  const TrustRule no_pipe{.because = kRule.because, .named_pipe = NamedPipe::refused};
  CHECK(error_of([&] { expect_trusted(pipe, no_pipe); }).message() == pipe.string() + " is a named pipe, not a file");
  mode(pipe, 0666);
  CHECK(error_of([&] { expect_trusted(pipe, no_pipe); }).kind() == ErrorKind::denied);
  CHECK(error_of([&] { open_trusted(pipe, kRule); }).kind() == ErrorKind::denied);
  mode(pipe, 0600);
  mode(file.parent_path(), 0777);
  CHECK(error_of([&] { open_trusted(pipe, kRule); }).kind() == ErrorKind::denied);
}

TEST_CASE_METHOD(Files, "a socket is as good as its owner and its folder, whoever may talk to it") {
  const std::filesystem::path path = file.parent_path() / "socket";
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  mode(path, 0666);
  CHECK_NOTHROW(expect_trusted(path, kRule));
  mode(file.parent_path(), 0777);
  CHECK(error_of([&] { expect_trusted(path, kRule); }).kind() == ErrorKind::denied);
  mode(file.parent_path(), 01777);
  CHECK_NOTHROW(expect_trusted(path, kRule));
  if (::geteuid() == 0) {
    REQUIRE(::chown(path.c_str(), kUs, kUs) == 0);
    CHECK(error_of([&] { expect_trusted(path, kRule); }).message().find("belongs to ") != std::string::npos);
  }
}

TEST_CASE_METHOD(Files, "a file that the process was handed open is judged where it is") {
  const Descriptor handed(::open(file.c_str(), O_RDONLY));
  const std::filesystem::path name = "/dev/fd/" + std::to_string(handed.get());
  CHECK(to_text(read_trusted(name, kRule)) == "x");
  mode(file.parent_path(), 0777);
  CHECK(error_of([&] { open_trusted(name, kRule); }).kind() == ErrorKind::denied);
}

TEST_CASE_METHOD(Files, "a pipe that the process was handed is read") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const TrustRule no_named_one{.because = kRule.because, .named_pipe = NamedPipe::refused};
  CHECK(open_trusted("/dev/fd/" + std::to_string(ends[0]), kRule).valid());
  CHECK(open_trusted("/dev/fd/" + std::to_string(ends[0]), no_named_one).valid());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE_METHOD(Files, "a stranger's link through /proc to a pipe of his is not obeyed") {
  if (::geteuid() != 0) return;  // only root makes another user's link
  const std::filesystem::path his = this->folder / "his";
  std::filesystem::create_directory(his);
  mode(his, 0755);
  const std::filesystem::path pipe = his / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const std::filesystem::path by_name = his / "by-name";
  const std::filesystem::path by_number = his / "by-number";
  std::filesystem::create_symlink("/proc/self/root" + pipe.string(), by_name);
  std::filesystem::create_symlink("/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(ends[0]), by_number);
  for (const auto& path : {his, pipe, by_name, by_number}) REQUIRE(::lchown(path.c_str(), 65534, 65534) == 0);
  CHECK(error_of([&] { expect_trusted(by_name, kRule); }).kind() == ErrorKind::denied);
  CHECK(error_of([&] { open_trusted(by_name, kRule); }).kind() == ErrorKind::denied);
  CHECK(error_of([&] { expect_trusted(by_number, kRule); }).kind() == ErrorKind::denied);
  CHECK(error_of([&] { open_trusted(by_number, kRule); }).kind() == ErrorKind::denied);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE_METHOD(Files, "a file that is missing is not found, and not untrusted") {
  CHECK(error_of([&] { open_trusted(file.parent_path() / "none", kRule); }).kind() == ErrorKind::not_found);
}
