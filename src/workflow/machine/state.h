#pragma once

#include "workflow/machine/order.h"
#include "workflow/machine/words.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// The states of a request. Each struct holds exactly what is true while the state lasts: a finished request without a
// certificate cannot be expressed. What each waits for is printed by `hsmbridge request diagram`.
namespace hsmbridge::workflow {

// An older draft with which attempts were made. One of them may be answered after all, and only these bytes tell
// whether the certificate answers it.
struct SentDraft {
  Draft draft;
  unsigned last_attempt = 0;  // attempts up to this one
  bool operator==(const SentDraft&) const = default;
};

// The signed votes of people at this bridge on one frozen draft.
struct ApprovalRound {
  unsigned number = 0;  // 1, 2, … of the request's rounds; 0 before the first
  Instant opened_at{};
  std::vector<std::string> votes;  // as approval::to_text gives them, at most one a person
  // A later time that somebody had written down before it was opened: this machine's clock was behind, or that other was
  // ahead.
  Instant known_at = {};
  // Timelock and timeout count from then: from that later time once it has come.
  Instant counted_from(Instant now) const { return opened_at < known_at && known_at <= now ? known_at : opened_at; }
  bool operator==(const ApprovalRound&) const = default;
};

// Key and draft of a request that has both.
struct PreparedRequest {
  Key key;
  Draft draft;
  unsigned attempts_made = 0;  // submissions begun so far; their numbers are never used again
  std::optional<SentDraft> sent = std::nullopt;
  // What a refused attempt told about how to send the next one (NotAccepted::remember): opaque, read only by the
  // provider; "" for nothing.
  std::string remembered = {};
  unsigned refusals = 0;        // attempts that were answered with a no; those that reached nobody are not counted
  ApprovalRound approval = {};  // the last one that was opened; it need not be over
  bool operator==(const PreparedRequest&) const = default;
};

struct Preparing {
  std::optional<Key> key;  // set once it is in the token
  Bytes csr;               // DER, empty until it is signed
  unsigned attempts_made = 0;
  std::string again;  // why a draft is built again ("the draft was older than 7d"), "" the first time
  std::optional<SentDraft> sent = std::nullopt;
  unsigned approval_rounds = 0;  // that were opened for earlier drafts
  bool operator==(const Preparing&) const = default;
};
struct Prepared {
  PreparedRequest prepared;
  bool operator==(const Prepared&) const = default;
};
struct AwaitingLocalApproval {
  PreparedRequest prepared;
  bool operator==(const AwaitingLocalApproval&) const = default;
};
struct AwaitingCommand {
  PreparedRequest prepared;
  std::string last_refusal = {};  // what became of the command before; "" where there was none
  bool operator==(const AwaitingCommand&) const = default;
};
// A wish to give up that could not be granted at once, since a submission was under way.
struct WithdrawWish {
  enum class Cause {
    cancel,
    deadline,
    draft_age,  // nobody signed it while the draft was as young as its profile allows
  };
  Cause cause = Cause::cancel;
  std::string actor;
  std::string reason;
  bool operator==(const WithdrawWish&) const = default;
};
struct Submitting {
  enum class Phase {
    planned,  // the effect waits; nothing was sent
    started,  // journalled as begun: it is never begun again under this attempt
  };
  PreparedRequest prepared;
  unsigned attempt = 1;
  Phase phase = Phase::planned;
  Instant answer_by{};               // started: the call's hard deadline; afterwards the answer is lost
  std::optional<WithdrawWish> wish;  // honoured as soon as the answer is known
  std::string last_refusal;          // why the attempt before was not accepted
  Instant started_at{};              // started: when; unknown in older journals
  // An operator's command is for one attempt and for now: until when it may begin.
  std::optional<Instant> begin_by = std::nullopt;
  bool operator==(const Submitting&) const = default;
};
struct LookingUp {
  PreparedRequest prepared;
  Submission submission;  // its attempt; the reference too, when the provider had taken it before
  std::string why;        // what happened to the answer
  // Absent must be said twice, across the time by which the provider's search may lag behind its orders
  std::optional<Instant> first_absent;
  std::optional<WithdrawWish> wish;
  Instant not_before{};  // no look-up sooner: the call whose answer was lost may still be under way there
  // The time between the looks that found nothing, as far as it really passed: of what the wall clock says no more
  // counts than the pause that was planned, which the store holds on a clock that nobody sets.
  std::optional<Instant> last_absent = std::nullopt;
  Duration pause{};   // from then until the next look
  Duration waited{};  // from the first to the last one
  bool operator==(const LookingUp&) const = default;
};
// Its provider has it, and somebody there must do something.
struct AwaitingProvider {
  PreparedRequest prepared;
  Submission submission;
  Progress progress;
  std::string provider_status;        // the provider's own word
  std::optional<Instant> gone_since;  // the reference was not found; twice an hour apart is Unresolved
  bool operator==(const AwaitingProvider&) const = default;
};
struct AwaitingApproval : AwaitingProvider {};
struct AwaitingIssuance : AwaitingProvider {};
struct Withdrawing {
  enum class Cancel {
    wanted,      // to be asked for at the provider
    accepted,    // the provider took it; its final word is still awaited
    impossible,  // the provider has no cancel or refused it: only the slow poll is left
  };
  PreparedRequest prepared;
  Submission submission;
  WithdrawWish wish;
  Cancel cancel = Cancel::wanted;
  std::string cancel_note;  // why it is impossible
  std::string provider_status;
  std::optional<Instant> gone_since;
  bool operator==(const Withdrawing&) const = default;
};
struct Retrieving {
  PreparedRequest prepared;
  Submission submission;
  std::string provider_status;
  bool late = false;        // it became ready after we had given up
  unsigned unreadable = 0;  // results in a row of which no certificate could be made
  bool operator==(const Retrieving&) const = default;
};
struct Verifying {
  PreparedRequest prepared;
  Submission submission;
  IssuedResult result;
  bool late = false;  // it came after we had given up: recorded, not installed, offered for revocation
  std::vector<std::string> accepted = {};  // findings that are accepted beyond what the order accepts
  unsigned unreadable = 0;                 // results in a row, before this one, of which no certificate could be made
  std::optional<NotYet> not_yet = std::nullopt;
  bool operator==(const Verifying&) const = default;
};
struct Installing {
  PreparedRequest prepared;
  std::string certificate;  // SHA-256 of the DER, hex: the certificate's record
  std::vector<TargetState> targets;
  std::vector<Finding> findings;
  bool operator==(const Installing&) const = default;
};
struct Unresolved {
  PreparedRequest prepared;
  Submission submission;  // the reference may be empty
  std::string why;
  std::optional<IssuedResult> result;  // what came, when it could not be read
  // Not granted yet; it counts again as soon as somebody knows what happened.
  std::optional<WithdrawWish> wish = std::nullopt;
  Instant not_before{};  // until then a call may still be under way: nobody can know that it left nothing there
  bool operator==(const Unresolved&) const = default;
};

// Not final: a person can accept what may be accepted, or have the certificate judged again once what was wrong around
// it is mended.
struct Quarantined {
  std::string certificate;
  std::vector<Finding> findings;
  // Version 3 of the store kept nothing else: a draft without a CSR says so.
  PreparedRequest prepared = {};
  Submission submission = {};
  IssuedResult result = {};
  bool late = false;
  std::vector<std::string> accepted = {};  // Verifying::accepted
  bool operator==(const Quarantined&) const = default;
};

// The finding of a request for a CRL that was signed, and is out nowhere.
inline constexpr std::string_view kCrlNotPublished = "crl-not-published";

struct Completed {
  Key key;
  std::string certificate;  // SHA-256 of the DER, hex
  bool late = false;
  std::vector<Finding> findings;          // what differs and was accepted or only reported
  std::vector<std::string> skipped = {};  // targets that a person gave up
  bool operator==(const Completed&) const = default;
};
struct Rejected {
  std::string by;  // who, as far as the provider says
  std::string reason;
  bool operator==(const Rejected&) const = default;
};
struct Expired {
  std::string what;  // "the approval window at the provider", "the request's own deadline"
  bool operator==(const Expired&) const = default;
};
struct Cancelled {
  std::string by;
  std::string reason;
  bool operator==(const Cancelled&) const = default;
};
struct Failed {
  std::string error_kind;
  std::string message;
  std::string hint;
  bool operator==(const Failed&) const = default;
};
struct Abandoned {
  std::string by;
  std::string reason;
  bool operator==(const Abandoned&) const = default;
};

// Every state once: its type, and the name by which rules speak of it. The type's name is its word in the journal. The
// final ones come last, and those in which the request's own deadline counts come first.
#define HSMBRIDGE_STATES(row)                                                                           \
  row(Preparing, preparing) row(Prepared, prepared) row(AwaitingLocalApproval, awaiting_local_approval) \
      row(AwaitingCommand, awaiting_command) row(Submitting, submitting) row(LookingUp, looking_up)     \
          row(AwaitingApproval, awaiting_approval) row(AwaitingIssuance, awaiting_issuance)             \
              row(Withdrawing, withdrawing) row(Retrieving, retrieving) row(Verifying, verifying)       \
                  row(Installing, installing) row(Unresolved, unresolved) row(Quarantined, quarantined) \
                      row(Completed, completed) row(Rejected, rejected) row(Expired, expired)           \
                          row(Cancelled, cancelled) row(Failed, failed) row(Abandoned, abandoned)

using State = VariantOfList<void HSMBRIDGE_STATES(HSMBRIDGE_ALTERNATIVE)>::type;
enum class StateName { HSMBRIDGE_STATES(HSMBRIDGE_NAME) };
inline constexpr std::size_t kStateCount = std::variant_size_v<State>;

inline StateName name_of(const State& state) {
  return static_cast<StateName>(state.index());
}
// "AwaitingApproval"
std::string_view to_string(StateName name);
std::optional<StateName> state_name_from(std::string_view word);
constexpr bool is_final(StateName name) {
  return name >= StateName::completed;
}
// Whether the request's own deadline ends it there.
constexpr bool heeds_deadline(StateName name) {
  return name <= StateName::awaiting_issuance;
}

// Parts that several states hold; null when this state has none.
const Key* key_of(const State& state);
const Draft* draft_of(const State& state);
const PreparedRequest* prepared_of(const State& state);
const Submission* submission_of(const State& state);
const Progress* progress_of(const State& state);

}  // namespace hsmbridge::workflow
