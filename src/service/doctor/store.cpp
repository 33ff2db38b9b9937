#include "base/bytes.h"
#include "base/json.h"
#include "service/doctor/doctor.h"
#include "service/keys/keys.h"

#include <fmt/core.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::service {

namespace {

using Path = std::filesystem::path;

// A commit needs room for its pages in the -wal, and a checkpoint for as much again.
constexpr std::uint64_t kLeastRoom = 16U << 20U;

// A key that nobody waits for any more may be in the token.
void examine_plans(std::vector<Check>& checks, const ExaminedStore& store) {
  examine(checks, "store: planned keys", [&](Check& check) {
    const auto opened = store.open();
    for (const auto& key : forgotten_plans(*opened)) {
      check.health = Health::note;
      check.what += fmt::format("{}{} (CKA_ID {}) in token {} was planned for a request that is over, and may be there",
                                check.what.empty() ? "" : "\n", key.label, key.cka_id, key.token);
      check.hint = fmt::format("`hsmbridge key list --token {}` says whether it is there, and what to do", key.token);
    }
    if (check.what.empty()) check.what = "none is left over";
  });
}

// Missing or empty.
void examine_missing(const Path& path, const Bridge& bridge, const ExaminedStore& store, Check& check) {
  std::error_code ignored;
  const bool empty = std::filesystem::exists(path, ignored);
  if (const auto entries = store.entries_before()) {
    check.health = Health::fault;
    check.what = fmt::format("{} is {}, and there was a store with {} audit entries", path.string(),
                             empty ? "empty" : "gone", *entries);
    check.hint = "mount its disk or restore a backup; if it is lost: hsmbridge store init --start-over";
    return;
  }
  if (bridge.settings().store.must_exist) {
    check.health = Health::fault;
    check.what = fmt::format("{} is {}, and the configuration says that it must be there", path.string(),
                             empty ? "empty" : "missing");
    check.hint = "mount its disk or restore a backup; to begin a new one: hsmbridge store init";
    return;
  }
  // Not made here: a check changes nothing.
  check.what = fmt::format("{} is made at the first use", path.string());
  Path folder = path.parent_path();
  while (!folder.empty() && folder != folder.root_path() && !std::filesystem::exists(folder)) {
    folder = folder.parent_path();
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    check.health = Health::fault;
    check.what = fmt::format("{} cannot be made: {} is not writable", path.string(), folder.string());
    check.hint = "let the user of hsmbridge own that folder";
  }
}

void examine_room(const Path& path, Check& check) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) {
    throw Error{ErrorKind::unavailable, fmt::format("cannot look at its disk: {}", std::strerror(errno))};
  }
  const std::uint64_t room = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  check.what = fmt::format("{} MiB free", room >> 20U);
  if ((disk.f_flag & ST_RDONLY) != 0) {
    check.health = Health::fault;
    check.what = "its file system is mounted read-only";
  } else if (room < kLeastRoom) {
    check.health = Health::fault;
    check.hint = "make room: nothing can be submitted while the store cannot be written";
  } else if (disk.f_files > 0 && disk.f_favail == 0) {
    check.health = Health::fault;
    check.what = "no free inodes";
    check.hint = "remove files: the store's side files cannot be made";
  }
}

void examine_audit(const ExaminedStore& store, Check& check) {
  const auto report = store.open()->verify_audit(workflow::AuditDepth::whole);
  check.what = fmt::format("in order, {} entries, root {}", report.head.size(), hex(report.head.root()));
  if (report.faults.empty()) return;
  check.health = Health::fault;
  check.what.clear();
  for (const std::string& fault : report.faults) check.what += (check.what.empty() ? "" : "\n") + fault;
  check.hint = "the store was changed by another program, or its disk is failing: keep a copy, then restore a backup";
}

