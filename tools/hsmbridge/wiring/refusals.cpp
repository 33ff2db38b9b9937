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

// The store keeps in `source_hash` what tells a token from others of its serial number. Rows of programs before this
// one hold the SHA-256 of the source's name there: they count for every source, and for each token of that serial
// number.
std::vector<StorePinRefusals::Row> StorePinRefusals::rows_for(const pkcs11::PinSubject& subject) {
  constexpr std::size_t kHexOfHash = 64;
  std::vector<Row> rows;
  for (const auto& row : store().pin_refusals()) {
    const bool of_source = row.source_hash.size() == kHexOfHash;
    const pkcs11::PinRefusal refusal{.subject = {row.token_serial, row.user_type, of_source ? "" : row.source_hash},
                                     .at = row.at,
                                     .reason = row.reason};
    if (pkcs11::may_be_same(refusal.subject, subject)) rows.push_back({row.source_hash, refusal});
  }
  return rows;
}

std::optional<pkcs11::PinRefusal> StorePinRefusals::refused(const pkcs11::PinSubject& subject) {
  const std::lock_guard lock(mutex_);
  auto* const own = files();
  std::optional<pkcs11::PinRefusal> worst;
  if (own != nullptr) worst = own->refused(subject);
  try {
    for (auto& row : rows_for(subject)) worst = pkcs11::worse(std::move(worst), std::move(row.refusal));
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
  store().record_pin_refusal({refusal.subject.token_serial, refusal.subject.user_type, refusal.subject.distinction,
                              refusal.at, refusal.reason});
}

void StorePinRefusals::clear(const pkcs11::PinSubject& subject) {
  const std::lock_guard lock(mutex_);
  if (auto* const own = files()) return own->clear(subject);
  // Asked first: clearing what is not there must not write, since every good login comes here.
  for (const auto& row : rows_for(subject)) {
    const pkcs11::PinSubject& there = row.refusal.subject;
    store().clear_pin_refusal(there.token_serial, there.user_type, row.source_hash, actor_of_process().name,
                              SystemClock().now());
  }
}

}  // namespace hsmbridge::cli
