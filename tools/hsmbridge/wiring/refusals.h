#pragma once

#include "pkcs11/login/pin.h"
#include "tools/hsmbridge/wiring/stores.h"

#include <memory>
#include <mutex>

namespace hsmbridge::cli {

// The token layer's lasting memory of refused PINs, kept in the store: it outlives a restart of the machine, and every
// refusal is a leaf of the audit log. An approver who may only read the store has one of his own, in files: it is his
// token, and what he could not write down would keep him from logging in.
class StorePinRefusals final : public pkcs11::PinRefusals {
 public:
  // Opens the store at the first use. Only to look, one that is missing or of an older version remembers nothing.
  enum class Access { work, look };
  StorePinRefusals(std::shared_ptr<Stores> stores, Access access);
  ~StorePinRefusals() override;

  std::optional<pkcs11::PinRefusal> refused(const pkcs11::PinSubject& subject) override;
  void record(const pkcs11::PinRefusal& refusal) override;
  void clear(const pkcs11::PinSubject& subject) override;

 private:
  // Null where the store may be written, or is not there yet.
  pkcs11::PinRefusals* files();
  workflow::PinMemory& store();

  const std::shared_ptr<Stores> stores_;
  const Access access_;
  std::mutex mutex_;
  std::unique_ptr<workflow::Store> store_;
  std::unique_ptr<pkcs11::FilePinRefusals> files_;
};

}  // namespace hsmbridge::cli
