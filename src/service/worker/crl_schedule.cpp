#include "service/worker/crl_schedule.h"

#include "base/error.h"
#include "base/log.h"
#include "base/unicode.h"
#include "service/authorities/authorities.h"
#include "workflow/ports/crl_place_fault.h"
#include "x509/objects/certificate.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

namespace hsmbridge::service {

namespace {

constexpr Duration kFirstPause = std::chrono::minutes{1};
constexpr Duration kLongestCrlPause = std::chrono::minutes{30};
constexpr Duration kAlarmAgain = std::chrono::hours{1};
constexpr Duration kUrlAgain = std::chrono::hours{1};

// "CA issuing", "CA issuing, shard 3".
std::string spoken_crl(const std::string& ca, const workflow::CrlPlace& place) {
  return place.shard.empty() ? "CA " + ca : fmt::format("CA {}, shard {}", ca, place.shard);
}

// Of each CRL, and of all of them in a round.
constexpr Duration kLongestPutting = std::chrono::seconds{30};

}  // namespace

CrlSchedule::CrlSchedule(std::vector<Ca> cas, workflow::RecordFact record, const Clock& clock, net::FetchPublic fetch)
    : cas_(std::move(cas)), record_(std::move(record)), clock_(clock), fetch_(std::move(fetch)) {}

void CrlSchedule::round() {
  std::vector<std::pair<const Ca*, workflow::CrlStanding>> looked;
  for (const Ca& ca : cas_) {
    carefully(ca, "no CRL is published", [&] {
      if (auto standing = publish_due(ca)) looked.emplace_back(&ca, std::move(*standing));
    });
  }
  // When all that is due of every CA is published: a web server that does not answer must not hold it up, nor the next
  // round.
  const Duration end = clock_.since_boot() + kLongestPutting;
  for (auto& [ca, standing] : looked) {
    carefully(*ca, "no CRL is put", [&, ca = ca, standing = &standing] { put_due(*ca, *standing, end); });
  }
  for (auto& [ca, standing] : looked) {
    carefully(*ca, "no URL is read back", [&, ca = ca, standing = &standing] { look_at_urls(*ca, *standing); });
  }
}

void CrlSchedule::carefully(const Ca& ca, const char* otherwise, const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    tell(fmt::format("CA {}: {}: {}", ca.name, otherwise, current_error().message()));
    put_off(pauses_[ca.name]);
  }
}

std::optional<workflow::CrlStanding> CrlSchedule::publish_due(const Ca& ca) {
  auto& authority = dynamic_cast<workflow::CertificateAuthority&>(*ca.provider);
  workflow::CrlStanding standing;
  try {
    standing = authority.crl_standing();
  } catch (const Error& error) {
    const auto places = authority.crl_places();
    const bool has_published = std::any_of(places.begin(), places.end(), [](const workflow::CrlPlace& place) {
      std::error_code unknown;
      return std::filesystem::exists(place.file, unknown);
    });
    if (error.kind() == ErrorKind::not_found && !has_published) return std::nullopt;  // it is not made yet
    throw;
  }
  // The first one is a person's: of a CA that was elsewhere before, only `ca adopt` knows what it has to say.
  const bool is_begun = std::any_of(standing.crls.begin(), standing.crls.end(),
                                    [](const workflow::PlacedCrl& crl) { return crl.last.has_value(); });
  const bool is_a_request = !authority.key().provider.empty();  // CrlRequests makes it
  for (workflow::PlacedCrl& crl : standing.crls) {
    State& state = states_[{ca.name, crl.place.shard}];
    const Duration next_try = std::max(state.publishing.next_try, pauses_[ca.name].next_try);
    if (!is_a_request && is_begun && standing.crl_every && !crl.due.empty() && clock_.since_boot() >= next_try) {
      publish(ca, crl, state);
    } else if (crl.overdue) {
      tell_overdue(ca, crl);
    }
  }
  return standing;
}

void CrlSchedule::put_due(const Ca& ca, workflow::CrlStanding& standing, Duration end) {
  for (workflow::PlacedCrl& crl : standing.crls) {
    State& state = states_[{ca.name, crl.place.shard}];
    if (crl.not_put.empty() || clock_.since_boot() < state.putting.next_try) continue;
    if (clock_.since_boot() >= end) return;
    if (put(ca, crl, state)) continue;
    // No answer: the next one is tried a little later, before this one is again.
    for (const workflow::PlacedCrl& other : standing.crls) {
      if (&other == &crl) continue;
      Duration& next_try = states_[{ca.name, other.place.shard}].putting.next_try;
      next_try = std::max(next_try, clock_.since_boot() + kFirstPause);
    }
    return;
  }
}

