#pragma once

#include "audit/merkle.h"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace hsmbridge::store {

// FILE.head next to a store: how long its audit log was, and the root, when a process last committed. It is not part of
// the store, so it tells what the store itself cannot: that a store was here (and is missing or empty now), and that
// the one that is here is an older copy. Written after the commit and not synced: it may lag behind the store, never
// run ahead of it. Its mode and group follow the store's: whoever may read the one may read the other.
struct Mark {
  std::uint64_t size = 0;
  audit::Hash root{};
};

std::filesystem::path mark_of(const std::filesystem::path& store);

// Nothing when there is none, or when what is there is not one. Throws denied when this process may not read it.
std::optional<Mark> read_mark(const std::filesystem::path& store);
// Makes one that says nothing where there is none: for a store that is being made, or comes from before marks. On disk
// before the commit that makes it, or a crash or a power cut would leave a store that looks copied. Throws as
// write_file does.
void begin_mark(const std::filesystem::path& store);
// A failure is left alone: the commit is done, and the next one writes it again.
void write_mark(const std::filesystem::path& store, const Mark& mark) noexcept;

}  // namespace hsmbridge::store
