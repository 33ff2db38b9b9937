#pragma once

#include "base/clock.h"
#include "service/authorities/crl_at_url.h"
#include "workflow/ports/key_use.h"
#include "workflow/ports/provider.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// The CRLs of the CAs of this bridge: each is published when it is due (`crl: every` of the CA) or something was
// revoked since the last one, and put where it is not yet (`crl: put`), which wants no signature. What its URL gives is
// looked at after that and each hour; a URL that gives something else, and a CRL that is overdue, are alarms in the log.
// Where a service keeps the key it publishes none (crl_requests.h).
namespace hsmbridge::service {

class CrlSchedule {
 public:
  struct Ca {
    std::string name;
    std::shared_ptr<workflow::Provider> provider;
  };
  // The clock must outlive it.
  CrlSchedule(std::vector<Ca> cas, workflow::RecordFact record, const Clock& clock,
              net::FetchPublic fetch = net::fetch_public);

  // Publishes what is due, and looks at URLs. What fails is logged, and tried again later and later, up to half an hour.
  // Throws nothing but bad_alloc.
  void round();
  bool empty() const { return cas_.empty(); }

 private:
  // Times are by Clock::since_boot.
  struct Pause {
    Duration length{};  // since a failure
    Duration next_try{};
  };
  struct State {
    Pause publishing;
    Pause putting;       // where it is put
    Pause looking;       // at the URL
    bool gives = false;  // the URL gave the last one
  };
  // Tells what it throws, and leaves the CA alone for a while then.
  void carefully(const Ca& ca, const char* otherwise, const std::function<void()>& work);
  // How it stands then; nothing for a CA that is not made yet.
  std::optional<workflow::CrlStanding> publish_due(const Ca& ca);
  void put_due(const Ca& ca, workflow::CrlStanding& standing, Duration end);
  void look_at_urls(const Ca& ca, const workflow::CrlStanding& standing);
  void publish(const Ca& ca, workflow::PlacedCrl& crl, State& state);
  void tell_overdue(const Ca& ca, const workflow::PlacedCrl& crl);
  // False where the server does not answer.
  bool put(const Ca& ca, workflow::PlacedCrl& crl, State& state);
  // False where the server does not answer.
  bool look_at_url(const Ca& ca, const workflow::CrlStanding& standing, const workflow::PlacedCrl& crl, State& state);
  void put_off(Pause& pause);
  void tell(const std::string& alarm);

  const std::vector<Ca> cas_;
  const workflow::RecordFact record_;
  const Clock& clock_;
  const net::FetchPublic fetch_;
  std::map<std::string, Pause> pauses_;                          // of a CA whose key cannot be used
  std::map<std::pair<std::string, std::string>, State> states_;  // by CA and shard
  std::map<std::string, Duration> told_;                         // when each alarm was logged
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
