#include "providers/local/serial_log.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "x509/asn1/der.h"
#include "x509/objects/serial.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace hsmbridge::local {

namespace {

constexpr unsigned kTabs = 5;  // in a line

// The number in a line: its fourth column. "" where that has none.
std::string serial_in(std::string_view line) {
  for (int column = 0; column < 3; ++column) {
    const auto tab = line.find('\t');
    if (tab == std::string_view::npos) return "";
    line.remove_prefix(tab + 1);
  }
  try {
    return x509::parse_serial(line.substr(0, line.find('\t')));
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

void SerialLog::append(const x509::TbsCertificate& tbs, const IsKnown& is_known) {
  constexpr off_t kRead = 64 << 10;
  const Bytes end = x509::der::time(tbs.validity.not_after);
  const auto element = x509::der::only(end, "end");
  const std::string line =
      fmt::format("V\t{}\t\t{}\tunknown\t{}\n", as_text(element.content), upper(x509::serial_text(tbs.serial)),
                  printable(tbs.content.subject.to_string()));
  const auto refuse = [](std::string why, const char* hint) {
    throw Error{ErrorKind::unavailable, std::move(why)}.hint(hint);
  };
  const auto fail = [&](const char* what) {
    refuse(fmt::format("the serial log {} cannot be {}: {}", file_.string(), what, std::strerror(errno)),
           "nothing was signed");
  };
  const std::lock_guard guard(mutex_);
  const Descriptor log(::open(file_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log.valid() || ::flock(log.get(), LOCK_EX) != 0) fail("opened");
  const off_t size = ::lseek(log.get(), 0, SEEK_END);
  char kind[2] = {'V', '\t'};
  if (size < 0 || (size > 0 && ::pread(log.get(), kind, sizeof kind, 0) < 1)) fail("read");
  if (kind[0] != 'V' || kind[1] != '\t') {
    refuse(fmt::format("{} is no serial log, and was not touched", file_.string()),
           "nothing was signed; name a file of its own as `serial_log`");
  }
  // Another file is there now, or it was cut.
  if (read_ && *read_ > size) read_.reset();
  const off_t from = read_.value_or(std::max<off_t>(0, size - kRead));
  std::string text(static_cast<std::size_t>(size - from), '\0');
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t more = ::pread(log.get(), text.data() + at, text.size() - at, from + static_cast<off_t>(at));
    if (more <= 0) fail("read");
    at += static_cast<std::size_t>(more);
  }
  // The first line may have begun before what is read.
  const std::size_t first = read_ || from == 0 ? 0 : text.find('\n') + 1;
  if (first == 0 && !read_ && from > 0) {
    refuse(fmt::format("{} is no serial log, and was not touched", file_.string()),
           "nothing was signed; name a file of its own as `serial_log`");
  }
  // Half a line that a full disk or a crash left would spoil the one that follows. One that was copied without its end
  // is whole.
  std::size_t whole = text.rfind('\n') + 1;  // 0 where there is none
  const bool lacks_end = std::count(text.begin() + static_cast<std::ptrdiff_t>(whole), text.end(), '\t') == kTabs;
  if (lacks_end) whole = text.size();
  for (std::size_t at = first; at < whole;) {
    const std::size_t next = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string serial = serial_in(std::string_view(text).substr(at, next - at));
    if (!serial.empty() && !is_known(serial)) {
      refuse(fmt::format("the serial log {} has the number {}, which this store has not given: the store is an older "
                         "copy of itself, or somebody else issues with this log",
                         file_.string(), serial),
             "nothing was signed; after a restore: hsmbridge ca resume; else name a file of its own as `serial_log`");
    }
    at = next;
  }
  if (lacks_end) {
    if (::write(log.get(), "\n", 1) != 1) fail("written");
  } else if (::ftruncate(log.get(), from + static_cast<off_t>(whole)) != 0) {
    fail("written");
  }
  // In one piece: several processes may append.
  const ssize_t written = ::write(log.get(), line.data(), line.size());
  if (written >= 0 && static_cast<std::size_t>(written) != line.size()) errno = ENOSPC;
  if (written != static_cast<ssize_t>(line.size())) fail("written");
  if (::fdatasync(log.get()) != 0) fail("synced");
  read_ = ::lseek(log.get(), 0, SEEK_END);
}

}  // namespace hsmbridge::local
