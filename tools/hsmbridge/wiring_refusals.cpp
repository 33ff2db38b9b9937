#include "tools/hsmbridge/wiring_refusals.h"

#include "service/requests.h"
#include "store/sqlite_store.h"

#include <utility>

namespace hsmbridge::cli {

StorePinRefusals::StorePinRefusals(std::filesystem::path file) : file_(std::move(file)) {}

StorePinRefusals::~StorePinRefusals() = default;

store::SqliteStore& StorePinRefusals::store() {
  if (!store_) store_ = store::SqliteStore::open(file_, clock_);
  return *store_;
}

std::optional<pkcs11::PinRefusal> StorePinRefusals::refused(const pkcs11::PinSubject& subject) {
  const std::lock_guard lock(mutex_);
  const auto found = store().pin_refusal(subject.token_serial, subject.user_type, subject.source_hash);
  if (!found) return std::nullopt;
  return pkcs11::PinRefusal{subject, found->at, found->reason};
}

void StorePinRefusals::record(const pkcs11::PinRefusal& refusal) {
  const std::lock_guard lock(mutex_);
  store().record_pin_refusal({refusal.subject.token_serial, refusal.subject.user_type, refusal.subject.source_hash,
                              refusal.at, refusal.reason});
}

void StorePinRefusals::clear(const pkcs11::PinSubject& subject) {
  const std::lock_guard lock(mutex_);
  // Asked first: clearing what is not there must not write, since every good login comes here.
  if (!store().pin_refusal(subject.token_serial, subject.user_type, subject.source_hash)) return;
  store().clear_pin_refusal(subject.token_serial, subject.user_type, subject.source_hash, service::actor_of_process(),
                            clock_.now());
}

}  // namespace hsmbridge::cli
