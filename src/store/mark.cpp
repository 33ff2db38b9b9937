#include "store/mark.h"

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

namespace hsmbridge::store {
namespace {

constexpr std::string_view kName = "hsmbridge-store-head-v1 ";

std::string text_of(const Mark& mark) {
  return fmt::format("{}{:020} {}\n", kName, mark.size, hex(mark.root));
}

// One that a program before this one made was for its owner alone. Only the owner can change that; a failure is left
// alone.
void follow_access(int mark, const std::filesystem::path& store) {
  struct stat wanted {};
  struct stat there {};
  if (::stat(store.c_str(), &wanted) != 0 || ::fstat(mark, &there) != 0) return;
  if (there.st_gid != wanted.st_gid && ::fchown(mark, static_cast<uid_t>(-1), wanted.st_gid) != 0) return;
  if ((there.st_mode & 0777U) != (wanted.st_mode & 0777U)) (void)::fchmod(mark, wanted.st_mode & 0777U);
}

}  // namespace

std::filesystem::path mark_of(const std::filesystem::path& store) {
  return store.string() + ".head";
}

std::optional<Mark> read_mark(const std::filesystem::path& store) {
  try {
    const std::string text = to_text(read_file(mark_of(store), 4096));
    if (!text.starts_with(kName)) return std::nullopt;
    Mark mark;
    const char* const end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data() + kName.size(), end, mark.size);
    if (failure != std::errc{} || end - stop < 65) return std::nullopt;
    const Bytes root = from_hex(std::string_view(stop + 1, 64));
    std::copy(root.begin(), root.end(), mark.root.begin());
    return mark;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::denied) throw;
    return std::nullopt;
  }
}

void begin_mark(const std::filesystem::path& store) {
  if (read_mark(store)) return;
  write_file(mark_of(store), as_bytes(text_of({})), FileMode::private_0600, Existing::replace);
}

void write_mark(const std::filesystem::path& store, const Mark& mark) noexcept {
  try {
    // In place, in one write of one length: a reader never sees a file that is empty or half of one.
    const std::string text = text_of(mark);
    const Descriptor fd(::open(mark_of(store).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) return;
    (void)!::pwrite(fd.get(), text.data(), text.size(), 0);
    follow_access(fd.get(), store);
  } catch (const std::exception&) {  // out of memory
  }
}

}  // namespace hsmbridge::store
