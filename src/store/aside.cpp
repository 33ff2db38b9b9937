#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "store/sqlite_store.h"
#include "workflow/machine/codec.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// FILE.answer-REQUEST-RANDOM next to the store, one an answer (of older programs without REQUEST):
//   {"schema": "hsmbridge.kept-answer/1", "request", "effect_id", "effect", "attempt", "target", "at", "actor", "body",
//   "key"}
namespace hsmbridge::store {
namespace {

constexpr std::string_view kSchema = "hsmbridge.kept-answer/1";

std::string stem_of(const Database& database) {
  return std::filesystem::path(database.file()).filename().string() + ".answer-";
}
std::filesystem::path folder_of(const Database& database) {
  const auto folder = std::filesystem::path(database.file()).parent_path();
  return folder.empty() ? std::filesystem::path(".") : folder;
}

Json key_json(const workflow::KeyRecord& key) {
  return Json::object({{"token", key.token},
                       {"label", key.label},
                       {"cka_id", key.cka_id},
                       {"spec", key.spec},
                       {"spki", key.spki.str()},
                       {"status", key.status},
                       {"changed_at", rfc3339(key.changed_at)}});
}
workflow::KeyRecord key_from(const Json& json) {
  return {json.at("token").as_string(),
          json.at("label").as_string(),
          json.at("cka_id").as_string(),
          json.at("spec").as_string(),
          SpkiHash{json.at("spki").as_string()},
          json.at("status").as_string(),
          parse_rfc3339(json.at("changed_at").as_string())};
}

// It becomes a fact in the journal: nobody else may have written it.
Bytes read_own_file(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) {
    throw Error{ErrorKind::unavailable, std::strerror(errno)};
  }
  const bool ours = status.st_uid == ::geteuid() || status.st_uid == 0;
  if (!S_ISREG(status.st_mode) || !ours || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Error{ErrorKind::denied, "others may write it"};
  }
  constexpr off_t kMost = 16 << 20;
  if (status.st_size > kMost) throw Error{ErrorKind::corrupt, "it is too large"};
  Bytes content(static_cast<std::size_t>(status.st_size));
  std::size_t read = 0;
  while (read < content.size()) {
    const ssize_t more = ::read(file.get(), content.data() + read, content.size() - read);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) throw Error{ErrorKind::unavailable, "it cannot be read whole"};
    read += static_cast<std::size_t>(more);
  }
  return content;
}

workflow::KeptAnswer read_kept(const std::filesystem::path& path) {
  const Json json = Json::parse(to_text(read_own_file(path)));
  if (json.at("schema").as_string() != kSchema) throw Error{ErrorKind::corrupt, "it is of another version"};
  workflow::KeptAnswer kept;
  kept.name = path.filename().string();
  kept.request = RequestId{json.at("request").as_string()};
  kept.effect_id = json.at("effect_id").as_integer();
  const auto name = workflow::effect_name_from(json.at("effect").as_string());
  if (!name) throw Error{ErrorKind::corrupt, "it is about an effect that this version does not know"};
  kept.effect.name = *name;
  kept.effect.attempt = static_cast<unsigned>(json.at("attempt").as_integer());
  kept.effect.target = json.at("target").as_string();
  kept.event.at = parse_rfc3339(json.at("at").as_string());
  kept.event.actor = json.at("actor").as_string();
  kept.event.body = workflow::event_body_from(json.at("body"));
  if (!json.at("key").is_null()) kept.key = key_from(json.at("key"));
  return kept;
}

}  // namespace

std::string SqliteStore::keep_aside(const workflow::KeptAnswer& answer) {
  Json json = Json::object({{"schema", std::string(kSchema)},
                            {"request", answer.request.str()},
                            {"effect_id", answer.effect_id},
                            {"effect", std::string(to_string(answer.effect.name))},
                            {"attempt", std::int64_t{answer.effect.attempt}},
                            {"target", answer.effect.target},
                            {"at", rfc3339(answer.event.at)},
                            {"actor", answer.event.actor}});
  json.set("body", workflow::to_json(answer.event.body));
  json.set("key", answer.key ? key_json(*answer.key) : Json());
  const std::string name = stem_of(*database_) + answer.request.str() + "-" + hex(random_bytes(8));
  write_file(folder_of(*database_) / name, as_bytes(json.dump()), FileMode::private_0600, Existing::refuse);
  return name;
}

std::vector<std::string> SqliteStore::names_aside() const {
  constexpr std::size_t kRandom = 16;
  std::vector<std::string> names;
  const std::string stem = stem_of(*database_);
  std::error_code failed;
  std::filesystem::directory_iterator file(folder_of(*database_), failed);
  for (const std::filesystem::directory_iterator end; !failed && file != end; file.increment(failed)) {
    const std::string name = file->path().filename().string();
    const std::size_t least = stem.size() + kRandom;
    if (!name.starts_with(stem) || name.size() < least) continue;
    const bool whole = name.size() == least || name[name.size() - kRandom - 1] == '-';
    if (whole && name.find('.', stem.size()) == std::string::npos) names.push_back(name);
  }
  if (failed) {
    throw Error{ErrorKind::unavailable,
                fmt::format("what is kept next to the store cannot be listed: {}", failed.message())};
  }
  return names;
}

std::vector<workflow::KeptAnswer> SqliteStore::kept_aside() {
  std::vector<workflow::KeptAnswer> kept;
  for (const std::string& name : names_aside()) {
    const auto path = folder_of(*database_) / name;
    try {
      kept.push_back(read_kept(path));
    } catch (...) {
      // Another process may have stored it between the look and here.
      std::error_code gone;
      if (!std::filesystem::exists(path, gone)) continue;
      log::error(
          fmt::format("the answer that is kept in {} cannot be stored: {}", path.string(), current_error().message()));
    }
  }
  return kept;
}

bool SqliteStore::may_be_kept(const RequestId& request) {
  constexpr std::size_t kRandom = 16;
  const std::string stem = stem_of(*database_);
  for (const std::string& name : names_aside()) {
    const std::string whose = name.substr(stem.size(), name.size() - stem.size() - kRandom);
    if (whose == request.str() + "-") return true;
    if (!whose.empty()) continue;
    try {
      if (read_kept(folder_of(*database_) / name).request == request) return true;
    } catch (const Error&) {
      return true;  // an older program's, and nobody can say whose it is
    }
  }
  return false;
}

void SqliteStore::forget_aside(const std::string& name) {
  ::unlink((folder_of(*database_) / name).c_str());
}

}  // namespace hsmbridge::store
