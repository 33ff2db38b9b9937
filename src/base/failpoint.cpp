#include "base/failpoint.h"

#ifdef HSMBRIDGE_FAILPOINTS

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

namespace hsmbridge {
namespace {

// How often the one place that HSMBRIDGE_FAILPOINT names was passed while it named it.
std::atomic<unsigned long> passed{0};

}  // namespace

void failpoint(std::string_view name) {
  const auto* const place = std::find(hsmbridge_failpoint_names.begin(), hsmbridge_failpoint_names.end(), name);
  if (place == hsmbridge_failpoint_names.end()) std::abort();

  const char* const wanted = std::getenv("HSMBRIDGE_FAILPOINT");
  if (wanted == nullptr) return;
  const std::string_view text(wanted);
  const std::size_t colon = text.find(':');
  if (text.substr(0, colon) != name) return;
  const unsigned long times = ++passed;
  const unsigned long count = colon == std::string_view::npos ? 1 : std::strtoul(wanted + colon + 1, nullptr, 10);
  // SIGKILL and not _exit: a real kill leaves the other threads no last word either.
  if (times == count) ::kill(::getpid(), SIGKILL);
}

}  // namespace hsmbridge

#endif
