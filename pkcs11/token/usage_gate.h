#pragma once

#include "base/clock.h"

#include <condition_variable>
#include <mutex>

namespace hsmbridge::pkcs11 {

// Many ordinary users of a token, or one that needs it alone (the login between C_SignInit and C_Sign of an
// always-authenticate key: some cards lose it when another session interleaves). Who wants it alone goes first, so that
// a busy token cannot starve it. Not std::shared_timed_mutex: glibc prefers readers.
class UsageGate {
 public:
  enum class Use { shared, alone };

  class Pass {
   public:
    // Throws unavailable when the token is not free and nobody left it within `wait`.
    Pass(UsageGate& gate, Use use, Duration wait);
    ~Pass();
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    UsageGate& gate_;
    Use use_;
  };

 private:
  // Whether the condition came true; false when meanwhile nobody left for that long.
  template <class Condition>
  bool wait_for(std::unique_lock<std::mutex>& lock, Duration wait, Condition condition);

  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned users_ = 0;
  unsigned waiting_alone_ = 0;
  bool alone_ = false;
  unsigned long left_ = 0;  // passes that ended
};

}  // namespace hsmbridge::pkcs11
