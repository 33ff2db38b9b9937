#include "base/clock.h"

#include "base/error.h"

#include <fmt/core.h>
#include <time.h>

#include <array>
#include <cctype>
#include <cstdint>
#include <limits>

namespace hsmbridge {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

Error not_a_time(std::string_view text) {
  return Error{ErrorKind::invalid_input,
               fmt::format("'{}' is not a time such as 2026-11-23T15:42:07Z (RFC 3339)", text)};
}

// Reads a fixed number of digits and moves on.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : text_(text), rest_(text) {}

  int digits(std::size_t count) {
    if (rest_.size() < count) throw not_a_time(text_);
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') throw not_a_time(text_);
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }
  void expect(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) throw not_a_time(text_);
    rest_.remove_prefix(1);
  }
  bool skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  int fraction_as_milliseconds() {
    if (!skip('.')) return 0;
    int value = 0;
    int scale = 100;
    bool any = false;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      value += (rest_.front() - '0') * scale;
      scale /= 10;
      any = true;
      rest_.remove_prefix(1);
    }
    if (!any) throw not_a_time(text_);
    return value;
  }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view text_;
  std::string_view rest_;
};

struct Unit {
  std::string_view suffix;
  std::string_view word;
  milliseconds size;
};

// Longest first; "ms" must be tried before "m" when reading.
constexpr std::array<Unit, 5> kUnits{{
    {"d", "day", days{1}},
    {"h", "hour", hours{1}},
    {"m", "minute", minutes{1}},
    {"s", "second", seconds{1}},
    {"ms", "millisecond", milliseconds{1}},
}};

const Unit* unit_at(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && std::isalpha(static_cast<unsigned char>(text[length]))) ++length;
  for (const Unit& unit : kUnits) {
    if (text.substr(0, length) == unit.suffix) return &unit;
  }
  return nullptr;
}

}  // namespace

Instant SystemClock::now() const {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

Duration SystemClock::since_boot() const {
  timespec time{};
  if (::clock_gettime(CLOCK_BOOTTIME, &time) != 0) throw Error{ErrorKind::internal, "CLOCK_BOOTTIME cannot be read"};
  return seconds{time.tv_sec} + milliseconds{time.tv_nsec / 1'000'000};
}

std::string rfc3339(Instant instant) {
  const auto day = std::chrono::floor<days>(instant);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{instant - day};
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                 time.hours().count(), time.minutes().count(), time.seconds().count());
  if (time.subseconds().count() != 0) text += fmt::format(".{:03}", time.subseconds().count());
  return text + "Z";
}

Instant parse_rfc3339(std::string_view text) {
  TimeReader reader(text);
  const int year = reader.digits(4);
  reader.expect("-");
  const int month = reader.digits(2);
  reader.expect("-");
  const int day = reader.digits(2);
  reader.expect("Tt ");
  const int hour = reader.digits(2);
  reader.expect(":");
  const int minute = reader.digits(2);
  reader.expect(":");
  const int second = reader.digits(2);
  const int millisecond = reader.fraction_as_milliseconds();
  int offset_minutes = 0;
  if (!reader.skip('Z') && !reader.skip('z')) {
    const bool minus = reader.skip('-');
    if (!minus) reader.expect("+");
    const int offset_hours = reader.digits(2);
    reader.skip(':');
    const int rest = reader.digits(2);
    if (offset_hours > 23 || rest > 59) throw not_a_time(text);
    offset_minutes = (offset_hours * 60 + rest) * (minus ? -1 : 1);
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  // A leap second (:60) is taken as the next second; RFC 3339 §5.6 allows it.
  if (!reader.done() || !date.ok() || hour > 23 || minute > 59 || second > 60) throw not_a_time(text);
  return Instant{std::chrono::sys_days{date}} + hours{hour} + minutes{minute} + seconds{second} +
         milliseconds{millisecond} - minutes{offset_minutes};
}

Duration parse_duration(std::string_view text) {
  const auto refuse = [text]() {
    return Error{ErrorKind::invalid_input, fmt::format("'{}' is not a duration such as 90d, 12h, 30m or 45s", text)};
  };
  std::string_view rest = text;
  if (rest.empty()) throw refuse();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 86'400'000 / 16;
  Duration total{};
  while (!rest.empty()) {
    std::int64_t value = 0;
    std::size_t used = 0;
    while (used < rest.size() && rest[used] >= '0' && rest[used] <= '9') {
      value = value * 10 + (rest[used++] - '0');
      if (value > kMost) throw refuse();
    }
    const Unit* unit = used == 0 ? nullptr : unit_at(rest.substr(used));
    if (unit == nullptr) throw refuse();
    total += value * unit->size;
    if (total.count() / 86'400'000 > kMost) throw refuse();
    rest.remove_prefix(used + unit->suffix.size());
  }
  return total;
}

std::string duration_text(Duration duration) {
  std::string text;
  Duration rest = duration < Duration::zero() ? -duration : duration;
  for (const Unit& unit : kUnits) {
    const auto count = rest / unit.size;
    if (count == 0) continue;
    text += fmt::format("{}{}", count, unit.suffix);
    rest -= count * unit.size;
  }
  if (text.empty()) return "0s";
  return duration < Duration::zero() ? "-" + text : text;
}

std::string spoken(Duration duration) {
  Duration rest = duration < Duration::zero() ? -duration : duration;
  std::string text;
  int words = 0;
  for (const Unit& unit : kUnits) {
    if (unit.size < seconds{1} && words > 0) break;
    const auto count = rest / unit.size;
    if (count == 0) {
      if (words > 0) break;
      continue;
    }
    if (words > 0) text += ' ';
    text += fmt::format("{} {}{}", count, unit.word, count == 1 ? "" : "s");
    rest -= count * unit.size;
    if (++words == 2) break;
  }
  return text.empty() ? "0 seconds" : text;
}

}  // namespace hsmbridge
