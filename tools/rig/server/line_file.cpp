#include "tools/rig/server/line_file.h"

#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace hsmbridge::rig {

LineFile::LineFile(std::filesystem::path path) : path_(std::move(path)) {
  open();
}

LineFile::~LineFile() {
  ::close(file_);
}

void LineFile::open() {
  file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) {
    throw Error{ErrorKind::denied, fmt::format("cannot open {}: {}", path_.string(), std::strerror(errno))};
  }
}

void LineFile::append(const Json& line) {
  const std::string text = line.dump() + "\n";
  const std::lock_guard lock(mutex_);
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t count = ::write(file_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw Error{ErrorKind::unavailable, fmt::format("cannot write {}: {}", path_.string(), std::strerror(errno))};
    }
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

void LineFile::rewrite(const Json::Array& lines) {
  std::string text;
  for (const Json& line : lines) text += line.dump() + "\n";
  const std::lock_guard lock(mutex_);
  write_file(path_, as_bytes(text), FileMode::private_0600, Existing::replace);
  ::close(file_);
  open();
}

Json::Array LineFile::read(const std::filesystem::path& path) {
  Json::Array lines;
  if (!std::filesystem::exists(path)) return lines;
  const Bytes content = read_file(path, std::size_t{1} << 30U);
  std::string_view rest = as_text(content);
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    lines.push_back(Json::parse(rest.substr(0, end)));
    rest.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace hsmbridge::rig
