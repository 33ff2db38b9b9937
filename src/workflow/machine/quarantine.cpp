#include "workflow/machine/quarantine.h"

#include <map>
#include <utility>

namespace hsmbridge::workflow {
namespace {

// Gathers, event by event, what the states in between held.
class Gathering {
 public:
  void take(const JournalEntry& entry) {
    const EventBody& body = entry.event.body;
    if (const auto* ready = std::get_if<KeyReady>(&body)) key_ = ready->key;
    if (const auto* frozen = std::get_if<DraftFrozen>(&body)) draft_ = frozen->draft;
    if (const auto* begun = std::get_if<AttemptStarted>(&body)) {
      begin(begun->attempt, entry.event.at);
    } else if (const auto* answered = std::get_if<SubmissionAnswered>(&body)) {
      begin(answered->attempt, submission_.submitted_at);
    } else if (const auto* found = std::get_if<FoundAtProvider>(&body)) {
      begin(found->attempt, submission_.submitted_at);
    } else if (const auto* there = std::get_if<ResolvedAsThere>(&body)) {
      submission_.reference = there->reference;
    } else if (const auto* out = std::get_if<HandedOut>(&body)) {
      handout_ = out->handout;
      if (!out->provider_state.empty()) submission_.provider_state = out->provider_state;
    } else if (const auto* brought = std::get_if<ResolvedAsCertificate>(&body)) {
      handout_ = brought->handout;
    }
    if (const Report* report = report_of(body)) {
      if (!report->reference.empty()) submission_.reference = report->reference;
      if (!report->provider_state.empty()) submission_.provider_state = report->provider_state;
      if (report->handout) handout_ = report->handout;
    }
    // Given up while it may have been at the provider: what comes then is late.
    late_ = late_ || std::holds_alternative<CancelAsked>(body) || std::holds_alternative<DeadlinePassed>(body) ||
            (std::holds_alternative<DraftTooOld>(body) && entry.after == StateName::withdrawing);
  }
  bool is_complete() const { return key_ && handout_ && sent_.count(submission_.attempt) != 0; }
  Quarantined complete(Quarantined bare) const {
    bare.dossier = {*key_, sent_.at(submission_.attempt), sent_.rbegin()->first};
    bare.submission = submission_;
    bare.handout = *handout_;
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
  std::optional<Handout> handout_;
  bool late_ = false;
};

}  // namespace

Quarantined completed_from(const Quarantined& bare, const std::vector<JournalEntry>& history) {
  Gathering gathering;
  for (const JournalEntry& entry : history) gathering.take(entry);
  return gathering.is_complete() ? gathering.complete(bare) : bare;
}

}  // namespace hsmbridge::workflow
