// The texts that HTTP carries: dates, waiting times, addresses. A pure function either reads one or says no.
#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "net/http_date.h"
#include "net/url.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hsmbridge;
  const std::string_view text = as_text(ByteView(data, size));
  const Instant now = parse_rfc3339("2026-11-23T15:42:07Z");
  const auto wait = net::parse_retry_after(text, now);
  if (wait && (*wait < Duration::zero() || *wait > std::chrono::days{365})) std::abort();
  net::parse_http_date(text, now);
  try {
    const net::Url url = net::Url::parse(text);
    if (net::Url::parse(url.text()).text() != url.text()) std::abort();
    if (url.at("/" + net::percent_encode(text)).find_first_of(" \r\n") != std::string::npos) std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) std::abort();
  }
  return 0;
}
