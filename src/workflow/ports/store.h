#pragma once

#include "base/clock.h"
#include "workflow/machine/decide.h"
#include "workflow/machine/record.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::workflow {

// A due effect, taken by one worker until its lease ends.
struct Claim {
  std::int64_t effect_id = 0;
  Record record;
  Effect effect;
  unsigned failures = 0;  // in a row: runs that said why they brought nothing
  // Runs that ended without an outcome since the last one that went well: the worker died or was stopped, or its lease
  // ended. No failures: nobody knows what they would have said.
  unsigned crashes = 0;
  Duration lease_until{};  // Clock::since_boot; whoever works past it may not be alone
  // Clock::since_boot, set by the engine for a once-only call: its hard deadline, journalled with the intent. Past it
  // the call is not begun.
  std::optional<Duration> call_until = std::nullopt;
};

// A claim given back without an event.
struct GiveBack {
  std::int64_t effect_id = 0;
  Instant due{};  // it is due again then; none: when it was, by a clock that may have been set since it was claimed
  // "": the run went well and brought nothing new, both counts start at zero. Words: why it failed. Nothing: it was not
  // run.
  std::optional<std::string> trouble;
  // The words are about the lane: they are shown, and not counted against the request.
  enum class Counts { yes, no };
  Counts counts = Counts::yes;
};

// What is known of a lane in every process.
struct LaneFacts {
  unsigned deaths = 0;          // workers that died with a call of this lane in hand since one last came through
  Instant died_at{};            // the last of them
  std::uint64_t came_back = 0;  // grows when somebody saw it work again: whoever left it alone tries it
};

struct ClaimQuery {
  std::string worker;                     // "HOST/PID/random": who holds the lease
  std::map<std::string, unsigned> lanes;  // free places a lane; only these are claimed
  Duration lease{};
  std::vector<RequestId> only;      // `request wait`: these requests alone; empty: all
  std::vector<GiveBack> give_back;  // done in the transaction that claims, so that a quiet poll costs no other
  std::map<std::string, Duration> leases = {};  // lane -> its own lease: the calls of a slow token last longer
  Duration lease_in(const std::string& lane) const {
    const auto own = leases.find(lane);
    return own == leases.end() ? lease : own->second;
  }
};

// An effect that waits, for `explain`.
struct EffectStatus {
  Effect effect;
  bool running = false;   // some worker holds its lease
  unsigned failures = 0;  // as in Claim
  unsigned crashes = 0;   // as in Claim
  std::string trouble;    // of the last run, "" when it went well
};

// The certificate that a Verified or VerificationFailed event brings into the records.
struct CertificateRecord {
  std::string fingerprint;  // SHA-256 of the DER, hex
  Bytes der;
  std::vector<Bytes> chain;
  RequestId request;
  SpkiHash spki;
  std::string subject, issuer, serial;  // for lists
  Instant not_before{}, not_after{};
  std::string status;  // a word of lifecycle.h's `status`
  Instant stored_at{};
  // What its provider knows it by, for renewing and revoking it: of the submission that brought it.
  ProviderReference reference{};         // empty when unknown
  std::string provider_state{};          // "" for none
  std::string predecessor{};             // the certificate that it renews, SHA-256, hex; "" for none
  std::vector<std::string> installed{};  // names of the targets where it was put; written by the store alone
};

// Which certificates; every condition that is set must hold.
struct CertificateQuery {
  std::string prefix;                  // of the fingerprint
  std::vector<std::string> statuses;   // one of these; empty: any
  std::optional<std::string> profile;  // with one status only
  std::optional<RequestId> request;
  std::optional<SpkiHash> spki;
  std::optional<Instant> ends_by;  // its end is then or before
  // At most this part of its life is left at `now`.
  struct LifeLeft {
    unsigned percent = 0;
    Instant now{};
  };
  std::optional<LifeLeft> life_left;  // with one status and a profile only
  bool without_request = false;       // no open request is about it; with one status and a profile only
  unsigned most = 1'000'000;
};

struct KeyRecord {
  std::string token, label, cka_id, spec;
  SpkiHash spki;       // empty while planned
  std::string status;  // a word of lifecycle.h's `status`
  Instant changed_at{};
};

// Which keys; every condition that is set must hold.
struct KeyQuery {
  std::optional<SpkiHash> spki;
  std::optional<std::string> token, label;
  std::optional<std::string> cka_id = std::nullopt;  // with its token only
};

// One step of one request, committed whole or not at all: event, audit leaf, new state, effects. The effects of the
// decision replace all of the request, except that a wanted one of equal identity whose lease holds, and that is not
// the finished one, stays as it is. With AttemptStarted the timer answer_overdue is leased until the call's hard
// deadline on CLOCK_BOOTTIME, so that a wall clock set forward cannot declare a call lost that is still being made; a
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

// An answer that could not be stored while somebody held the store: a file of its own next to it, until a process that
// works on the store has stored it.
struct KeptAnswer {
  std::string name;  // of the file; given by the store
  std::int64_t effect_id = 0;
  Effect effect;
  RequestId request;
  Event event;
  std::optional<KeyRecord> key;
};

enum class StepResult {
  committed,
  stale,       // another event came first: read again, decide again
  lease_lost,  // lease_of was given and does not hold any more
};

// The durable memory. Every function is one transaction. Throws unavailable (disk full, locked too long), corrupt.
// Thread rule: one Store object a thread; several processes may share the file.
class Store {
 public:
  virtual ~Store() = default;

