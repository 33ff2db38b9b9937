#include "pkcs11/token_lock.h"

#include "base/bytes.h"
#include "base/file.h"
#include "private_token.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

// HSMBRIDGE_LOCK_FOLDER while it lives.
class LockFolder {
 public:
  explicit LockFolder(const std::string& folder) { ::setenv("HSMBRIDGE_LOCK_FOLDER", folder.c_str(), 1); }
  ~LockFolder() { ::unsetenv("HSMBRIDGE_LOCK_FOLDER"); }
  LockFolder(const LockFolder&) = delete;
  LockFolder& operator=(const LockFolder&) = delete;
};

}  // namespace

TEST_CASE("the same work on one token excludes itself, and other work and other tokens do not") {
  const std::string serial = hex(random_bytes(8));
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
  CHECK(error.hint().find("HSMBRIDGE_LOCK_FOLDER") != std::string::npos);
  const LockFolder relative("locks");
  CHECK(error_of([] { TokenLock lock(LockedWork::login, "ab", Duration{0}); }).kind() == ErrorKind::invalid_input);
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
