#pragma once

#include "base/clock.h"

#include <optional>
#include <string_view>

namespace hsmbridge::net {

// A date of HTTP in one of the three forms that RFC 9110 §5.6.7 obliges a recipient to read:
//   Sun, 06 Nov 1994 08:49:37 GMT     IMF-fixdate
//   Sunday, 06-Nov-94 08:49:37 GMT    RFC 850; a year more than 50 years after `now` is in the century before
//   Sun Nov  6 08:49:37 1994          asctime
// Nothing for any other text. Pure.
std::optional<Instant> parse_http_date(std::string_view text, Instant now);

// RFC 9110 §10.2.3: how long to wait, given as seconds or as an HTTP-date. A date that has passed is zero; more than a
// year is a year. Nothing when the text is neither: it is ignored then, not obeyed. Pure.
std::optional<Duration> parse_retry_after(std::string_view text, Instant now);

}  // namespace hsmbridge::net
