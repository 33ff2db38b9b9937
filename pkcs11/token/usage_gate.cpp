#include "pkcs11/token/usage_gate.h"

#include "base/error.h"

namespace hsmbridge::pkcs11 {

UsageGate::Pass::Pass(UsageGate& gate, Use use, Duration wait) : gate_(gate), use_(use) {
  std::unique_lock lock(gate_.mutex_);
  bool entered = false;
  if (use_ == Use::alone) {
    ++gate_.waiting_alone_;
    entered = gate_.changed_.wait_for(lock, wait, [this] { return !gate_.alone_ && gate_.users_ == 0; });
    --gate_.waiting_alone_;
    gate_.alone_ = gate_.alone_ || entered;
    // Those who let this one go first must look again, whatever came of it.
    if (!entered) gate_.changed_.notify_all();
  } else {
    entered = gate_.changed_.wait_for(lock, wait, [this] { return !gate_.alone_ && gate_.waiting_alone_ == 0; });
    if (entered) ++gate_.users_;
  }
  if (!entered) {
    throw Error{ErrorKind::unavailable, "the token is busy with other calls of this process"}.hint("try again later");
  }
}

UsageGate::Pass::~Pass() {
  {
    const std::lock_guard lock(gate_.mutex_);
    if (use_ == Use::alone) {
      gate_.alone_ = false;
    } else {
      --gate_.users_;
    }
  }
  gate_.changed_.notify_all();
}

}  // namespace hsmbridge::pkcs11
