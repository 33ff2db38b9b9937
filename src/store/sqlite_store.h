#pragma once

#include "base/clock.h"
#include "store/database.h"
#include "store/schema.h"
#include "store/store_file.h"
#include "workflow/ports/store.h"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hsmbridge::store {

// CLOCK_BOOTTIME: one boot of one machine; what another boot leased is void (effects.lease_boot).
class BootClock final : public workflow::LeaseClock {
 public:
  explicit BootClock(const Clock& clock) : clock_(clock) {}
  Duration now() const override { return clock_.since_boot(); }

 private:
  const Clock& clock_;
};

struct OpenOptions {
  Missing missing = Missing::create;
  Access access = Access::read_write;        // read_only: nothing is made, and every function that writes throws denied
  Duration wait = std::chrono::seconds{10};  // for another process's transaction, then `unavailable`
  // Of the file's pages kept in memory, KiB; nothing: SQLite's 2,000.
  std::optional<unsigned> page_cache = {};
  std::string boot_id;  // "": the running kernel's; tests give another to play a reboot
};

// workflow::Store in one SQLite file in WAL mode with synchronous=FULL (https://sqlite.org/wal.html). Every function is
// one transaction; writing ones are BEGIN IMMEDIATE. Every event and every fact brings its leaf of the audit log along.
// Thread rule: one object a thread; any number of processes may share the file on one machine (not over a network file
// system: WAL needs shared memory).
class SqliteStore final : public workflow::Store {
 public:
  // Opens the store, and makes it when it is missing: the file with mode 0600, its folder with 0700. `clock` must
  // outlive it. Throws conflict for a store of a newer version (nothing is changed), invalid_input for a file that is
  // none, not_found, denied, unavailable, corrupt.
  static std::unique_ptr<SqliteStore> open(const std::filesystem::path& file, const Clock& clock,
                                           const OpenOptions& options = {});
  ~SqliteStore() override;

  // Requests: requests.cpp
  void create(const workflow::Order& order, const std::vector<workflow::Event>& events,
              const workflow::Decision& begin) override;
  std::vector<workflow::StepResult> commit(const std::vector<workflow::Step>& steps) override;
  std::optional<workflow::Record> find(const RequestId& id) override;
  std::optional<RequestId> open_request_for(const std::string& work) override;
  std::optional<RequestId> open_request_for_csr(const std::string& provider, const workflow::KeyWish& key) override;
  std::vector<RequestId> by_prefix(const std::string& prefix, unsigned most) override;
  std::vector<workflow::Record> list(const ListQuery& query) override;
  std::map<workflow::StateName, std::uint64_t> open_by_state(unsigned most) override;
  std::vector<workflow::RequestLine> page(const workflow::RequestQuery& query) override;  // listing.cpp
  std::size_t count(const workflow::RequestQuery& query) override;
  std::vector<workflow::JournalEntry> history(const RequestId& id) override;
  std::vector<workflow::Record> by_reference(const std::string& provider, const ProviderReference& reference) override;
  std::vector<workflow::Record> requests_about(const std::string& fingerprint) override;
  void keep_late_answer(const workflow::LateAnswer& answer, const std::optional<workflow::KeyRecord>& key) override;
  std::vector<workflow::LateAnswer> late_answers(const RequestId& id) override;

  // Outbox: outbox.cpp, aside.cpp
  std::vector<workflow::Claim> claim(const workflow::ClaimQuery& query, Instant now) override;
  const workflow::LeaseClock& lease_clock() const override { return lease_clock_; }
  std::map<std::string, workflow::LaneFacts> lanes() override;
  void lane_works(const std::string& lane) override;
  Duration follow_clock(Instant now) override;
  std::size_t spread_polls(const std::string& lane, Instant began,
                           const std::function<Duration(const RequestId& request, Duration late)>& place,
                           std::size_t most) override;
  std::optional<Instant> next_due(const workflow::ClaimQuery& query) override;
  bool wait_for_change(workflow::Wakeup& wakeup, Duration longest) override;
  std::size_t end_leases(const std::function<bool(const std::string& worker)>& gone) override;
  std::vector<workflow::Effect> effects(const RequestId& id) override;
  std::vector<workflow::EffectStatus> effect_status(const RequestId& id) override;
  std::string keep_aside(const workflow::KeptAnswer& answer) override;
  std::vector<workflow::KeptAnswer> kept_aside() override;
  void forget_aside(const std::string& name) override;
  bool may_be_kept(const RequestId& request) override;