// Timelocks, timeouts and the age of drafts go by this clock.
void examine_order_of_time(const Bridge& bridge, const ExaminedStore& store, Check& check) {
  constexpr Duration kTolerance = std::chrono::minutes{1};
  check.what = "it has no entry of the future";
  const auto opened = store.open();
  const auto size = opened->tree_head().size();
  if (size == 0) return;
  const auto last = parse_rfc3339(Json::parse(opened->leaves(size - 1, 1).at(0).data).at("at").as_string());
  const auto ahead = last - bridge.clock().now();
  if (ahead <= kTolerance) return;
  check.health = Health::fault;
  check.what = fmt::format("its last entry is of {}, {} from now: this clock was set back, or was ahead", rfc3339(last),
                           spoken(ahead));
  check.hint = "set the clock right; what people approved is held back while it is more than 10 minutes behind";
}

// What the last `run` that started with this file read, newest entry of the audit log first.
std::optional<Json> last_read(workflow::AuditLog& log, const std::string& file) {
  constexpr std::uint64_t kPage = 1000;
  for (auto end = log.tree_head().size(); end > 0;) {
    const auto begin = end - std::min(end, kPage);
    const auto leaves = log.leaves(begin, end - begin);
    for (auto leaf = leaves.rbegin(); leaf != leaves.rend(); ++leaf) {
      if (leaf->data.find("\"configuration-read\"") == std::string::npos) continue;
      auto read = Json::parse(leaf->data);
      if (read.string_or("kind", "") == "configuration-read" && read.at("fact").string_or("file", "") == file)
        return read;
    }
    end = begin;
  }
  return std::nullopt;
}

// A `run` submits no certificate by a configuration that is another one by now.
void examine_reload(const Bridge& bridge, const ExaminedStore& store, Check& check) {
  const auto& settings = bridge.settings();
  const auto read = last_read(*store.open(), settings.file.string());
  check.what = read ? "as the last `run` read it" : "no `run` has read it yet";
  if (!read || read->at("fact").string_or("sha256", "") == hex(settings.sha256)) return;
  check.health = Health::note;
  check.what = fmt::format("{} was changed since `run` read it at {}: where that still runs, it submits no certificate",
                           settings.file.string(), read->at("at").as_string());
  check.hint = "systemctl reload hsmbridge, or SIGHUP to `hsmbridge run`";
}

}  // namespace

std::vector<Check> examine_store(const Bridge& bridge, const ExaminedStore& store) {
  std::vector<Check> checks;
  const auto& path = bridge.settings().store.path;
  bool opened = false;
  examine(checks, "store", [&](Check& check) {
    std::error_code ignored;
    if (!path) {
      check.health = Health::note;
      check.what = "none is configured: no requests, and no audit log";
      check.hint = "add  store: {path: /var/lib/hsmbridge/hsmbridge.db}";
      return;
    }
    if (!std::filesystem::exists(*path, ignored) || std::filesystem::file_size(*path, ignored) == 0) {
      return examine_missing(*path, bridge, store, check);
    }
    try {
      const auto opened_store = store.open();
      check.what = fmt::format("opens, {}", path->string());
      opened = true;
      const auto older = opened_store->restored();
      if (!older) return;
      check.health = Health::fault;
      check.what = fmt::format("{} is an older copy: {}; nothing is submitted or installed", path->string(), *older);
      check.hint = "compare `request list --open` with the provider, then: hsmbridge store accept-restored";
    } catch (const Error& error) {
      if (error.detail("migrated").empty()) throw;
      check.health = Health::note;
      check.what = fmt::format("{} is of version {}: the next command brings it up to date and keeps a copy",
                               path->string(), error.detail("migrated"));
    }
  });
  if (!path || !std::filesystem::exists(*path)) return checks;
  examine(checks, "store: disk", [&](Check& check) { examine_room(*path, check); });
  if (!opened) return checks;
  examine(checks, "store: audit log", [&](Check& check) { examine_audit(store, check); });
  examine(checks, "store: clock", [&](Check& check) { examine_order_of_time(bridge, store, check); });
  examine(checks, "store: configuration", [&](Check& check) { examine_reload(bridge, store, check); });
  examine_plans(checks, store);
  return checks;
}

}  // namespace hsmbridge::service
