#include "workflow/machine/backoff.h"

#include "base/bytes.h"

#include <algorithm>

namespace hsmbridge::workflow {
namespace {

// A tenth more or less, always the same for one request: what was made in one batch drifts apart, and a test knows what
// it will see.
Duration jittered(const RequestId& id, Duration base) {
  return base * 9 / 10 + place_in(id, base / 5);
}

// A provider's wish, or its mistake: no request sleeps for longer because of a word in a header.
constexpr Duration kMostPatience = std::chrono::hours{24};

Duration no_sooner_than(std::optional<Duration> asked, Duration planned) {
  return asked ? std::max(std::min(*asked, kMostPatience), planned) : planned;
}

}  // namespace

Duration place_in(const RequestId& id, Duration span) {
  const Bytes digest = sha256(as_bytes(id.str()));
  const auto share = static_cast<Duration::rep>(digest[0] * 256 + digest[1]);  // 0 … 65535
  return span * share / 65535;
}

Duration patient(Duration planned, std::optional<Duration> asked) {
  return no_sooner_than(asked, planned);
}

Duration next_poll(const RequestId& id, Duration waited, std::optional<Duration> asked, const Timing& timing) {
  // A tenth of the time already waited: an answer is at most a tenth late, and a week costs few polls.
  const Duration planned = std::clamp(waited / 10, timing.poll_first, std::max(timing.poll_first, timing.poll_longest));
  return no_sooner_than(asked, jittered(id, planned));
}

Duration next_retry(const RequestId& id, unsigned failures, std::optional<Duration> asked, const Timing& timing) {
  Duration planned = timing.retry_first;
  for (unsigned i = 1; i < failures && planned < timing.retry_longest; ++i) planned *= 2;
  return no_sooner_than(asked, jittered(id, std::min(planned, timing.retry_longest)));
}

}  // namespace hsmbridge::workflow
