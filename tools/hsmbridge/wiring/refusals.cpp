#include "tools/hsmbridge/wiring/refusals.h"

#include "base/clock.h"
#include "base/error.h"
#include "tools/hsmbridge/wiring/process.h"

#include <utility>

namespace hsmbridge::cli {

StorePinRefusals::StorePinRefusals(std::shared_ptr<Stores> stores, Access access)
    : stores_(std::move(stores)), access_(access) {}

StorePinRefusals::~StorePinRefusals() = default;

pkcs11::PinRefusals* StorePinRefusals::files() {
  if (!store_ && !files_ && stores_->may_only_be_read()) {
    files_ = std::make_unique<pkcs11::FilePinRefusals>(pkcs11::FilePinRefusals::default_folder());
  }
  return files_.get();
}

workflow::PinMemory& StorePinRefusals::store() {
  if (!store_) store_ = files_ || access_ == Access::look ? stores_->open_to_examine() : stores_->open();
  return *store_;
}

std::optional<pkcs11::PinRefusal> StorePinRefusals::refused(const pkcs11::PinSubject& subject) {
  const std::lock_guard lock(mutex_);
  auto* const own = files();
  std::optional<pkcs11::PinRefusal> worst;
  if (own != nullptr) worst = own->refused(subject);
  try {
    worst = pkcs11::worse(std::move(worst), store().pin_refused(subject));
  } catch (const Error& error) {
    const bool nothing_there = error.kind() == ErrorKind::not_found || !error.detail("migrated").empty();
    // A store that may be read and cannot be (its -shm needs a process that has it open) has nothing to say to a reader.
    if (own == nullptr && (access_ == Access::work || !nothing_there)) throw;
  }
  return worst;
}

void StorePinRefusals::record(const pkcs11::PinRefusal& refusal) {
  const std::lock_guard lock(mutex_);
  if (auto* const own = files()) return own->record(refusal);
  store().record_pin(refusal);
}

void StorePinRefusals::clear(const pkcs11::PinSubject& subject) {
  const std::lock_guard lock(mutex_);
  if (auto* const own = files()) return own->clear(subject);
  store().clear_pin(subject, actor_of_process().name, SystemClock().now());
}

}  // namespace hsmbridge::cli
