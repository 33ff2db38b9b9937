#include "net/http_date.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <string>

namespace hsmbridge::net {
namespace {

struct Form {
  const char* pattern;  // of strptime and strftime, in the locale "C", which this program never leaves
  bool two_digit_year;
};
constexpr std::array kForms{Form{"%a, %d %b %Y %H:%M:%S GMT", false}, Form{"%A, %d-%b-%y %H:%M:%S GMT", true},
                            Form{"%a %b %e %H:%M:%S %Y", false}};

std::optional<Instant> instant(const std::tm& fields, int year) {
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(fields.tm_mon + 1)},
                                         std::chrono::day{static_cast<unsigned>(fields.tm_mday)}};
  // RFC 9110 §5.6.7 allows second 60, a leap second: taken as the next second.
  if (!date.ok() || fields.tm_sec > 60) return std::nullopt;
  return Instant{std::chrono::sys_days{date}} + std::chrono::hours{fields.tm_hour} +
         std::chrono::minutes{fields.tm_min} + std::chrono::seconds{fields.tm_sec};
}

}  // namespace

std::optional<Instant> parse_http_date(std::string_view text, Instant now) {
  const std::string whole(text);
  for (const Form& form : kForms) {
    std::tm fields{};
    const char* end = ::strptime(whole.c_str(), form.pattern, &fields);
    if (end == nullptr || *end != '\0') continue;
    // strptime takes any case, missing digits and more spaces: only what is written back alike is such a date.
    char again[64];
    if (std::string_view(again, std::strftime(again, sizeof again, form.pattern, &fields)) != text) continue;
    int year = fields.tm_year + 1900;
    if (form.two_digit_year) {
      const int this_year =
          static_cast<int>(std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(now)}.year());
      year = this_year - this_year % 100 + year % 100;
      // RFC 9110 §5.6.7: more than 50 years in the future is the most recent year in the past with the same digits.
      if (year > this_year + 50) year -= 100;
    }
    return instant(fields, year);
  }
  return std::nullopt;
}

std::optional<Duration> parse_retry_after(std::string_view text, Instant now) {
  constexpr Duration kLongest = std::chrono::days{365};
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    std::int64_t seconds = 0;
    for (const char c : text) {
      seconds = seconds * 10 + (c - '0');
      if (std::chrono::seconds{seconds} > kLongest) return kLongest;
    }
    return std::chrono::seconds{seconds};
  }
  const auto date = parse_http_date(text, now);
  if (!date) return std::nullopt;
  return std::clamp<Duration>(*date - now, Duration::zero(), kLongest);
}

}  // namespace hsmbridge::net
