#include "workflow/engine/lane_pauses.h"

#include "workflow/engine/engine.h"
#include "workflow/machine/backoff.h"

#include <algorithm>
#include <utility>

namespace hsmbridge::workflow {
namespace {

constexpr Duration kFirst = std::chrono::seconds{2};
// A person who plugs a token in waits for it; every try at a provider may be an attempt in the journal.
constexpr Duration kLongestOfToken = std::chrono::minutes{1};
constexpr Duration kLongest = std::chrono::minutes{5};
constexpr Duration kFirstAfterDeaths = std::chrono::seconds{5};
constexpr Duration kLongestAfterDeaths = std::chrono::minutes{10};

}  // namespace

Duration lane_pause(const std::string& lane, unsigned times) {
  const Duration longest = lane.starts_with("token:") ? kLongestOfToken : kLongest;
  Duration pause = kFirst;
  for (unsigned i = 1; i < times && pause < longest; ++i) pause *= 2;
  return std::min(pause, longest);
}

Duration pause_after_deaths(unsigned deaths) {
  if (deaths < 2) return Duration::zero();
  Duration pause = kFirstAfterDeaths;
  for (unsigned i = 2; i < deaths && pause < kLongestAfterDeaths; ++i) pause *= 2;
  return std::min(pause, kLongestAfterDeaths);
}

std::string spoken_lane(const std::string& lane) {
  std::string spoken = lane;
  std::replace(spoken.begin(), spoken.end(), ':', ' ');
  return spoken;
}

LanePauses::Down LanePauses::down(const std::string& lane, const std::string& request, std::optional<Duration> asked,
                                  Duration now) {
  Lane& one = lanes_[lane];
  const bool news = !std::exchange(one.told, true);
  one.met.insert(request);
  // Calls that were under way together meet one trouble, not several.
  if (now >= one.until) ++one.times;
  one.until = std::max(one.until, now + patient(lane_pause(lane, one.times), asked));
  return {news, met_before_[lane].count(request) != 0 ? Blame::request : Blame::lane};
}

LanePauses::Came LanePauses::works(const std::string& lane) {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return Came::as_ever;
  const Came came = found->second.told ? Came::back : Came::quietly;
  met_before_[lane] = std::move(found->second.met);
  lanes_.erase(found);
  return came;
}

void LanePauses::wake(const std::string& lane) {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return;
  found->second.times = 0;
  found->second.until = Duration::zero();
}

void LanePauses::suspect(const std::string& lane, Duration pause, Duration now) {
  Lane& one = lanes_[lane];
  one.suspected = true;
  one.until = std::max(one.until, now + pause);
  if (pause > Duration::zero()) one.told = true;
}

void LanePauses::survived(const std::string& lane) {
  const auto found = lanes_.find(lane);
  if (found != lanes_.end()) found->second.suspected = false;
}

std::vector<std::string> LanePauses::suspects(Duration now) const {
  std::vector<std::string> all;
  for (const auto& [lane, one] : lanes_) {
    if (one.suspected && one.until <= now) all.push_back(lane);
  }
  return all;
}

unsigned LanePauses::free_places(const std::string& lane, unsigned places, unsigned taken, Duration now) const {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return places > taken ? places - taken : 0;
  return found->second.until <= now && taken == 0 ? std::min(places, 1U) : 0;
}

std::optional<Duration> LanePauses::next_end(Duration now) const {
  std::optional<Duration> next;
  for (const auto& [lane, one] : lanes_) {
    if (one.until > now) next = next ? std::min(*next, one.until) : one.until;
  }
  return next;
}

}  // namespace hsmbridge::workflow