  // Records: records.cpp
  using Records::certificates;
  using Records::keys;
  std::optional<workflow::CertificateRecord> certificate(const std::string& fingerprint) override;
  std::vector<workflow::CertificateRecord> certificates(const workflow::CertificateQuery& query) override;
  std::vector<workflow::CertificateLine> page(const workflow::CertificateListQuery& query) override;  // listing.cpp
  std::size_t count(const workflow::CertificateListQuery& query) override;
  std::vector<std::string> past_their_end(Instant now) override;
  std::vector<workflow::CertificateRecord> not_past_their_end(Instant now) override;
  bool replaced_at(const std::string& fingerprint, const std::string& target) override;
  std::vector<workflow::KeyRecord> keys(const workflow::KeyQuery& query) override;
  bool is_issuer(const std::string& fingerprint) override;
  Instant latest_known() override;
  bool has_certificate(const SpkiHash& spki) override;
  std::vector<workflow::KeyRecord> replaced_keys(const std::string& profile, Instant replaced_by,
                                                 workflow::KeyPlace& after, std::size_t most) override;
  std::size_t change_records(const std::vector<workflow::StatusChange>& changes, const std::string& actor,
                             Instant at) override;
  void note_installed(const std::string& fingerprint, const workflow::InstallTarget& target, const std::string& actor,
                      Instant at) override;
  void record_key(const workflow::KeyRecord& key, const std::string& kind, const std::string& json,
                  const std::string& actor, Instant at) override;

  // AuditLog: audit_log.cpp
  void append_leaves(std::span<const std::string> leaves) override;
  audit::TreeHead tree_head() override;
  std::vector<workflow::Leaf> leaves(std::uint64_t from, std::uint64_t most) override;
  workflow::AuditReport verify_audit(workflow::AuditDepth depth) override;

  // RateLimits: rate_limits.cpp
  std::optional<Instant> take_permission(const std::string& provider, unsigned per_minute, Instant now) override;
  void settle_permissions(const std::string& provider, unsigned per_minute, int more, Instant now) override;

  // SerialNumbers: serial_numbers.cpp
  bool take_serial(const workflow::TakenSerial& serial) override;
  bool is_taken(const std::string& issuer, const std::string& serial) override;
  std::optional<std::string> taken_for(const std::string& issuer, const std::string& serial) override;
  std::uint64_t serials_taken(const std::string& issuer) override;
  std::optional<ca::OtherThanAuthority> other_than_authority(const std::string& issuer, Instant ends_after) override;

  // Revocations: revocations.cpp
  bool revoke(const workflow::RevokedSerial& revoked) override;
  std::optional<workflow::RevokedSerial> revocation(const std::string& issuer, const std::string& serial) override;
  std::vector<workflow::RevokedSerial> revocations(const std::string& issuer, const std::string& distribution_point,
                                                   Instant ends_after) override;
  std::size_t count_revocations(const std::string& issuer, const std::string& distribution_point,
                                Instant ends_after) override;
  std::vector<std::string> distribution_points(const std::string& issuer, Instant ends_after) override;
  std::optional<std::uint64_t> take_crl_number(const std::string& issuer, std::uint64_t published, Instant at) override;
  bool is_crl_number_taken(const std::string& issuer, std::uint64_t number) override;
  void crl_published(const std::string& issuer, const workflow::PublishedCrl& crl) override;
  std::optional<workflow::PublishedCrl> last_crl(const std::string& issuer,
                                                 const std::string& distribution_point) override;
  std::optional<workflow::PublishedCrl> published_crl(const std::string& issuer, std::uint64_t number) override;
  void crl_put(const std::string& issuer, const std::string& url, std::uint64_t number) override;
  std::uint64_t number_put(const std::string& issuer, const std::string& url) override;

  // Takeovers: serial_numbers.cpp
  workflow::TakenOver take_over(const workflow::Takeover& takeover, const std::string& kind, const Json& fact,
                                const std::string& actor, Instant at) override;
  std::optional<workflow::CertifiedElsewhere> certified_elsewhere(const std::string& issuer,
                                                                  const std::string& serial) override;
  std::optional<Instant> end_of_certificate(const std::string& issuer, const std::string& serial) override;
  std::optional<std::string> suspended(const std::string& issuer) override;

  // PinMemory: pin_memory.cpp
  std::optional<workflow::PinRefusal> pin_refused(const workflow::PinSubject& subject) override;
  void record_pin(const workflow::PinRefusal& refusal) override;
  bool clear_pin(const workflow::PinSubject& subject, const std::string& actor, Instant at) override;

  // restored.cpp
  std::optional<std::string> restored() override;
  bool accept_restored(const std::string& actor, Instant at) override;

