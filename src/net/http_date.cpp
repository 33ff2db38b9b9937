#include "net/http_date.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace hsmbridge::net {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 7> kLongDays{"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                    "Friday", "Saturday", "Sunday"};

// Reads from the left; after the first mismatch every further read fails.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  void literal(std::string_view text) {
    if (rest_.starts_with(text)) {
      rest_.remove_prefix(text.size());
    } else {
      good_ = false;
    }
  }
  template <std::size_t Size>
  int word(const std::array<std::string_view, Size>& words) {
    for (std::size_t i = 0; i < Size; ++i) {
      if (!rest_.starts_with(words[i])) continue;
      rest_.remove_prefix(words[i].size());
      return static_cast<int>(i);
    }
    good_ = false;
    return 0;
  }
  int digits(std::size_t count) {
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (i >= rest_.size() || rest_[i] < '0' || rest_[i] > '9') {
        good_ = false;
        return 0;
      }
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }
  // asctime pads the day with a space.
  int padded_day() {
    if (!rest_.starts_with(' ')) return digits(2);
    rest_.remove_prefix(1);
    return digits(1);
  }
  void time(int& hour, int& minute, int& second) {
    hour = digits(2);
    literal(":");
    minute = digits(2);
    literal(":");
    second = digits(2);
  }
  bool done() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

struct Fields {
  int year = 0;
  int month = 0;  // from 0
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

std::optional<Instant> instant(const Fields& fields) {
  const std::chrono::year_month_day date{std::chrono::year{fields.year},
                                         std::chrono::month{static_cast<unsigned>(fields.month + 1)},
                                         std::chrono::day{static_cast<unsigned>(fields.day)}};
  // RFC 9110 §5.6.7 allows second 60, a leap second: taken as the next second.
  if (!date.ok() || fields.hour > 23 || fields.minute > 59 || fields.second > 60) return std::nullopt;
  return Instant{std::chrono::sys_days{date}} + std::chrono::hours{fields.hour} + std::chrono::minutes{fields.minute} +
         std::chrono::seconds{fields.second};
}

std::optional<Instant> imf_fixdate(std::string_view text) {
  Reader reader(text);
  Fields fields;
  reader.word(kDays);
  reader.literal(", ");
  fields.day = reader.digits(2);
  reader.literal(" ");
  fields.month = reader.word(kMonths);
  reader.literal(" ");
  fields.year = reader.digits(4);
  reader.literal(" ");
  reader.time(fields.hour, fields.minute, fields.second);
  reader.literal(" GMT");
  return reader.done() ? instant(fields) : std::nullopt;
}

std::optional<Instant> rfc850_date(std::string_view text, Instant now) {
  Reader reader(text);
  Fields fields;
  reader.word(kLongDays);
  reader.literal(", ");
  fields.day = reader.digits(2);
  reader.literal("-");
  fields.month = reader.word(kMonths);
  reader.literal("-");
  const int year = reader.digits(2);
  reader.literal(" ");
  reader.time(fields.hour, fields.minute, fields.second);
  reader.literal(" GMT");
  if (!reader.done()) return std::nullopt;
  const std::chrono::year_month_day today{std::chrono::floor<std::chrono::days>(now)};
  const int this_year = static_cast<int>(today.year());
  fields.year = this_year - this_year % 100 + year;
  // RFC 9110 §5.6.7: more than 50 years in the future is the most recent year in the past with the same two digits.
  if (fields.year > this_year + 50) fields.year -= 100;
  return instant(fields);
}

std::optional<Instant> asctime_date(std::string_view text) {
  Reader reader(text);
  Fields fields;
  reader.word(kDays);
  reader.literal(" ");
  fields.month = reader.word(kMonths);
  reader.literal(" ");
  fields.day = reader.padded_day();
  reader.literal(" ");
  reader.time(fields.hour, fields.minute, fields.second);
  reader.literal(" ");
  fields.year = reader.digits(4);
  return reader.done() ? instant(fields) : std::nullopt;
}

}  // namespace

std::optional<Instant> parse_http_date(std::string_view text, Instant now) {
  if (auto found = imf_fixdate(text)) return found;
  if (auto found = rfc850_date(text, now)) return found;
  return asctime_date(text);
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
