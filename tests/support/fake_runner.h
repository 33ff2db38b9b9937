#pragma once

#include "base/error.h"
#include "support/requests.h"
#include "workflow/engine/engine.h"

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace hsmbridge::test {

// An effect runner over a provider and a token that exist in memory only. It takes every submission, remembers it, and
// answers as the members say; each effect can be replaced by a function of the test's.
// Thread rule: run() from any thread; the members while no engine runs.
class FakeRunner : public workflow::EffectRunner {
 public:
  using Work = std::function<workflow::EffectOutcome(const workflow::Claim&, Instant, Duration)>;

  workflow::RequestStatus after_submit =
      workflow::RequestStatus::awaiting_approval;                         // what a submission is answered with
  workflow::RequestStatus on_poll = workflow::RequestStatus::handed_out;  // what a poll says
  std::optional<Duration> retry_after;                                    // said by every poll
  std::map<workflow::EffectName, Work> instead;

  // Every call, as "submit:1 of ID", in the order they began.
  std::vector<std::string> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  std::size_t calls_of(const std::string& identity) {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const std::string& call : calls_) count += call.starts_with(identity + " of ") ? 1U : 0U;
    return count;
  }
  // How many submissions of the request the provider holds.
  std::size_t submissions(const RequestId& id) {
    const std::lock_guard lock(mutex_);
    return submitted_.count(id.str());
  }

  workflow::EffectOutcome run(const workflow::Claim& claim, Instant now, Duration time_limit) override {
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back(claim.effect.identity() + " of " + claim.record.order.id.str());
    }
    const auto special = instead.find(claim.effect.name);
    if (special != instead.end()) return special->second(claim, now, time_limit);
    return usual(claim, now);
  }

  // The provider takes the submission, whatever becomes of the answer.
  void submit(const workflow::Claim& claim) {
    const std::lock_guard lock(mutex_);
    submitted_.insert(claim.record.order.id.str());
  }

  workflow::EffectOutcome usual(const workflow::Claim& claim, Instant now) {
    using namespace workflow;
    const RequestId& id = claim.record.order.id;
    switch (claim.effect.name) {
      case EffectName::ensure_key:
        return outcome(KeyReady{key_of_test()});
      case EffectName::sign_csr:
        return outcome(CsrSigned{draft_of_test(now).csr});
      case EffectName::build_draft:
        return outcome(DraftFrozen{draft_of_test(now)});
      case EffectName::check_draft:
        return outcome(DraftAccepted{});
      case EffectName::submit:
        submit(claim);
        return outcome(SubmissionAnswered{claim.effect.attempt, report(id, after_submit)});
      case EffectName::look_up:
        if (submissions(id) > 0) {
          return outcome(FoundAtProvider{claim.effect.attempt, report(id, after_submit)});
        }
        return outcome(AbsentAtProvider{claim.effect.attempt});
      case EffectName::poll:
      case EffectName::retrieve:
        return outcome(Reported{report(id, on_poll)});
      case EffectName::verify: {
        EffectOutcome verified = outcome(Verified{"fingerprint-" + id.str(), {}});
        CertificateRecord record;
        record.fingerprint = "fingerprint-" + id.str();
        record.der = {0x30, 0x00};
        record.request = id;
        record.status = "current";
        verified.certificate = record;
        return verified;
      }
      case EffectName::install:
        return outcome(TargetInstalled{claim.effect.target});
      case EffectName::withdraw:
        return outcome(CancelAnswered{report(id, RequestStatus::cancelled)});
      default:
        throw Error{ErrorKind::internal, "timers are not for the runner"};
    }
  }

  workflow::Report report(const RequestId& id, workflow::RequestStatus standing) const {
    workflow::Report report;
    report.status = standing;
    report.provider_status = "PENDING";
    report.reference = ProviderReference{"ref-" + id.str()};
    report.retry_after = retry_after;
    if (standing == workflow::RequestStatus::handed_out) {
      report.handout = workflow::Handout{workflow::Handout::Content::certificate, {1}, {2}};
    }
    return report;
  }
  static workflow::EffectOutcome outcome(workflow::EventBody body) {
    workflow::EffectOutcome outcome;
    outcome.event = std::move(body);
    return outcome;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::multiset<std::string> submitted_;
};

inline workflow::EngineOptions engine_options(const std::string& worker) {
  workflow::EngineOptions options;
  options.worker = worker;
  options.lanes = {{"provider:tsb", 4}, {"token:web", 2}, {"local", 2}};
  static workflow::EngineLog log;
  options.observers = {&log};
  return options;
}

}  // namespace hsmbridge::test
