#include "pkcs11/token/token_thread.h"

#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/signer.h"
#include "private_token.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

constexpr Duration kAmple{20'000};

// Bounded wait on a real thread.
bool becomes_available(const TokenThread& thread) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!thread.available() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  return thread.available();
}

}  // namespace

TEST_CASE("a call gives its result or its exception") {
  TokenThread thread("web");
  CHECK(thread.call(kAmple, WhenLate::unavailable, [] { return 42; }) == 42);
  bool ran = false;
  thread.call(kAmple, WhenLate::unavailable, [&] { ran = true; });
  CHECK(ran);
  const Error error = error_of([&] {
    thread.call(kAmple, WhenLate::unavailable, [] { throw Error{ErrorKind::denied, "no"}; });
  });
  CHECK(error.kind() == ErrorKind::denied);
}

TEST_CASE("calls from many threads run one at a time on one thread") {
  TokenThread thread("web", 1);
  std::atomic<int> at_once{0};
  std::atomic<bool> overlapped{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int j = 0; j < 50; ++j) {
        thread.call(kAmple, WhenLate::unavailable, [&] {
          if (++at_once != 1) overlapped = true;
          --at_once;
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK_FALSE(overlapped);
}

TEST_CASE("a token that hangs is given up and counts as unavailable until it answers") {
  Faults faults;
  PrivateToken mine(Through::faulty_module);
  const auto token = mine.open();
  const auto made = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256}));
  const auto key = std::shared_ptr<TokenKey>(open_key(token, made.key));
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  const auto sign = [key, &algorithm] { return key->sign(as_bytes("message"), algorithm); };
  TokenThread thread("web", 2);
  faults.hang("C_Sign");
  Error late{ErrorKind::internal, ""};
  do {  // what did not begin in time on a busy machine is not run
    late = error_of([&] { thread.call(Duration{100}, WhenLate::outcome_unknown, sign); });
  } while (late.kind() == ErrorKind::unavailable && thread.available());
  CHECK(late.kind() == ErrorKind::outcome_unknown);
  CHECK_FALSE(thread.available());
  // At once, without a try.
  bool ran = false;
  const Error refused = error_of([&] { thread.call(kAmple, WhenLate::outcome_unknown, [&] { ran = true; }); });
  CHECK(refused.kind() == ErrorKind::unavailable);
  CHECK_FALSE(ran);
  faults.release();
  CHECK(becomes_available(thread));
  CHECK_FALSE(thread.call(kAmple, WhenLate::unavailable, sign).empty());
}

TEST_CASE("a call that found no free thread in time did not run") {
  TokenThread thread("web", 1);
  std::atomic<bool> release{false};
  std::atomic<bool> started{false};
  std::thread first([&] {
    thread.call(kAmple, WhenLate::unavailable, [&] {
      started = true;
      while (!release) std::this_thread::yield();
    });
  });
  while (!started) std::this_thread::yield();
  std::atomic<bool> ran{false};
  const Error error = error_of([&] { thread.call(Duration{30}, WhenLate::outcome_unknown, [&] { ran = true; }); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(thread.available());
  release = true;
  first.join();
  CHECK_FALSE(ran);
}

TEST_CASE("the end does not wait for a thread that hangs") {
  std::atomic<bool> release{false};
  std::atomic<bool> started{false};
  const auto ended = std::make_shared<std::atomic<bool>>(false);
  {
    TokenThread thread("web", 1);
    do {  // what did not begin in time on a busy machine is not run
      CHECK(error_of([&] {
              thread.call(Duration{20}, WhenLate::unavailable, [&release, &started, ended] {
                started = true;
                while (!release) std::this_thread::yield();
                *ended = true;
              });
            }).kind() == ErrorKind::unavailable);
    } while (!started);
  }
  CHECK_FALSE(*ended);
  release = true;
  while (!*ended) std::this_thread::yield();
}
