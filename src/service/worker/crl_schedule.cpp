#include "service/worker/crl_schedule.h"

#include "base/error.h"
#include "base/log.h"
#include "base/unicode.h"
#include "service/authorities/authorities.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace hsmbridge::service {

namespace {

constexpr Duration kFirstPause = std::chrono::minutes{1};
constexpr Duration kLongestCrlPause = std::chrono::minutes{30};
constexpr Duration kAlarmAgain = std::chrono::hours{1};

}  // namespace

CrlSchedule::CrlSchedule(std::vector<Ca> cas, workflow::RecordFact record, const Clock& clock)
    : cas_(std::move(cas)), record_(std::move(record)), clock_(clock) {}

void CrlSchedule::round() {
  for (const Ca& ca : cas_) {
    State& state = states_[ca.name];
    try {
      look_at(ca, state);
    } catch (...) {
      tell(state, fmt::format("CA {}: no CRL is published: {}", ca.name, current_error().message()));
      state.pause = std::clamp(2 * state.pause, kFirstPause, kLongestCrlPause);
      state.next_try = clock_.since_boot() + state.pause;
    }
  }
}

void CrlSchedule::look_at(const Ca& ca, State& state) {
  auto& authority = dynamic_cast<workflow::CertificateAuthority&>(*ca.provider);
  workflow::CrlStanding standing;
  try {
    standing = authority.crl_standing();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return;  // it is not made yet
    throw;
  }
  if (!standing.crl_file) return;
  const bool is_a_request = !authority.key().provider.empty();  // CrlRequests makes it
  if (!is_a_request && !standing.crl_due.empty() && clock_.since_boot() >= state.next_try) {
    const auto made = authority.publish_crl(clock_.now());
    record_("crl-published", crl_facts(ca.name, made));
    log::info(fmt::format("CA {}: CRL {} with {} revoked is published ({}), valid until {}", ca.name, made.crl.number,
                          made.entries, printable(standing.crl_due), rfc3339(made.crl.next_update)));
    state = {};
  } else if (standing.crl_overdue) {
    tell(state, standing.crl ? fmt::format("CA {}: its CRL is OVERDUE: the last one ended {}", ca.name,
                                           rfc3339(standing.crl->next_update))
                             : fmt::format("CA {}: its CRL is OVERDUE: none was published yet", ca.name));
  }
}

void CrlSchedule::tell(State& state, const std::string& alarm) {
  const Duration now = clock_.since_boot();
  const auto told = state.told.find(alarm);
  if (told != state.told.end() && now - told->second < kAlarmAgain) return;
  state.told[alarm] = now;
  log::error(printable(alarm));
}

// Shared with the thread.
struct CrlWatch::State {
  std::unique_ptr<CrlSchedule> schedule;
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  bool at_work = false;
};

CrlWatch::CrlWatch(std::unique_ptr<CrlSchedule> schedule, Duration every) : state_(std::make_shared<State>()) {
  state_->schedule = std::move(schedule);
  if (state_->schedule->empty()) return;
  thread_ = std::thread([state = state_, every] {
    std::unique_lock lock(state->mutex);
    do {
      state->at_work = true;
      lock.unlock();
      state->schedule->round();
      lock.lock();
      state->at_work = false;
    } while (!state->changed.wait_for(lock, every, [&state] { return state->ended; }) && !state->ended);
  });
}

CrlWatch::~CrlWatch() {
  if (!thread_.joinable()) return;
  bool at_work = false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->ended = true;
    at_work = state_->at_work;
  }
  state_->changed.notify_all();
  if (at_work) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

}  // namespace hsmbridge::service
