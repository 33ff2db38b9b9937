#include "pkcs11/login/pin.h"

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
  return hex(sha256(as_bytes(fmt::format("{}\n{}\n{}", subject.token_serial, subject.user_type, subject.distinction))));
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
  std::optional<PinRefusal> worst;
  for (const PinRefusal& refusal : refusals_) {
    if (may_be_same(refusal.subject, subject)) worst = worse(std::move(worst), refusal);
  }
  return worst;
}

void MemoryPinRefusals::record(const PinRefusal& refusal) {
  const std::lock_guard lock(mutex_);
  std::erase_if(refusals_, [&](const PinRefusal& before) { return before.subject == refusal.subject; });
  refusals_.push_back(refusal);
}

void MemoryPinRefusals::clear(const PinSubject& subject) {
  const std::lock_guard lock(mutex_);
  std::erase_if(refusals_, [&](const PinRefusal& refusal) { return may_be_same(refusal.subject, subject); });
}

FilePinRefusals::FilePinRefusals(std::filesystem::path folder) : folder_(std::move(folder)) {}

std::filesystem::path FilePinRefusals::default_folder() {
  const char* const state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::filesystem::path(state) / "hsmbridge/pin-refusals";
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home != '/') {
    throw Error{ErrorKind::invalid_input,
                "nowhere to remember refused PINs: neither XDG_STATE_HOME nor HOME "
                "is set"}
        .hint("set HOME, or configure a store");
  }
  return std::filesystem::path(home) / ".local/state/hsmbridge/pin-refusals";
}

std::filesystem::path FilePinRefusals::file_of(const PinSubject& subject) const {
  return folder_ / (subject_name(subject) + ".json");
}

// Also what was written when a refusal belonged to the source of the PIN: that file names none, and counts for all.
std::vector<FilePinRefusals::Entry> FilePinRefusals::entries_for(const PinSubject& subject) const {
  std::vector<Entry> entries;
  std::error_code failed;
  for (std::filesystem::directory_iterator file(folder_, failed), end; !failed && file != end; file.increment(failed)) {
    if (file->path().extension() != ".json") continue;
    try {
      const Json json = Json::parse(to_text(read_file(file->path(), 65536)));
      PinRefusal refusal{
          .subject = {.token_serial = json.at("token_serial").as_string(),
                      .user_type = static_cast<UserType>(json.at("user_type").as_integer()),
                      .distinction = json.find("distinction") != nullptr ? json.at("distinction").as_string() : ""},
          .at = parse_rfc3339(json.at("at").as_string()),
          .state = AttemptState::from_words(json.at("reason").as_string())};
      if (may_be_same(refusal.subject, subject)) entries.push_back({file->path(), std::move(refusal)});
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::not_found) continue;  // cleared meanwhile
      entries.push_back(
          {file->path(),
           {.subject = subject,
            .at = {},
            .state = {PinStanding::refused, fmt::format("unreadable record {}", file->path().string())}}});
    }
  }
  if (failed && failed != std::errc::no_such_file_or_directory) {
    throw Error{ErrorKind::denied,
                fmt::format("cannot look for refused PINs in {}: {}", folder_.string(), failed.message())};
  }
  return entries;
}

std::optional<PinRefusal> FilePinRefusals::refused(const PinSubject& subject) {
  std::optional<PinRefusal> worst;
  for (Entry& entry : entries_for(subject)) worst = worse(std::move(worst), std::move(entry.refusal));
  return worst;
}

void FilePinRefusals::record(const PinRefusal& refusal) {
  std::error_code failed;
  std::filesystem::create_directories(folder_, failed);
  if (!failed) std::filesystem::permissions(folder_, std::filesystem::perms::owner_all, failed);
  const Json json = Json::object({{"token_serial", refusal.subject.token_serial},
                                  {"user_type", static_cast<std::uint64_t>(refusal.subject.user_type)},
                                  {"distinction", refusal.subject.distinction},
                                  {"at", rfc3339(refusal.at)},
                                  {"reason", refusal.state.words()}});
  write_file(file_of(refusal.subject), as_bytes(json.pretty() + "\n"), FileMode::private_0600, Existing::replace);
}

void FilePinRefusals::clear(const PinSubject& subject) {
  for (const Entry& entry : entries_for(subject)) {
    std::error_code failed;
    std::filesystem::remove(entry.file, failed);
    if (failed) {
      throw Error{ErrorKind::denied, fmt::format("cannot remove {}: {}", entry.file.string(), failed.message())};
    }
  }
}

}  // namespace hsmbridge::pkcs11
