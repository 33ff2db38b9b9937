#pragma once

#include "base/clock.h"
#include "workflow/machine/decide.h"
#include "workflow/machine/record.h"
#include "workflow/ports/records.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::workflow {

// One step of one request, committed whole or not at all: event, audit leaf, new state, effects. The effects of the
// decision replace all of the request, except that a wanted one of equal identity whose lease holds, and that is not
// the finished one, stays as it is. With AttemptStarted the timer answer_overdue is leased until the call's hard
// deadline by the store's LeaseClock, so that a wall clock set forward cannot declare a call lost that is still being made; a
// look-up that waits for the settle time is leased the same way.
struct Step {
  RequestId request;
  std::uint64_t expected_sequence = 0;
  Event event;
  Decision decision;
  std::optional<std::int64_t> finished_effect;  // the claim this answers; removed in the same commit
  std::optional<std::string> lease_of;          // the commit fails unless this worker still holds the claim
  std::optional<CertificateRecord> certificate;
  std::optional<KeyRecord> key;
};

// An answer that its request does not take any more (it is over, or goes by another key), kept all the same: it names
// something at the provider, is what the provider gives once, or tells of a key that is in the token now.
struct LateAnswer {
  RequestId request;
  Event event;
  std::string why;  // it was not taken
};

// A request as lists show it.
struct RequestLine {
  RequestId id;
  Kind kind = Kind::enroll;
  StateName state = StateName::preparing;
  std::string names;  // names_of its order
  std::string provider, profile;
  std::string token, key;   // whose key it uses: its label, before that is known what the order calls it; "" for none
  std::string predecessor;  // the certificate that it renews or revokes, SHA-256, hex; "" for none
  Instant created_at{}, changed_at{};

  bool operator==(const RequestLine&) const = default;
};
RequestLine line_of(const Record& record);

// Which requests a list shows; every condition that is set must hold.
struct RequestQuery {
  std::vector<StateName> states;  // one of these; empty: any
  bool open_only = false;
  std::optional<std::string> provider, profile;
  std::optional<std::string> name;  // one of its search_names
  std::optional<Instant> since;     // created then or later
  std::optional<RequestId> after;   // those that a list shows after this one, which the store must know
  unsigned most = 1000;
};

enum class StepResult {
  committed,
  stale,       // another event came first: read again, decide again
  lease_lost,  // lease_of was given and does not hold any more
};

// Requests and their journals. Rules of all ports: store.h.
class Requests {
 public:
  virtual ~Requests() = default;

  // Throws conflict with the detail "request" when an open request does the same work (work_of), or is for the same CSR
  // at the same provider: two processes that are told the same thing at the same moment must not order twice. Conflict
  // with the detail "status" when the certificate that the order is about is not any more what the order says (another
  // process was quicker).
  virtual void create(const Order& order, const std::vector<Event>& events, const Decision& begin) = 0;
  // All in one commit, each judged for itself, in their order: one that is stale leaves the others alone.
  virtual std::vector<StepResult> commit(const std::vector<Step>& steps) = 0;

  virtual std::optional<Record> find(const RequestId& id) = 0;
  // The open request that does this work, if any.
  virtual std::optional<RequestId> open_request_for(const std::string& work) = 0;
  // An open request at that provider for a CSR that was brought (KeyWish::Source::brought), whatever is to become of it
  // there. Nothing for any other wish.
  virtual std::optional<RequestId> open_request_for_csr(const std::string& provider, const KeyWish& key) = 0;
  // Ids that begin with `prefix`, the last first, which is the newest: they begin with their time. At most `most`.
  virtual std::vector<RequestId> by_prefix(const std::string& prefix, unsigned most) = 0;
  struct ListQuery {
    std::optional<StateName> state;
    bool open_only = false;
    unsigned most = 1000;
    // Those for the key of this public key; empty: for one that is not known yet. With open_only.
    std::optional<SpkiHash> spki = std::nullopt;
    // Those whose key is, or was to be made, under this id of that token.
    std::optional<std::string> token = std::nullopt, cka_id = std::nullopt;
  };
  // Newest first. By a state alone this reads whole records that lists do not need: page().
  virtual std::vector<Record> list(const ListQuery& query) = 0;
  // How many are not over, by state; `most` of them are counted, one state after the other.
  virtual std::map<StateName, std::uint64_t> open_by_state(unsigned most) = 0;
  // Newest first, at most `most`: the cost is that of what it gives, however many requests there are. A damaged row is
  // logged and left out. Throws not_found for an `after` that is not in the store.
  virtual std::vector<RequestLine> page(const RequestQuery& query) = 0;
  // How many there are, counted up to `most`.
  virtual std::size_t count(const RequestQuery& query) = 0;
  virtual std::vector<JournalEntry> history(const RequestId& id) = 0;
  // Those that the provider knows, or knew at some time, by this reference, without regard to the case of letters.
  // Newest first.
  virtual std::vector<Record> by_reference(const std::string& provider, const ProviderReference& reference) = 0;
  // The renewals and revocations of this certificate, newest first.
  virtual std::vector<Record> requests_about(const std::string& fingerprint) = 0;
  // Durable, with an audit leaf and the key's record; once, however often the same answer is brought.
  virtual void keep_late_answer(const LateAnswer& answer, const std::optional<KeyRecord>& key) = 0;
  // In the order in which they came.
  virtual std::vector<LateAnswer> late_answers(const RequestId& id) = 0;
};

}  // namespace hsmbridge::workflow
