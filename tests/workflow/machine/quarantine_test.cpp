#include "samples.h"
#include "workflow/machine/upgrade.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace hsmbridge::workflow::samples;

namespace {

// Takes a request through the machine and keeps its journal, as a store does.
class Story {
 public:
  explicit Story(Order of) : order_(std::move(of)), state_(begin(order_, {}).next) { note(Created{order_}); }
  Story& then(EventBody body) {
    auto decided = decide(order_, state_, Event{kStart, "uid:7", body}, {});
    if (const auto* refusal = std::get_if<Refusal>(&decided)) FAIL(refusal->why);
    state_ = std::get<Decision>(decided).next;
    note(std::move(body));
    return *this;
  }
  const State& state() const { return state_; }
  const std::vector<JournalEntry>& history() const { return history_; }

 private:
  void note(EventBody body) {
    history_.push_back({history_.size() + 1, Event{kStart, "uid:7", std::move(body)}, name_of(state_)});
  }
  Order order_;
  State state_;
  std::vector<JournalEntry> history_;
};

Story submitted() {
  Story story(order());
  story.then(KeyReady{key()}).then(CsrSigned{draft().csr}).then(DraftFrozen{draft()}).then(DraftAccepted{});
  return story;
}

// What version 3 of the store kept of it, completed from the journal, is what this version keeps.
void check(const Story& story) {
  const auto& whole = std::get<Quarantined>(story.state());
  CHECK(completed_from(Quarantined{whole.certificate, whole.findings}, story.history()) == whole);
}

}  // namespace

TEST_CASE("what an older store left out of a quarantined request is found in its journal") {
  SECTION("handed out by a poll") {
    Story story = submitted();
    story.then(AttemptStarted{1, "w", kStart}).then(SubmissionAnswered{1, report(RequestStatus::awaiting_approval)});
    story.then(received()).then(VerificationFailed{"c0ffee", findings()});
    check(story);
  }
  SECTION("found after a lost answer, at the second attempt, and fetched") {
    Story story = submitted();
    story.then(AttemptStarted{1, "w", kStart}).then(SubmissionNotAccepted{1, problem(), {}});
    story.then(AttemptStarted{2, "w", kStart}).then(AnswerLost{2, "x"});
    story.then(FoundAtProvider{2, report(RequestStatus::ready)}).then(received());
    story.then(VerificationFailed{"c0ffee", findings()});
    check(story);
  }
  SECTION("given up before it came") {
    Story story = submitted();
    story.then(AttemptStarted{1, "w", kStart}).then(SubmissionAnswered{1, report(RequestStatus::awaiting_approval)});
    story.then(CancelAsked{"no more"}).then(received());
    story.then(VerificationFailed{"c0ffee", findings()});
    CHECK(std::get<Quarantined>(story.state()).late);
    check(story);
  }
  SECTION("brought by a person, for a reference that a person named") {
    Story story = submitted();
    story.then(AttemptStarted{1, "w", kStart}).then(AnswerLost{1, "x"}).then(LookUpInconclusive{1, "cannot tell"});
    story.then(ResolvedAsThere{ProviderReference("ref-9")}).then(Reported{report(RequestStatus::ready)});
    story.then(ResolvedAsCertificate{issued()}).then(VerificationFailed{"c0ffee", findings()});
    check(story);
  }
}

TEST_CASE("a journal that lacks what is needed leaves a quarantined request as it was") {
  const Quarantined bare{"c0ffee", findings()};
  CHECK(completed_from(bare, {}) == bare);
  CHECK(completed_from(bare, {{1, Event{kStart, "uid:7", KeyReady{key()}}, StateName::preparing}}) == bare);
}