void CrlSchedule::look_at_urls(const Ca& ca, const workflow::CrlStanding& standing) {
  for (const workflow::PlacedCrl& crl : standing.crls) {
    State& state = states_[{ca.name, crl.place.shard}];
    if (!is_read_back(crl) || clock_.since_boot() < state.looking.next_try) continue;
    if (!look_at_url(ca, standing, crl, state)) return;
  }
}

void CrlSchedule::tell_overdue(const Ca& ca, const workflow::PlacedCrl& crl) {
  const std::string name = spoken_crl(ca.name, crl.place);
  if (!crl.last) return tell(fmt::format("{}: its CRL is OVERDUE: none was published yet", name));
  const bool is_of_future = crl.last->this_update > clock_.now();
  tell(fmt::format("{}: its CRL is OVERDUE: the last one is valid from {} to {}{}", name,
                   rfc3339(crl.last->this_update), rfc3339(crl.last->next_update),
                   is_of_future ? fmt::format("; where this machine's clock is right: hsmbridge ca crl {} "
                                              "--clock-was-ahead",
                                              ca.name)
                                : ""));
}

void CrlSchedule::publish(const Ca& ca, workflow::PlacedCrl& crl, State& state) {
  try {
    const auto made =
        dynamic_cast<workflow::CertificateAuthority&>(*ca.provider).publish_due_crl(crl.place.shard, clock_.now());
    if (!made) {  // another process has: looked at in the next round
      crl.last.reset();
      crl.not_put.clear();
      return;
    }
    record_("crl-published", crl_facts(ca.name, *made));
    log::info(fmt::format("{}: CRL {} with {} revoked is published ({}), valid until {}",
                          spoken_crl(ca.name, crl.place), made->crl.number, made->entries, printable(crl.due),
                          rfc3339(made->crl.next_update)));
    crl.last = made->crl;
    crl.not_put = workflow::why_not_put(crl.place, crl.last, 0);
    state = {};
    pauses_.erase(ca.name);
  } catch (const Error& error) {
    tell(fmt::format("{}: no CRL is published: {}", spoken_crl(ca.name, crl.place), error.message()));
    put_off(workflow::stops_every_crl(error) ? pauses_[ca.name] : state.publishing);
  }
}

bool CrlSchedule::put(const Ca& ca, workflow::PlacedCrl& crl, State& state) {
  try {
    const auto made =
        dynamic_cast<workflow::CertificateAuthority&>(*ca.provider).put_crl(crl.place.shard, kLongestPutting);
    record_("crl-put", put_facts(ca.name, made));
    log::info(fmt::format("{}: CRL {} is put at {}", spoken_crl(ca.name, crl.place), made.crl.number,
                          printable(crl.place.put)));
    crl.not_put.clear();
    state.putting = {};
    return true;
  } catch (const Error& error) {
    tell(fmt::format("{}: {}: {}", spoken_crl(ca.name, crl.place), crl.not_put, error.message()));
    put_off(state.putting);
    return error.kind() != ErrorKind::unavailable;  // by the server: what it denies may be one URL's
  }
}

bool CrlSchedule::look_at_url(const Ca& ca, const workflow::CrlStanding& standing, const workflow::PlacedCrl& crl,
                              State& state) {
  const CrlAtUrl found = service::look_at_url(crl, x509::parse_certificate(*standing.certificate), fetch_);
  if (found.gives == CrlAtUrl::Gives::the_same) {
    if (!state.gives) {
      log::info(fmt::format("{}: CRL {} is read back: {}", spoken_crl(ca.name, crl.place), crl.last->number,
                            printable(found.sentence)));
    }
    state.gives = true;
    state.looking = {{}, clock_.since_boot() + kUrlAgain};
    return true;
  }
  state.gives = false;
  tell(fmt::format("{}: {}", spoken_crl(ca.name, crl.place), found.sentence));
  put_off(state.looking);
  return found.gives != CrlAtUrl::Gives::nothing;
}

void CrlSchedule::put_off(Pause& pause) {
  pause.length = std::clamp(2 * pause.length, kFirstPause, kLongestCrlPause);
  pause.next_try = clock_.since_boot() + pause.length;
}

void CrlSchedule::tell(const std::string& alarm) {
  const Duration now = clock_.since_boot();
  const auto told = told_.find(alarm);
  if (told != told_.end() && now - told->second < kAlarmAgain) return;
  std::erase_if(told_, [&](const auto& one) { return now - one.second >= kAlarmAgain; });
  told_[alarm] = now;
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
