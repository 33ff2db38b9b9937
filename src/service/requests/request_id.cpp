#include "service/requests/request_id.h"

#include "base/error.h"

#include <fmt/core.h>

#include <cstdint>
#include <string>

namespace hsmbridge::service {

namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr Instant kEpoch = std::chrono::sys_days{std::chrono::year{2025} / 1 / 1};
constexpr std::size_t kLength = 16;

}  // namespace

RequestId request_id(Instant now, ByteView randomness) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - kEpoch).count();
  if (seconds < 0 || seconds >= (std::int64_t{1} << 30)) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("the clock says {}: no request can be numbered then", rfc3339(now))}
        .hint("set the machine's clock");
  }
  if (randomness.size() < 7) throw Error{ErrorKind::invalid_input, "a request id needs 50 random bits"};
  std::uint64_t random = 0;
  for (std::size_t i = 0; i < 7; ++i) random = (random << 8U) | randomness[i];
  random >>= 6U;  // 56 bits -> 50
  std::string text(kLength, '0');
  for (std::size_t i = 0; i < 6; ++i) {
    text[i] = kAlphabet[(static_cast<std::uint64_t>(seconds) >> (25U - 5U * i)) & 31U];
  }
  for (std::size_t i = 0; i < 10; ++i) text[6 + i] = kAlphabet[(random >> (45U - 5U * i)) & 31U];
  return RequestId{text};
}

std::string request_prefix(std::string_view typed) {
  std::string result;
  for (const char given : typed) {
    char c = given;
    if (c == '-') continue;
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == 'I' || c == 'L') c = '1';
    if (c == 'O') c = '0';
    if (kAlphabet.find(c) == std::string_view::npos) {
      throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not a request id", typed)}.hint(
          "`hsmbridge request list` shows the ids");
    }
    result.push_back(c);
  }
  if (result.empty() || result.size() > kLength) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("'{}' is not a request id: it has 1 to {} characters", typed, kLength)}
        .hint("`hsmbridge request list` shows the ids");
  }
  return result;
}

}  // namespace hsmbridge::service
