#pragma once

#include "base/bytes.h"
#include "config/settings.h"
#include "service/actor.h"
#include "service/certificates/renewal.h"
#include "workflow/ports/store.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::service {

// What time does to certificates and keys. A round asks the store a few questions that indexes answer, for all
// certificates together: none of them has a thread, a timer or a connection of its own.
// Several daemons may sweep one store: the same renewal is made once (Store::create), and a record is changed once.
class Sweep {
 public:
  // The default of a profile's `overlap`.
  static constexpr Duration kOverlap = std::chrono::hours{7 * 24};

  // `settings` must outlive it. `actor`: in whose name orders are made and records changed ("worker:…"). `random`:
  // so many random octets.
  Sweep(const config::Settings& settings, Actor actor, std::function<Bytes(std::size_t)> random);

  struct Made {
    RequestId request;
    std::string certificate;  // that it renews, SHA-256
    std::string names;
    std::optional<std::string> key;  // the label of its new key
    Instant ends_at{};               // of the certificate that it renews
  };
  struct Result {
    std::vector<Made> renewals;
    std::vector<std::string> expired;  // SHA-256
    std::vector<std::string> revived;  // SHA-256: marked as expired by a clock that was wrong
    std::vector<workflow::KeyRecord> retired;
    std::vector<std::string> troubles;  // one line each, once a day for each certificate
    Duration next_in{};                 // when the next round is due
  };
  // At most so many renewals a round, and four such rounds a minute while more are due: ten thousand that fall due in
  // the same hour are ordered within it, and whoever set a clock wrong has time to see it.
  static constexpr std::size_t kMostRenewals = 50;
  // One round: ends what is past its end, makes the renewals that are due (those that end first come first), and looks
  // at the next few thousand keys, to retire those whose overlap is over: all of them, from the first on at most once
  // an hour. Never destroys anything. Throws what the store throws.
  Result round(workflow::Store& store, Instant now);

 private:
  bool is_to_be_told(const std::string& about, Instant now);
  void remind(workflow::Store& store, Instant now, Result& result);
  void expire(workflow::Store& store, Instant now, Result& result);
  void renew(workflow::Store& store, const config::ProfileSettings& profile, Instant now, Result& result);
  void renew_or_tell(workflow::Store& store, const workflow::CertificateRecord& record,
                     const config::ProfileSettings& profile, Instant now, Result& result);
  std::optional<Made> renew_one(workflow::Store& store, const workflow::CertificateRecord& record,
                                const config::ProfileSettings& profile, Instant now);
  void retire(workflow::Records& store, Instant now, Result& result);

  const config::Settings& settings_;
  Actor actor_;
  std::function<Bytes(std::size_t)> random_;
  std::optional<Instant> retired_at_;  // when the last look at all keys began
  bool retiring_ = false;              // it is not over
  workflow::KeyPlace retired_until_;
  std::map<std::string, Instant> complained_;  // when a certificate's trouble was told
};

}  // namespace hsmbridge::service
