#include "workflow/machine/quarantine.h"

#include <map>
#include <utility>

namespace hsmbridge::workflow {
namespace {

// The attempt that the event says what became of; 0 for none.
unsigned answered(const EventBody& body) {
  if (const auto* answered = std::get_if<SubmissionAnswered>(&body)) return answered->attempt;
  if (const auto* found = std::get_if<FoundAtProvider>(&body)) return found->attempt;
  if (const auto* received = std::get_if<ResultReceived>(&body)) return received->attempt;
  return 0;
}

// Gathers, event by event, what the states in between held.
class Gathering {
 public:
  void take(const JournalEntry& entry) {
    const EventBody& body = entry.event.body;
    if (const auto* ready = std::get_if<KeyReady>(&body)) key_ = ready->key;
    if (const auto* frozen = std::get_if<DraftFrozen>(&body)) draft_ = frozen->draft;
    if (const auto* begun = std::get_if<AttemptStarted>(&body)) begin(begun->attempt, entry.event.at);
    if (const unsigned attempt = answered(body); attempt != 0) begin(attempt, submission_.submitted_at);
    if (const auto* there = std::get_if<ResolvedAsThere>(&body)) submission_.reference = there->reference;
    if (const auto* received = std::get_if<ResultReceived>(&body)) result_ = received->result;
    if (const auto* brought = std::get_if<ResolvedAsCertificate>(&body)) result_ = brought->result;
    if (const StatusReport* report = report_of(body)) {
      if (!report->reference.empty()) submission_.reference = report->reference;
      if (!report->provider_state.empty()) submission_.provider_state = report->provider_state;
    }
    // Given up while it may have been at the provider: what comes then is late.
    late_ = late_ || std::holds_alternative<CancelAsked>(body) || std::holds_alternative<DeadlinePassed>(body) ||
            (std::holds_alternative<DraftTooOld>(body) && entry.after == StateName::withdrawing);
  }
  bool is_complete() const { return key_ && result_ && sent_.count(submission_.attempt) != 0; }
  Quarantined complete(Quarantined bare) const {
    bare.prepared = {*key_, sent_.at(submission_.attempt), sent_.rbegin()->first};
    bare.submission = submission_;
    bare.result = *result_;
    bare.late = late_;
    return bare;
  }

 private:
  void begin(unsigned attempt, Instant at) {
    if (attempt != submission_.attempt || sent_.count(attempt) == 0) {
      submission_ = Submission{attempt, {}, {}, at};
    }
    if (draft_) sent_.try_emplace(attempt, *draft_);
  }

  std::optional<Key> key_;
  std::optional<Draft> draft_;      // the newest
  std::map<unsigned, Draft> sent_;  // by attempt
  Submission submission_{0, {}, {}, {}};
  std::optional<IssuedResult> result_;
  bool late_ = false;
};

}  // namespace

Quarantined completed_from(const Quarantined& bare, const std::vector<JournalEntry>& history) {
  Gathering gathering;
  for (const JournalEntry& entry : history) gathering.take(entry);
  return gathering.is_complete() ? gathering.complete(bare) : bare;
}

}  // namespace hsmbridge::workflow
