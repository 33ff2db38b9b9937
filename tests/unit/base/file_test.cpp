#include "base/file.h"

#include "base/error.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

using namespace hsmbridge;
using hsmbridge::test::error_of;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> names(const test::TempFolder& folder) {
  std::vector<std::string> all;
  for (const auto& entry : fs::directory_iterator(folder.path())) all.push_back(entry.path().filename().string());
  std::sort(all.begin(), all.end());
  return all;
}

unsigned mode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

void write_secret(const fs::path& path, std::string_view content, mode_t mode = 0600) {
  write_file(path, as_bytes(content), FileMode::private_0600, Existing::replace);
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

}  // namespace

TEST_CASE("a written file reads back with the mode that was asked whatever the umask") {
  const test::TempFolder folder;
  const mode_t before = ::umask(0077);
  write_file(folder / "cert.pem", as_bytes("certificate"), FileMode::public_0644, Existing::refuse);
  ::umask(0);
  write_file(folder / "state", as_bytes("state"), FileMode::private_0600, Existing::refuse);
  ::umask(before);
  CHECK(to_text(read_file(folder / "cert.pem")) == "certificate");
  CHECK(mode_of(folder / "cert.pem") == 0644);
  CHECK(mode_of(folder / "state") == 0600);
  CHECK(names(folder) == std::vector<std::string>{"cert.pem", "state"});
}

TEST_CASE("an existing file is a conflict and stays as it was") {
  const test::TempFolder folder;
  write_file(folder / "a", as_bytes("old"), FileMode::private_0600, Existing::refuse);
  const Error error =
      error_of([&] { write_file(folder / "a", as_bytes("new"), FileMode::public_0644, Existing::refuse); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(error.hint().find("--force") != std::string::npos);
  CHECK(to_text(read_file(folder / "a")) == "old");
  CHECK(mode_of(folder / "a") == 0600);
  CHECK(names(folder) == std::vector<std::string>{"a"});
}

TEST_CASE("a dangling link at the target is a conflict too") {
  const test::TempFolder folder;
  fs::create_symlink(folder / "elsewhere", folder / "a");
  CHECK(error_of([&] { write_file(folder / "a", as_bytes("x"), FileMode::public_0644, Existing::refuse); }).kind() ==
        ErrorKind::conflict);
  CHECK_FALSE(fs::exists(folder / "elsewhere"));
}

TEST_CASE("replacing a file keeps its mode, and a private one is private afterwards") {
  const test::TempFolder folder;
  write_file(folder / "a", as_bytes("old"), FileMode::private_0600, Existing::refuse);
  write_file(folder / "a", as_bytes("new"), FileMode::public_0644, Existing::replace);
  CHECK(to_text(read_file(folder / "a")) == "new");
  CHECK(mode_of(folder / "a") == 0600);
  write_file(folder / "b", as_bytes("old"), FileMode::public_0644, Existing::refuse);
  write_file(folder / "b", as_bytes("new"), FileMode::private_0600, Existing::replace);
  CHECK(mode_of(folder / "b") == 0600);
  fs::remove(folder / "b");
  CHECK(names(folder) == std::vector<std::string>{"a"});
}

TEST_CASE("a folder that is not there is said to be not found and named") {
  const test::TempFolder folder;
  const Error error =
      error_of([&] { write_file(folder / "no/a", as_bytes("x"), FileMode::public_0644, Existing::refuse); });
  CHECK(error.kind() == ErrorKind::not_found);
  CHECK(error.message().find((folder / "no").string()) != std::string::npos);
  CHECK(error_of([&] { read_file(folder / "absent"); }).kind() == ErrorKind::not_found);
  CHECK(error_of([&] { read_secret_file(folder / "absent"); }).kind() == ErrorKind::not_found);
}

TEST_CASE("a file beyond the limit is refused and one at the limit is read") {
  const test::TempFolder folder;
  write_file(folder / "a", Bytes(1000, 7), FileMode::private_0600, Existing::refuse);
  CHECK(read_file(folder / "a", 1000).size() == 1000);
  CHECK(error_of([&] { read_file(folder / "a", 999); }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("a folder cannot be read as a file") {
  const test::TempFolder folder;
  fs::create_directory(folder / "d");
  CHECK(error_of([&] { read_file(folder / "d"); }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("a disk without room is unavailable and leaves neither the file nor a half of it") {
  const test::TempFolder folder;
  // A limit on file sizes in a child process: the write stops half way like on a full disk, and needs no root.
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit limit{100'000, 100'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::signal(SIGXFSZ, SIG_IGN);
    int status = 1;
    try {
      write_file(folder / "a", Bytes(200'000, 7), FileMode::private_0600, Existing::refuse);
    } catch (const Error& error) {
      status = error.kind() == ErrorKind::unavailable ? 0 : 2;
    }
    ::_exit(status);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(names(folder).empty());
}

TEST_CASE("one trailing newline of a secret file is cut and no more") {
  const test::TempFolder folder;
  const std::vector<std::pair<std::string, std::string>> contents{
      {"1234", "1234"},     {"1234\n", "1234"}, {"1234\r\n", "1234"}, {"1234\n\n", "1234\n"}, {" 12 34 ", " 12 34 "},
      {"1234\r", "1234\r"}, {"", ""},           {"\n", ""},
  };
  for (const auto& [content, secret] : contents) {
    write_secret(folder / "pin", content);
    CHECK(read_secret_file(folder / "pin").reveal() == secret);
  }
}

TEST_CASE("a secret file that its group or others may touch is denied with the chmod that mends it") {
  const test::TempFolder folder;
  for (const mode_t mode : {0640U, 0604U, 0660U, 0644U, 0601U, 0620U}) {
    write_secret(folder / "pin", "1234", mode);
    const Error error = error_of([&] { read_secret_file(folder / "pin"); });
    CHECK(error.kind() == ErrorKind::denied);
    CHECK(error.hint() == "chmod 600 " + (folder / "pin").string());
    CHECK(error.message().find("1234") == std::string::npos);
  }
  write_secret(folder / "pin", "1234", 0400);
  CHECK(read_secret_file(folder / "pin").reveal() == "1234");
}

TEST_CASE("a secret file larger than any secret is refused") {
  const test::TempFolder folder;
  write_secret(folder / "pin", std::string(65536, 'x'));
  CHECK(read_secret_file(folder / "pin").reveal().size() == 65536);
  write_secret(folder / "pin", std::string(65537, 'x'));
  CHECK(error_of([&] { read_secret_file(folder / "pin"); }).kind() == ErrorKind::invalid_input);
}
