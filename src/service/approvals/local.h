#pragma once

#include "base/clock.h"
#include "config/settings.h"
#include "service/actor.h"
#include "service/approvals/approvals.h"
#include "service/bridge.h"
#include "workflow/machine/record.h"
#include "workflow/ports/key_ring.h"
#include "workflow/ports/key_use.h"
#include "workflow/ports/store.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Approvals at this bridge: a person's own key signs the decision, here or on a machine without a store or a network.
//
//   waiting_here, waiting_for   what is asked, from the store
//   export_of, question_in      the same as a file: what the file says is decoded and hashed anew by whoever reads it
//   view_of                     what a person is shown: decoded from the very bytes, compared with what was requested
//   signed_vote                 the decision, signed by the person's key; needs the question and the key, no store
//   take_vote                   judges a signed vote and writes it down with the request
//
// Whether there are enough votes is the machine's question (workflow/machine/local_approval.h), and is asked again before
// anything is submitted (service/effects/approved.h).
namespace hsmbridge::service {

// A frozen draft that waits for approvals.
struct LocalQuestion {
  workflow::Order order;  // with approval terms, but for shown_draft
  workflow::PreparedRequest prepared;
  // By the configuration of this bridge; empty where it was read from a file.
  std::vector<std::string> requesters = {};  // of the people, as their accounts are now
  std::string outdated = {};                 // why no vote can be taken any more: the request ends with the next one
  std::string undecidable = {};              // why this configuration cannot tell who may decide
};

// Who decides: the person of that name; without one the only one with a key here, else the one whose account this is.
// Throws not_found, ambiguous.
const config::PersonSettings& person_deciding(const config::Settings& settings, const std::optional<std::string>& name,
                                              const Actor& actor);

// What waits for a word of this person, newest first: nothing that the person asked for or has decided about.
std::vector<workflow::ApprovalTask> waiting_for(const Bridge& bridge, workflow::Requests& store,
                                                const std::string& person);
// The request whose id begins like that, where it waits for approvals here; nothing where there is none that wants any.
// Throws ambiguous, conflict for one that does not wait for them now.
std::optional<LocalQuestion> waiting_here(Bridge& bridge, workflow::Requests& store, const std::string& typed);

// As a file: JSON (hsmbridge.approval-export/2) with the order, the octets of the draft and the votes that are there.
std::string export_of(const LocalQuestion& question);
// Throws invalid_input for what is not such a file.
LocalQuestion question_in(std::string_view text);

// What a draft says, decoded from its bytes, for whoever commands it (`request command`); no approval need be wanted.
struct ShownDraft {
  std::string title, sha256;  // in one line; hex
  std::string summary;        // with what linters and the provider say of it
  std::string order;          // what the order says beside it
  std::string text;
  std::vector<std::string> deviations, objections;
};
ShownDraft shown_draft(const LocalQuestion& question, Instant now);

// What the person is shown, and what speaks against approving it. `asked_sha256`: hex, as a person typed it.
ApprovalView view_of(const LocalQuestion& question, const std::string& person,
                     const std::optional<std::string>& asked_sha256, Instant now);

// The same for who decides now: of an outdated question either decision, once it is signed, ends the request (take_vote).
ApprovalView view_to_decide(const LocalQuestion& question, const std::string& person,
                            const std::optional<std::string>& asked_sha256, Instant now);

enum class Verdict { approve, reject };
// Throws refused naming every objection; a rejection is refused only where the person may not decide.
void expect_decidable(const ApprovalView& view, Verdict verdict);
// A vote as approval::to_text gives it. Throws refused for a key that is not the person's in the policy, invalid_input
// for a person without a key here, and what finding the key and signing throw.
std::string signed_vote(const LocalQuestion& question, const config::PersonSettings& person, workflow::KeyRing& ring,
                        Verdict verdict, const std::string& reason, const workflow::RecordFact& record, Instant now);
// Gives the request as it is then. Throws refused, with a leaf in the log, for a vote that does not count, and where the
// profile wants other approvals now, which ends the request.
workflow::Record take_vote(const Actor& actor, Bridge& bridge, workflow::Store& store, const std::string& text);
// How far it has come, for who has just decided: "group ops: 1 of 2 approvals given", or the state that it is in now.
std::string standing_text(const workflow::Record& record, Instant now);
// What signed_vote and take_vote would refuse, before the person is asked: as expect_decidable, and for somebody whose
// account is another person's. Throws refused, with a leaf in the log. Nothing else is written: an outdated question ends
// its request with a vote that is signed.
void expect_may_decide(const Actor& actor, Bridge& bridge, workflow::Store& store, const config::PersonSettings& person,
                       const LocalQuestion& question, const ApprovalView& view, Verdict verdict);

}  // namespace hsmbridge::service
