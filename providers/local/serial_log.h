#pragma once

#include "base/clock.h"
#include "x509/objects/certificate.h"

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace hsmbridge::local {

// The file beside the store to which a CA appends what it is about to sign: what a store that is restored from a backup
// does not know any more. One line a certificate, as `openssl ca` has it (ca/openssl_index.h): number, end and subject;
// the same bytes that are signed again are there again. Several processes may append, and any thread.
class SerialLog {
 public:
  explicit SerialLog(std::filesystem::path file) : file_(std::move(file)) {}

  // Whether the store knows that number, as x509::serial_text gives it.
  using IsKnown = std::function<bool(const std::string& serial)>;

  // Durable when it returns. Throws unavailable: then nothing may be signed. Also where the end of the file (64 KiB at
  // the first call, what was added since at each other one) has a number that is not known: the store is an older copy
  // of itself and nothing else may tell, or somebody else issues for this CA.
  void append(const x509::TbsCertificate& tbs, const IsKnown& is_known);

 private:
  const std::filesystem::path file_;
  std::mutex mutex_;
  std::optional<off_t> read_;  // up to where it was
};

}  // namespace hsmbridge::local
