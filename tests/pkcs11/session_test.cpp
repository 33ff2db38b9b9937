#include "pkcs11/token/session.h"

#include "pkcs11/key_ring.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/signer.h"
#include "private_token.h"
#include "service/keys/csr_batch.h"
#include "support/temp_folder.h"

#include <p11-kit/pkcs11.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

struct KeyOnToken {
  explicit KeyOnToken(unsigned most_sessions = 4) {
    auto access = mine.access();
    access.most_sessions = most_sessions;
    access.session_wait = Duration{5000};
    token = Token::open(access, mine.refusals);
    make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256}));
    key = open_key(token, KeySelector::by_label("web"));
    sign();
  }
  void sign() { key->sign(as_bytes("message"), x509::signature_algorithm("ecdsa-sha256")); }

  PrivateToken mine{Through::faulty_module};
  std::shared_ptr<Token> token;
  std::unique_ptr<TokenKey> key;
};

}  // namespace

TEST_CASE("sessions that died are replaced and the login is made again") {
  Faults faults;
  KeyOnToken on;
  CHECK(faults.calls("C_Login") == 2);  // the security officer's when the token was made, and ours
  faults.close_all_sessions();
  on.sign();
  CHECK(faults.calls("C_Login") == 3);
  on.sign();
  CHECK(faults.calls("C_Login") == 3);
}

TEST_CASE("a login that another party ended is made again and the handle looked up again") {
  Faults faults;
  KeyOnToken on;
  faults.log_out();
  on.sign();
  CHECK(faults.calls("C_Login") == 3);
}

TEST_CASE("a module that somebody finalised is initialised again") {
  Faults faults;
  KeyOnToken on;
  faults.finalize();
  on.sign();
  CHECK(list_keys(*on.token).size() == 1);
}

TEST_CASE("a handle that is gone is looked up once more on the same session") {
  Faults faults;
  KeyOnToken on;
  const unsigned opened = faults.calls("C_OpenSession");
  faults.fail("C_SignInit", CKR_KEY_HANDLE_INVALID);
  on.sign();
  CHECK(faults.calls("C_OpenSession") == opened);
}

TEST_CASE("a session with an open operation is not used again") {
  Faults faults;
  KeyOnToken on;
  const unsigned closed = faults.calls("C_CloseSession");
  faults.fail("C_SignInit", CKR_OPERATION_ACTIVE);
  on.sign();
  CHECK(faults.calls("C_CloseSession") == closed + 1);
  on.sign();
  CHECK(faults.calls("C_CloseSession") == closed + 1);
}

