#pragma once

#include "base/clock.h"
#include "workflow/ports/key_use.h"
#include "workflow/ports/provider.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

// The CRLs of the CAs of this bridge: each is published when it is due (`crl: every` of the CA) or something was
// revoked since the last one, and one that is overdue is an alarm in the log. Where a service keeps the key it is only
// that alarm (crl_requests.h).
namespace hsmbridge::service {

class CrlSchedule {
 public:
  struct Ca {
    std::string name;
    std::shared_ptr<workflow::Provider> provider;
  };
  // The clock must outlive it.
  CrlSchedule(std::vector<Ca> cas, workflow::RecordFact record, const Clock& clock);

  // Publishes what is due. What fails is logged, and tried again later and later, up to half an hour. Throws nothing
  // but bad_alloc.
  void round();
  bool empty() const { return cas_.empty(); }

 private:
  struct State {
    Duration pause{};                      // since a failure
    Duration next_try{};                   // by Clock::since_boot
    std::map<std::string, Duration> told;  // when each alarm was logged, by Clock::since_boot
  };
  void look_at(const Ca& ca, State& state);
  void tell(State& state, const std::string& alarm);

  const std::vector<Ca> cas_;
  const workflow::RecordFact record_;
  const Clock& clock_;
  std::map<std::string, State> states_;
};

// Its rounds, on a thread of its own: a token that hangs must hold up no request, and no end of the process either.
class CrlWatch {
 public:
  explicit CrlWatch(std::unique_ptr<CrlSchedule> schedule, Duration every = std::chrono::seconds{10});
  ~CrlWatch();  // leaves a round that has begun to its thread
  CrlWatch(const CrlWatch&) = delete;
  CrlWatch& operator=(const CrlWatch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace hsmbridge::service
