#pragma once

#include "base/clock.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace hsmbridge::pkcs11 {

// What a call that did not answer in time means to its caller.
enum class WhenLate {
  unavailable,      // it may be repeated: a listing, a proof, a CSR
  outcome_unknown,  // it may have happened: look before repeating
};

// The threads of one token, so that a slow HSM starves nobody else. PKCS#11 has no way to stop a call: one that is past
// its deadline is left to its thread, the token counts as unavailable until that call returns, and calls meanwhile are
// refused at once. Work owns what it uses (shared_ptr, values): it may outlive its caller.
// Thread rule: call() may be called from any thread.
class TokenThread {
 public:
  // `threads`: how many calls may be at work at once; more wait within their limit.
  explicit TokenThread(std::string token_name, unsigned threads = 1);
  ~TokenThread();  // does not wait for a thread that hangs
  TokenThread(const TokenThread&) = delete;
  TokenThread& operator=(const TokenThread&) = delete;

  // Runs `work` on a thread of the token and gives its result or its exception. Throws unavailable at once while an
  // abandoned call hangs and when no thread was free within the limit (nothing ran); past the limit what `late` says.
  template <class Work>
  auto call(Duration limit, WhenLate late, Work work) {
    using Result = std::invoke_result_t<Work&>;
    if constexpr (std::is_void_v<Result>) {
      run(limit, late, std::function<void()>(std::move(work)));
    } else {
      auto result = std::make_shared<std::optional<Result>>();
      run(limit, late, [result, work = std::move(work)]() mutable { result->emplace(work()); });
      return std::move(result->value());
    }
  }

  // False while an abandoned call hangs.
  bool available() const;

 private:
  void run(Duration limit, WhenLate late, std::function<void()> work);
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace hsmbridge::pkcs11
