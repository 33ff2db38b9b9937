#include "pkcs11/pin.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

std::string subject_name(const PinSubject& subject) {
  return hex(sha256(as_bytes(fmt::format("{}\n{}\n{}", subject.token_serial, subject.user_type, subject.source_hash))));
}

}  // namespace

PinSource PinSource::protected_path() {
  return {.kind = Kind::protected_, .name = "protected", .read = {}};
}

PinSource PinSource::from(std::string name, std::function<Secret()> read) {
  return {.kind = Kind::secret, .name = std::move(name), .read = std::move(read)};
}

std::optional<PinRefusal> MemoryPinRefusals::refused(const PinSubject& subject) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(refusals_.begin(), refusals_.end(),
                                  [&](const PinRefusal& refusal) { return refusal.subject == subject; });
  return found == refusals_.end() ? std::nullopt : std::optional(*found);
}

void MemoryPinRefusals::record(const PinRefusal& refusal) {
  clear(refusal.subject);
  const std::lock_guard lock(mutex_);
  refusals_.push_back(refusal);
}

void MemoryPinRefusals::clear(const PinSubject& subject) {
  const std::lock_guard lock(mutex_);
  std::erase_if(refusals_, [&](const PinRefusal& refusal) { return refusal.subject == subject; });
}

FilePinRefusals::FilePinRefusals(std::filesystem::path folder) : folder_(std::move(folder)) {}

std::filesystem::path FilePinRefusals::default_folder() {
  const char* const state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::filesystem::path(state) / "hsmbridge/pin-refusals";
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home != '/') {
    throw Error{ErrorKind::invalid_input,
                "there is no place to remember refused PINs: neither XDG_STATE_HOME nor HOME "
                "is set"}
        .hint("set HOME, or configure a store");
  }
  return std::filesystem::path(home) / ".local/state/hsmbridge/pin-refusals";
}

std::filesystem::path FilePinRefusals::file_of(const PinSubject& subject) const {
  return folder_ / (subject_name(subject) + ".json");
}

std::optional<PinRefusal> FilePinRefusals::refused(const PinSubject& subject) {
  const std::filesystem::path file = file_of(subject);
  try {
    const Json json = Json::parse(to_text(read_file(file, 65536)));
    return PinRefusal{
        .subject = subject, .at = parse_rfc3339(json.at("at").as_string()), .reason = json.at("reason").as_string()};
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    return PinRefusal{.subject = subject, .at = {}, .reason = fmt::format("unreadable record {}", file.string())};
  }
}

void FilePinRefusals::record(const PinRefusal& refusal) {
  std::error_code failed;
  std::filesystem::create_directories(folder_, failed);
  if (!failed) std::filesystem::permissions(folder_, std::filesystem::perms::owner_all, failed);
  const Json json = Json::object({{"token_serial", refusal.subject.token_serial},
                                  {"user_type", static_cast<std::uint64_t>(refusal.subject.user_type)},
                                  {"source_hash", refusal.subject.source_hash},
                                  {"at", rfc3339(refusal.at)},
                                  {"reason", refusal.reason}});
  write_file(file_of(refusal.subject), as_bytes(json.pretty() + "\n"), FileMode::private_0600, Existing::replace);
}

void FilePinRefusals::clear(const PinSubject& subject) {
  std::error_code failed;
  std::filesystem::remove(file_of(subject), failed);
  if (failed) {
    throw Error{ErrorKind::denied, fmt::format("cannot remove {}: {}", file_of(subject).string(), failed.message())};
  }
}

}  // namespace hsmbridge::pkcs11
