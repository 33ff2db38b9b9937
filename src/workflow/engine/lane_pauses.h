#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::workflow {

// The convention between whoever talks to a token or a provider and the engine: an error that says something about the
// lane and not about the request (token not there, PIN refused or unclear, module or connection dead, provider not
// reachable, asked too often) carries the detail `lane` = `down`:
//
//   throw Error{ErrorKind::unavailable, "token web is not in any slot"}.with("lane", "down");
//
// Whatever its kind, such an error ends nothing and is not counted against the request: the lane pauses, its requests
// wait, and all of them go on when it works again. Never put it on what the content of one request may cause.
inline constexpr std::string_view kLaneDetail = "lane";
inline constexpr std::string_view kLaneDown = "down";
inline bool says_lane_is_down(const Error& error) {
  return error.detail(kLaneDetail) == kLaneDown;
}

// Which lanes of one engine are down, and how long each is left alone: a growing, bounded pause, then one call at a
// time until one comes through. Times are Clock::since_boot. Thread rule: the engine's thread alone.
class LanePauses {
 public:
  enum class Blame {
    lane,     // the request waits for the lane
    request,  // others came through since the same request met this before: it has a pause of its own too
  };
  struct Down {
    bool news = false;  // it worked before
    Blame blame = Blame::lane;
  };
  // A call for `request` met trouble of the lane. `asked`: how long the other side wants to be left alone.
  Down down(const std::string& lane, const std::string& request, std::optional<Duration> asked, Duration now);
  // A call came through.
  enum class Came {
    as_ever,  // the lane was not down
    quietly,  // it was, and nobody was told
    back,     // it was
  };
  Came works(const std::string& lane);
  // Somebody says that it may work again: it is tried at once.
  void wake(const std::string& lane);
  // Workers died with a call of it in hand. It is left alone for `pause` and then tried with one call at a time.
  void suspect(const std::string& lane, Duration pause, Duration now);
  // A call ended and this worker is still there, whatever it said.
  void survived(const std::string& lane);
  // The suspects that may be tried now: of none of them has a call ended yet.
  std::vector<std::string> suspects(Duration now) const;
  bool any() const { return !lanes_.empty(); }
  // How many calls may begin now where `places` are configured and `taken` are in use.
  unsigned free_places(const std::string& lane, unsigned places, unsigned taken, Duration now) const;
  // When the next pause ends.
  std::optional<Duration> next_end(Duration now) const;

 private:
  struct Lane {
    unsigned times = 0;
    Duration until{};
    bool told = false;          // somebody was told that it is down
    bool suspected = false;     // its next call may end this process
    std::set<std::string> met;  // the requests that met it
  };
  std::map<std::string, Lane> lanes_;                        // those that are down
  std::map<std::string, std::set<std::string>> met_before_;  // who met the trouble that was over last
};

// How long a lane is left alone after `times` calls in a row that it did not answer.
Duration lane_pause(const std::string& lane, unsigned times);
// How long a lane is left alone after so many workers in a row died with a call of it in hand. The first death may be
// anybody's; from the second on, what kills a worker at every start must not keep the other lanes from working.
Duration pause_after_deaths(unsigned deaths);
// "token web", "provider tsb"
std::string spoken_lane(const std::string& lane);

}  // namespace hsmbridge::workflow
