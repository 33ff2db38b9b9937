#include "pkcs11/login/token_lock.h"

#include "base/file.h"
#include "pkcs11/private_token.h"
#include "support/variable.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

// HSMBRIDGE_LOCK_FOLDER while it lives.
class LockFolder {
 public:
  explicit LockFolder(const std::string& folder) : variable_("HSMBRIDGE_LOCK_FOLDER", folder) {}

 private:
  Variable variable_;
};

// Where the lock of this token's logins would be.
std::filesystem::path login_lock(const std::string& serial) {
  auto path = open_token_lock(LockedWork::login, serial);
  std::filesystem::remove(path);
  return path;
}

}  // namespace

TEST_CASE("the same work on one token excludes itself, and other work and other tokens do not") {
  const TempFolder folder;
  const LockFolder there(folder.path().string());
  const std::string serial = "a1b2";
  for (const LockedWork work : {LockedWork::login, LockedWork::making_keys}) {
    const LockedWork other_work = work == LockedWork::login ? LockedWork::making_keys : LockedWork::login;
    {
      const TokenLock held(work, serial, Duration{0});
      const TokenLock other_token(work, serial + "2", Duration{0});
      const TokenLock beside(other_work, serial, Duration{0});
      CHECK(error_of([&] { TokenLock second(work, serial, Duration{60}); }).kind() == ErrorKind::unavailable);
    }
    CHECK_NOTHROW(TokenLock(work, serial, Duration{0}));
  }
}

TEST_CASE("a folder that cannot hold the lock is an error that says what to do and no other folder is taken") {
  const TempFolder folder;
  const LockFolder there((folder.path() / "missing").string());
  const Error error = error_of([] { TokenLock lock(LockedWork::login, "ab", Duration{0}); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message().find((folder.path() / "missing").string()) != std::string::npos);
  CHECK(error.hint() ==
        "let root write \"d /run/lock/hsmbridge 1777 root root\" to /etc/tmpfiles.d/hsmbridge.conf and run "
        "systemd-tmpfiles --create, or set HSMBRIDGE_LOCK_FOLDER, for every process that uses the token, to one folder "
        "that all of them can write, with the sticky bit (chmod 1777)");
  const LockFolder relative("locks");
  CHECK(error_of([] { TokenLock lock(LockedWork::login, "ab", Duration{0}); }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("no lock is taken in a folder whose users could take it away") {
  const TempFolder folder;
  const LockFolder there(folder.path().string());
  for (const mode_t mode : {mode_t{0777}, mode_t{0770}}) {
    INFO(mode);
    REQUIRE(::chmod(folder.path().c_str(), mode) == 0);
    for (const auto& lock : {std::function<void()>([] { TokenLock held(LockedWork::login, "ab", Duration{0}); }),
                             std::function<void()>([] { open_token_lock(LockedWork::login, "ab"); }),
                             std::function<void()>([] { token_lock_folder(); })}) {
      const Error error = error_of(lock);
      CHECK(error.kind() == ErrorKind::unavailable);
      CHECK(error.message().find("without the sticky bit: " + folder.path().string() + " may be changed by ") !=
            std::string::npos);
      CHECK(error.hint() == "chmod +t " + folder.path().string());
    }
    CHECK(std::filesystem::is_empty(folder.path()));
    REQUIRE(::chmod(folder.path().c_str(), mode | S_ISVTX) == 0);
    CHECK_NOTHROW(open_token_lock(LockedWork::login, "ab"));
    std::filesystem::remove(login_lock("ab"));
  }
}

TEST_CASE("a lock file that is there is used where none could be made") {
  const TempFolder folder;
  const LockFolder there(folder.path().string());
  { const TokenLock made(LockedWork::login, "ab", Duration{0}); }
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    REQUIRE(::chmod(entry.path().c_str(), 0444) == 0);
  }
  REQUIRE(::chmod(folder.path().c_str(), 0555) == 0);
  CHECK_NOTHROW(TokenLock(LockedWork::login, "ab", Duration{0}));
  ::chmod(folder.path().c_str(), 0755);
}

TEST_CASE("what somebody planted in the place of the lock is an error that names its owner and is not waited for") {
  const TempFolder folder;
  const LockFolder there(folder.path().string());
  const auto path = login_lock("ab");
  std::string what;
  SECTION("a named pipe") {
    what = "a named pipe";
    REQUIRE(::mkfifo(path.c_str(), 0666) == 0);
  }
  SECTION("a symbolic link to a file") {
    what = "a symbolic link";
    const auto file = folder.path() / "file";
    write_file(file, as_bytes("x"), FileMode::public_0644, Existing::refuse);
    REQUIRE_NOTHROW(std::filesystem::create_symlink(file, path));
  }
  SECTION("a symbolic link to nothing") {
    what = "a symbolic link";
    REQUIRE_NOTHROW(std::filesystem::create_symlink(folder.path() / "missing", path));
  }
  SECTION("a folder") {
    what = "a folder";
    REQUIRE(std::filesystem::create_directory(path));
  }
  for (const auto& lock : {std::function<void()>([] { TokenLock held(LockedWork::login, "ab", Duration{0}); }),
                           std::function<void()>([] { open_token_lock(LockedWork::login, "ab"); })}) {
    const Error error = error_of(lock);
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.message().find("; " + what + " of uid " + std::to_string(::getuid()) + " is there") !=
          std::string::npos);
    CHECK(error.detail("owner_uid") == std::to_string(::getuid()));
    CHECK(error.hint().find("remove " + path.string()) != std::string::npos);
  }
  CHECK_FALSE(std::filesystem::exists(folder.path() / "missing"));
}

TEST_CASE("a lock file that was taken away while it was waited for is opened anew") {
  const TempFolder folder;
  const LockFolder there(folder.path().string());
  const auto path = login_lock("ab");
  auto held = std::make_unique<TokenLock>(LockedWork::login, "ab", Duration{0});
  std::unique_ptr<TokenLock> waited;
  std::thread waiting([&] { waited = std::make_unique<TokenLock>(LockedWork::login, "ab", Duration{10'000}); });
  std::this_thread::sleep_for(Duration{200});  // it has opened the file now
  std::filesystem::remove(path);
  held.reset();
  waiting.join();
  CHECK(std::filesystem::exists(path));
  CHECK(error_of([] { TokenLock second(LockedWork::login, "ab", Duration{0}); }).kind() == ErrorKind::unavailable);
}