TEST_CASE("recovery ends after three tries") {
  Faults faults;
  KeyOnToken on;
  const unsigned before = faults.calls("C_SignInit");
  faults.fail("C_SignInit", CKR_SESSION_HANDLE_INVALID, 100);
  const Error error = error_of([&] { on.sign(); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.detail("ckr") == "CKR_SESSION_HANDLE_INVALID");
  CHECK(error.detail("token").find("token=" + on.mine.label) != std::string_view::npos);
  CHECK(faults.calls("C_SignInit") == before + 3);
}

TEST_CASE("a device error is reported at once and the session that had it is closed") {
  Faults faults;
  KeyOnToken on;
  const unsigned signs = faults.calls("C_Sign");
  faults.fail("C_Sign", CKR_DEVICE_ERROR);
  CHECK(error_of([&] { on.sign(); }).detail("ckr") == "CKR_DEVICE_ERROR");
  CHECK(faults.calls("C_Sign") == signs + 1);
  on.sign();
}

TEST_CASE("a search that failed leaves no search open") {
  Faults faults;
  KeyOnToken on;
  faults.fail("C_FindObjects", CKR_DEVICE_ERROR);
  CHECK(error_of([&] { list_keys(*on.token); }).detail("ckr") == "CKR_DEVICE_ERROR");
  CHECK(list_keys(*on.token).size() == 1);
}

TEST_CASE("a token with one session is used for everything through that one") {
  Faults faults;
  KeyOnToken on(1);
  make_key(*on.token, plan_key(*on.token, "second", {x509::KeyType::ec, 256}));
  on.sign();
  CHECK(faults.calls("C_Login") == 2);
}

TEST_CASE("a token that gives fewer sessions than configured is used with those") {
  Faults faults;
  KeyOnToken on;
  faults.fail("C_OpenSession", CKR_SESSION_COUNT, 1000);
  std::vector<std::thread> threads;
  std::atomic<int> signatures{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 20; ++j) {
        on.sign();
        ++signatures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(signatures == 80);
}

TEST_CASE("threads share a bounded pool") {
  Faults faults;
  KeyOnToken on(2);
  const unsigned opened = faults.calls("C_OpenSession");
  std::vector<std::thread> threads;
  std::atomic<int> signatures{0};
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 30; ++j) {
        on.sign();
        ++signatures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(signatures == 180);
  CHECK(faults.calls("C_OpenSession") <= opened + 2);
  CHECK(faults.calls("C_Login") == 2);
}

TEST_CASE("a lost session that another thread mended meanwhile is not mended twice") {
  Faults faults;
  KeyOnToken on;
  const unsigned logins = faults.calls("C_Login");
  unsigned tries = 0;
  reading(on.token->state(), [&](Session& session) {
    if (++tries == 1) {
      faults.close_all_sessions();
      std::thread([&] { on.sign(); }).join();
      session.check(CKR_SESSION_HANDLE_INVALID, "C_GetAttributeValue", "read an object");
    }
    return true;
  });
  CHECK(tries == 2);
  CHECK(faults.calls("C_Login") == logins + 1);
  on.sign();
  CHECK(faults.calls("C_Login") == logins + 1);
}

TEST_CASE("a module that another thread initialised again is not initialised twice and no new handle is closed") {
  Faults faults;
  KeyOnToken on;
  const unsigned logins = faults.calls("C_Login");
  unsigned closed = 0;
  unsigned tries = 0;
  reading(on.token->state(), [&](Session& session) {
    if (++tries == 1) {
      faults.finalize();
      std::thread([&] { on.sign(); }).join();
      closed = faults.calls("C_CloseSession");
      session.check(CKR_CRYPTOKI_NOT_INITIALIZED, "C_GetAttributeValue", "read an object");
    }
    return true;
  });
  CHECK(tries == 2);
  CHECK(faults.calls("C_Login") == logins + 1);
  CHECK(faults.calls("C_CloseSession") == closed);
  on.sign();
  CHECK(faults.calls("C_Login") == logins + 1);
}

TEST_CASE("a session from before the module was initialised again does not go back to the pool") {
  Faults faults;
  KeyOnToken on;
  reading(on.token->state(), [&](Session&) {
    faults.finalize();
    std::thread([&] { on.sign(); }).join();
    return true;
  });
  CHECK(on.token->state().open == on.token->state().idle.size());
  CHECK(on.token->state().idle.size() == 1);
}

TEST_CASE("sessions that are all given up together leave one that keeps the login") {
  Faults faults;
  KeyOnToken on(2);
  const unsigned logins = faults.calls("C_Login");
  {
    Session one(on.token->state(), Access::read, Needs::login, Ask::when_idle);
    Session other(on.token->state(), Access::read, Needs::login, Ask::when_idle);
    one.discard_and_keep_login();
    other.discard_and_keep_login();
  }
  on.sign();
  CHECK(faults.calls("C_Login") == logins);
}

TEST_CASE("a pool whose sessions are all busy says so after its wait") {
  Faults faults;
  KeyOnToken on(1);
  on.token->state().access.session_wait = Duration{50};
  const Session held(on.token->state(), Access::read, Needs::login, Ask::when_idle);
  const Error error = error_of([&] { list_keys(*on.token); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message() == "all 1 sessions of token web are busy");
}

namespace {

// Many CSRs of one key of a real token, which has trouble after some rows.
struct Batch {
  static constexpr unsigned kRows = 600;
  Faults faults;
  PrivateToken mine{Through::faulty_module};
  TempFolder folder;
  SystemClock clock;
  std::shared_ptr<Token> token;

  Batch() {
    token = Token::open(mine.access(), mine.refusals);
    make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256}));
  }
  // The errors of the rows that failed; `after`: called when so many rows were told.
  template <class Trouble>
  std::vector<Error> run(unsigned after, Trouble trouble) {
    std::string csv = "key,san,out\n";
    for (unsigned i = 0; i < kRows; ++i) {
      csv += "web,dns:h" + std::to_string(i) + ".example.com," + std::to_string(i) + ".csr\n";
    }
    const auto rows = service::read_batch(csv, service::csr_columns());
    const auto ring = key_ring(token);
    service::Logbook log([] { return nullptr; }, {"uid:alice", "operating system", {}}, clock, [] {});
    unsigned told = 0;
    std::vector<Error> errors;
    service::make_csrs(*ring, log, rows, {}, {}, folder.path().string(), [&](const service::CsrRow& row) {
      CHECK(row.line == ++told + 1);
      if (row.error) errors.push_back(*row.error);
      if (told == after) trouble();
    });
    CHECK(told == kRows);
    return errors;
  }
};

}  // namespace

TEST_CASE_METHOD(Batch, "a PIN that is refused in the middle of a batch is sent once and ends the rows that are left") {
  const unsigned logins = faults.calls("C_Login");
  const auto errors = run(20, [&] {
    faults.fail("C_Login", CKR_PIN_INCORRECT, 1000);
    faults.log_out();
  });
  CHECK(faults.calls("C_Login") == logins + 1);
  REQUIRE(errors.size() > kRows / 2);
  for (const Error& error : errors) {
    INFO(error.message());
    CHECK(error.kind() == ErrorKind::denied);
  }
  CHECK(errors.back().message() == errors[errors.size() - 100].message());
  CHECK(errors.back().message().find("PIN") != std::string::npos);
}

TEST_CASE_METHOD(Batch,
                 "a token that is lost in the middle of a batch is left alone after as many rows as are under way") {
  unsigned asked = 0;
  const auto errors = run(20, [&] {
    faults.fail("C_SignInit", CKR_DEVICE_ERROR, 1'000'000);
    asked = faults.calls("C_SignInit");
  });
  REQUIRE(errors.size() > kRows / 2);
  for (const Error& error : errors) CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(errors.back().message() == errors[errors.size() - 100].message());
  // So many threads, each with one row more under way when the last of them met the trouble.
  CHECK(faults.calls("C_SignInit") - asked <= 2 * 4 * 8);
}

TEST_CASE_METHOD(Batch, "a signature that fails now and then fails its row alone") {
  const auto errors = run(20, [&] { faults.fail("C_SignInit", CKR_DEVICE_ERROR, 1); });
  CHECK(errors.size() == 1);
}

TEST_CASE_METHOD(Batch, "sessions that all die in the middle of a batch are replaced and no row fails") {
  const auto errors = run(20, [&] { faults.close_all_sessions(); });
  std::string said;
  for (const Error& error : errors) said += error.message() + '\n';
  CHECK(said.empty());
}

TEST_CASE_METHOD(Batch, "wrong signatures in a batch are found out and their rows alone fail") {
  const auto errors = run(20, [&] { faults.wrong_signatures(3); });
  CHECK(errors.size() == 3);
  for (const Error& error : errors) CHECK(error.kind() == ErrorKind::corrupt);
}