  // Throws conflict with the detail "request" when an open request does the same work (work_of): two processes that are
  // told the same thing at the same moment must not order twice. Conflict with the detail "status" when the certificate
  // that the order is about is not any more what the order says (another process was quicker).
  virtual void create(const Order& order, const std::vector<Event>& events, const Decision& begin) = 0;
  // All in one commit, each judged for itself, in their order: one that is stale leaves the others alone.
  virtual std::vector<StepResult> commit(const std::vector<Step>& steps) = 0;

  // Takes due effects, oldest first, at most the free places of each lane (the lane "timer:NAME" holds the timers of
  // the requests of provider NAME). Writes nothing when nothing is due and nothing is given back.
  virtual std::vector<Claim> claim(const ClaimQuery& query, Instant now) = 0;
  // Lanes with something to know.
  virtual std::map<std::string, LaneFacts> lanes() = 0;
  // A call of the lane came through after deaths or a pause: no deaths any more, and the others are told.
  virtual void lane_works(const std::string& lane) = 0;
  // Steps that were planned by a clock that was ahead of `now` keep their pause and lose the error; those that wait for
  // a moment that somebody named (a deadline, the age of a draft) keep that. Gives how far ahead the clock was.
  virtual Duration follow_clock(Instant now) = 0;
  // When the next effect of these lanes is due, or nothing.
  virtual std::optional<Instant> next_due(const ClaimQuery& query) = 0;
  // Changes whenever another connection committed something (PRAGMA data_version).
  virtual std::uint64_t change_counter() = 0;

  virtual std::optional<Record> find(const RequestId& id) = 0;
  // The open request that does this work, if any.
  virtual std::optional<RequestId> open_request_for(const std::string& work) = 0;
  // Ids that begin with `prefix`, newest first, at most `most`.
  virtual std::vector<RequestId> by_prefix(const std::string& prefix, unsigned most) = 0;
  struct ListQuery {
    std::optional<StateName> state;
    bool open_only = false;
    unsigned most = 1000;
  };
  virtual std::vector<Record> list(const ListQuery& query) = 0;
  virtual std::vector<JournalEntry> history(const RequestId& id) = 0;
  virtual std::vector<Effect> effects(const RequestId& id) = 0;
  virtual std::vector<EffectStatus> effect_status(const RequestId& id) = 0;

  // Durable, with an audit leaf and the key's record; once, however often the same answer is brought.
  virtual void keep_late_answer(const LateAnswer& answer, const std::optional<KeyRecord>& key) = 0;
  // In the order in which they came.
  virtual std::vector<LateAnswer> late_answers(const RequestId& id) = 0;

  // Without the database, which may be held or full. Durable when it returns; gives the name. Throws unavailable,
  // denied.
  virtual std::string keep_aside(const KeptAnswer& answer) = 0;
  // What is kept. A file that cannot be read is logged and left where it is.
  virtual std::vector<KeptAnswer> kept_aside() = 0;
  virtual void forget_aside(const std::string& name) = 0;

  virtual std::optional<CertificateRecord> certificate(const std::string& fingerprint) = 0;
  // A record that is damaged is logged and left out.
  virtual std::vector<CertificateRecord> certificates(const CertificateQuery& query) = 0;
  std::vector<CertificateRecord> certificates() { return certificates(CertificateQuery{}); }
  // Those of live statuses (current, superseded, late) that are past their end: SHA-256, hex.
  virtual std::vector<std::string> past_their_end(Instant now) = 0;
  // Expired ones that have not ended by `now`: the clock was wrong when they were marked.
  virtual std::vector<CertificateRecord> not_past_their_end(Instant now) = 0;
  // Whether a certificate that renews this one, or one that renews that, was put at this target.
  virtual bool replaced_at(const std::string& fingerprint, const std::string& target) = 0;
  virtual std::vector<KeyRecord> keys(const KeyQuery& query) = 0;
  std::vector<KeyRecord> keys() { return keys(KeyQuery{}); }
  // Whether any certificate is for this key.
  virtual bool has_certificate(const SpkiHash& spki) = 0;
  // The renewals and revocations of this certificate, newest first.
  virtual std::vector<Record> requests_about(const std::string& fingerprint) = 0;
  // Active keys that nothing of this profile needs any more: each has certificates, all of them are superseded, revoked
  // or expired, and one of them was replaced by a certificate for another key whose request was completed by
  // `replaced_by` (installed everywhere).
  virtual std::vector<KeyRecord> replaced_keys(const std::string& profile, Instant replaced_by) = 0;
  // What time or a person does to records, outside any request: each change that is applied is an audit leaf. Gives how
  // many records changed; writes nothing when none does. Here and in a step: what is to be current again and was
  // renewed meanwhile becomes superseded.
  virtual std::size_t change_records(const std::vector<StatusChange>& changes, const std::string& actor,
                                     Instant at) = 0;
  // A person put the certificate there, outside any request.
  virtual void note_installed(const std::string& fingerprint, const InstallTarget& target, const std::string& actor,
                              Instant at) = 0;

  // A fact outside any request (a key generated by hand, an approval signed, a configuration read): an audit leaf
  // alone.
  virtual void append_audit(const std::string& kind, const std::string& json, const std::string& actor, Instant at) = 0;

  // The same with the record of the key that the fact is about, in one commit: a key planned, made or destroyed outside
  // any request.
  virtual void record_key(const KeyRecord& key, const std::string& kind, const std::string& json,
                          const std::string& actor, Instant at) = 0;

  // A provider's rate limit holds for every process: takes one permission, or says when to come back.
  virtual std::optional<Instant> take_permission(const std::string& provider, unsigned per_minute, Instant now) = 0;
};

}  // namespace hsmbridge::workflow
