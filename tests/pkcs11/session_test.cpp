#include "pkcs11/token/session.h"

#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/signer.h"
#include "private_token.h"

#include <atomic>
#include <catch2/catch.hpp>
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

TEST_CASE("a pool whose sessions are all busy says so after its wait") {
  Faults faults;
  KeyOnToken on(1);
  on.token->state().access.session_wait = Duration{50};
  const Session held(on.token->state(), Access::read, Needs::login, Ask::when_idle);
  const Error error = error_of([&] { list_keys(*on.token); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message() == "all 1 sessions of token web are busy");
}
