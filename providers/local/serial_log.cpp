#include "providers/local/serial_log.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "x509/asn1/der.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace hsmbridge::local {

void append_to_serial_log(const std::filesystem::path& file, const x509::TbsCertificate& tbs) {
  const Bytes end = x509::der::time(tbs.validity.not_after);
  const auto element = x509::der::only(end, "end");
  const std::string line =
      fmt::format("V\t{}\t\t{}\tunknown\t{}\n", as_text(element.content), upper(x509::serial_text(tbs.serial)),
                  printable(tbs.content.subject.to_string()));
  const auto fail = [&](const char* what) {
    throw Error{ErrorKind::unavailable,
                fmt::format("the serial log {} cannot be {}: {}", file.string(), what, std::strerror(errno))}
        .hint("nothing was signed");
  };
  const Descriptor log(::open(file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log.valid() || ::flock(log.get(), LOCK_EX) != 0) fail("opened");
  const off_t size = ::lseek(log.get(), 0, SEEK_END);
  char kind[2] = {'V', '\t'};
  if (size < 0 || (size > 0 && ::pread(log.get(), kind, sizeof kind, 0) < 1)) fail("read");
  if (kind[0] != 'V' || kind[1] != '\t') {
    throw Error{ErrorKind::unavailable, fmt::format("{} is no serial log, and was not touched", file.string())}.hint(
        "nothing was signed; name a file of its own as `serial_log`");
  }
  // Half a line that a full disk or a crash left would spoil the one that follows. One that was copied without its end
  // is whole.
  off_t kept = size;
  unsigned tabs = 0;
  for (char last = '\n'; kept > 0; --kept) {
    if (::pread(log.get(), &last, 1, kept - 1) != 1) fail("read");
    if (last == '\n') break;
    tabs += last == '\t' ? 1 : 0;
  }
  constexpr unsigned kTabs = 5;
  if (kept < size && tabs == kTabs) {
    if (::write(log.get(), "\n", 1) != 1) fail("written");
  } else if (::ftruncate(log.get(), kept) != 0) {
    fail("written");
  }
  // In one piece: several processes may append.
  const ssize_t written = ::write(log.get(), line.data(), line.size());
  if (written >= 0 && static_cast<std::size_t>(written) != line.size()) errno = ENOSPC;
  if (written != static_cast<ssize_t>(line.size())) fail("written");
  if (::fdatasync(log.get()) != 0) fail("synced");
}

}  // namespace hsmbridge::local
