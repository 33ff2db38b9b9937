#include "pkcs11/token/usage_gate.h"

#include "base/error.h"

namespace hsmbridge::pkcs11 {

template <class Condition>
bool UsageGate::wait_for(std::unique_lock<std::mutex>& lock, Duration wait, Condition condition) {
  // A queue that moves is no fault.
  for (unsigned long left = left_; !changed_.wait_for(lock, wait, condition); left = left_) {
    if (left == left_) return false;
  }
  return true;
}

UsageGate::Pass::Pass(UsageGate& gate, Use use, Duration wait) : gate_(gate), use_(use) {
  std::unique_lock lock(gate_.mutex_);
  bool entered = false;
  if (use_ == Use::alone) {
    ++gate_.waiting_alone_;
    entered = gate_.wait_for(lock, wait, [this] { return !gate_.alone_ && gate_.users_ == 0; });
    --gate_.waiting_alone_;
    gate_.alone_ = gate_.alone_ || entered;
    // Those who let this one go first must look again, whatever came of it.
    if (!entered) gate_.changed_.notify_all();
  } else {
    entered = gate_.wait_for(lock, wait, [this] { return !gate_.alone_ && gate_.waiting_alone_ == 0; });
    if (entered) ++gate_.users_;
  }
  if (!entered) {
    throw Error{ErrorKind::unavailable, "the token is busy with other calls of this process"}.hint("try again later");
  }
}

UsageGate::Pass::~Pass() {
  {
    const std::lock_guard lock(gate_.mutex_);
    ++gate_.left_;
    if (use_ == Use::alone) {
      gate_.alone_ = false;
    } else {
      --gate_.users_;
    }
  }
  gate_.changed_.notify_all();
}

}  // namespace hsmbridge::pkcs11
