#include "service/keys/keys.h"
#include "tools/hsmbridge/usecase/doctor.h"

#include <fmt/core.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::cli {

namespace {

using Path = std::filesystem::path;

// A commit needs room for its pages in the -wal, and a checkpoint for as much again.
constexpr std::uint64_t kLeastRoom = 16U << 20U;

// A key that nobody waits for any more may be in the token.
void examine_plans(std::vector<Finding>& findings, Wiring& wiring) {
  examine(findings, "store: planned keys", [&](Finding& finding) {
    const auto store = wiring.stores().open_to_examine();
    for (const auto& key : service::forgotten_plans(*store)) {
      finding.health = Health::note;
      finding.what +=
          fmt::format("{}{} (CKA_ID {}) in token {} was planned for a request that is over, and may be there",
                      finding.what.empty() ? "" : "\n", key.label, key.cka_id, key.token);
      finding.hint = fmt::format("`hsmbridge key list --token {}` says whether it is there, and what to do", key.token);
    }
    if (finding.what.empty()) finding.what = "none is left over";
  });
}

// Missing or empty.
void examine_missing(const Path& path, Wiring& wiring, Finding& finding) {
  std::error_code ignored;
  const bool empty = std::filesystem::exists(path, ignored);
  if (const auto entries = wiring.stores().entries_before()) {
    finding.health = Health::fault;
    finding.what = fmt::format("{} is {}, and a store with {} audit entries was here", path.string(),
                               empty ? "empty" : "gone", *entries);
    finding.hint = "mount its disk or restore a backup; if it is gone for good: hsmbridge store init --start-over";
    return;
  }
  if (wiring.settings().store.must_exist) {
    finding.health = Health::fault;
    finding.what = fmt::format("{} is {}, and the configuration says that it must be there", path.string(),
                               empty ? "empty" : "missing");
    finding.hint = "mount its disk or restore a backup; to begin a new one: hsmbridge store init";
    return;
  }
  // Not made here: a check changes nothing.
  finding.what = fmt::format("{} is made at the first use", path.string());
  Path folder = path.parent_path();
  while (!folder.empty() && folder != folder.root_path() && !std::filesystem::exists(folder)) {
    folder = folder.parent_path();
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    finding.health = Health::fault;
    finding.what = fmt::format("{} cannot be made: {} is not writable", path.string(), folder.string());
    finding.hint = "let the user of hsmbridge own that folder";
  }
}

void examine_room(const Path& path, Finding& finding) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) {
    throw Error{ErrorKind::unavailable, fmt::format("cannot look at its disk: {}", std::strerror(errno))};
  }
  const std::uint64_t room = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  finding.what = fmt::format("{} MiB free", room >> 20U);
  if ((disk.f_flag & ST_RDONLY) != 0) {
    finding.health = Health::fault;
    finding.what = "its file system is mounted read-only";
  } else if (room < kLeastRoom) {
    finding.health = Health::fault;
    finding.hint = "make room: nothing can be submitted while the store cannot be written";
  } else if (disk.f_files > 0 && disk.f_favail == 0) {
    finding.health = Health::fault;
    finding.what = "no free inodes";
    finding.hint = "remove files: the store's side files cannot be made";
  }
}

void examine_audit(Wiring& wiring, Finding& finding) {
  const auto report = wiring.stores().open_to_examine()->verify_audit(workflow::AuditDepth::whole);
  finding.what = fmt::format("in order, {} entries, root {}", report.head.size(), hex(report.head.root()));
  if (report.faults.empty()) return;
  finding.health = Health::fault;
  finding.what.clear();
  for (const std::string& fault : report.faults) finding.what += (finding.what.empty() ? "" : "\n") + fault;
  finding.hint = "somebody changed the store, or its disk did: keep a copy of it, then restore a backup";
}

}  // namespace

std::vector<Finding> examine_store(Wiring& wiring) {
  std::vector<Finding> findings;
  const auto& path = wiring.settings().store.path;
  bool opened = false;
  examine(findings, "store", [&](Finding& finding) {
    std::error_code ignored;
    if (!path) {
      finding.health = Health::note;
      finding.what = "none is configured: no requests, and no audit log";
      finding.hint = "add  store: {path: /var/lib/hsmbridge/hsmbridge.db}";
      return;
    }
    if (!std::filesystem::exists(*path, ignored) || std::filesystem::file_size(*path, ignored) == 0) {
      return examine_missing(*path, wiring, finding);
    }
    try {
      const auto store = wiring.stores().open_to_examine();
      finding.what = fmt::format("opens, {}", path->string());
      opened = true;
      const auto older = store->restored();
      if (!older) return;
      finding.health = Health::fault;
      finding.what = fmt::format("{} is an older copy: {}; nothing is submitted or installed", path->string(), *older);
      finding.hint = "compare `request list --open` with the provider, then: hsmbridge store accept-restored";
    } catch (const Error& error) {
      if (error.detail("migrated").empty()) throw;
      finding.health = Health::note;
      finding.what = fmt::format("{} is of version {}: the next command brings it up to date and keeps a copy",
                                 path->string(), error.detail("migrated"));
    }
  });
  if (!path || !std::filesystem::exists(*path)) return findings;
  examine(findings, "store: disk", [&](Finding& finding) { examine_room(*path, finding); });
  if (!opened) return findings;
  examine(findings, "store: audit log", [&](Finding& finding) { examine_audit(wiring, finding); });
  examine_plans(findings, wiring);
  return findings;
}

}  // namespace hsmbridge::cli