  // The look itself: what makes it an older copy, now.
  std::optional<std::string> older_than_its_mark();
  // A whole copy of the store, next to which it goes on; backup.h.
  void back_up(const std::filesystem::path& copy);
  // How many writing transactions this object committed.
  std::uint64_t commits() const { return database_->commits(); }

 private:
  SqliteStore(std::filesystem::path file, std::unique_ptr<Database> database, const Clock& clock, OpenOptions options);

  // aside.cpp
  std::vector<std::string> names_aside() const;

  // requests.cpp
  void append_event(const RequestId& request, std::uint64_t sequence, const workflow::Event& event,
                    workflow::StateName after);
  workflow::StepResult apply(const workflow::Step& step);
  // Throws conflict when another open request does the work of this one, which is over. `work` is what was stored when
  // it was made: another program may have written the order in other words.
  void refuse_second(const RequestId& request, const std::string& work);
  void refuse_second_csr(const workflow::Order& order);
  // outbox.cpp
  bool holds_lease(std::int64_t effect_id, const RequestId& request, const std::string& worker);
  void add_effect(const RequestId& request, const workflow::Effect& effect, const workflow::Order& order);
  void replace_effects(const workflow::Step& step, const workflow::Order& order);
  void lease_until_due(const workflow::Step& step);
  void end_runs_of(const std::string& worker);
  void settle_anew(const std::string& lane);
  void end_overdue_runs(const std::string& lane, const std::string& worker, Instant now);
  void note_death(const std::string& lane);
  void claim_lane(const std::string& lane, unsigned places, const workflow::ClaimQuery& query, Instant now,
                  std::vector<workflow::Claim>& claims);
  bool anything_due(const workflow::ClaimQuery& query, Instant now);
  // records.cpp
  void put(const workflow::CertificateRecord& certificate, const workflow::Order& order);
  void put(const workflow::KeyRecord& key);
  Instant end_of(const std::string& fingerprint);
  std::vector<workflow::CertificateRecord> of_profile_and_status(const workflow::CertificateQuery& query);
  // Who changes records, when, and for which request ("" for none).
  struct Cause {
    const std::string& actor;
    Instant at{};
    std::string request;
  };
  void expect_unchanged(const workflow::Predecessor& predecessor);
  bool was_replaced(const std::string& fingerprint);
  bool would_change(const workflow::StatusChange& change);
  std::size_t change_record(const workflow::StatusChange& change, const Cause& cause);
  void put_compromised(const SpkiHash& spki, const Cause& cause);
  std::size_t change_certificate(const workflow::StatusChange& change, const Cause& cause);
  std::size_t change_keys(const workflow::StatusChange& change, const Cause& cause);
  void set_installed(const std::string& fingerprint, const std::vector<std::string>& targets);
  void add_installed(const std::string& fingerprint, const workflow::InstallTarget& target);
  void follow(const workflow::Step& step, const workflow::Order& order);
  void follow(const workflow::RevokedSerial& revoked, const Cause& cause);
  // serial_numbers.cpp
  bool put(const workflow::Takeover& takeover, const workflow::CertifiedElsewhere& certificate, Instant at);
  bool learn(const std::string& issuer, const workflow::CertifiedElsewhere& certificate, const Cause& cause);
  void name_distribution_point(const workflow::TakenSerial& serial);
  std::uint64_t highest_crl_number(const std::string& issuer);
  void insert_crl(const std::string& issuer, const workflow::PublishedCrl& crl, Instant at);
  bool put_crl(const workflow::Takeover& takeover, const workflow::PublishedCrl& crl, Instant at);
  bool put_last_crl(const workflow::Takeover& takeover, Instant at);
  void skip_crl_numbers(const workflow::Takeover& takeover, Instant at);
  bool put(const workflow::RevokedSerial& revoked);  // revocations.cpp
  // restored.cpp
  bool resume(const std::string& issuer, Instant at);
  void look_at_mark();
  // pin_memory.cpp
  std::vector<workflow::PinRefusal> pins_of(const workflow::PinSubject& subject);
  // audit_log.cpp
  void write_leaves(std::span<const std::string> leaves);
  void append_leaf(const std::string& data) { write_leaves({&data, 1}); }

  const std::filesystem::path file_;
  std::unique_ptr<Database> database_;
  const Clock& clock_;
  const BootClock lease_clock_{clock_};
  const Access access_;
  const std::string boot_id_;
  std::int64_t seen_version_ = 0;  // PRAGMA data_version, as last seen
};

}  // namespace hsmbridge::store
