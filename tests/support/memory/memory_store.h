#pragma once

#include "workflow/ports/store.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::test {

// A workflow::Store without a file: what is promised of every store, and no more. It runs the same tests as the one in
// SQLite (tests/workflow/store/promises), and stands in where a test needs a store and nothing of a database.
// Thread rule: one object a thread; those that share their content may be used at the same time.
class MemoryStore final : public workflow::Store {
 public:
  explicit MemoryStore(const Clock& clock);
  ~MemoryStore() override;
  // Another process at the same store.
  std::unique_ptr<MemoryStore> another() const;

  // A record as some request before brought it, whatever it says.
  void put(const workflow::CertificateRecord& certificate, const std::string& profile = "server");
  // How many transactions of this object wrote anything.
  std::uint64_t commits() const { return written_; }
  // The store was taken back to an older copy.
  void restore(std::string why);

  void create(const workflow::Order& order, const std::vector<workflow::Event>& events,
              const workflow::Decision& begin) override;
  std::vector<workflow::StepResult> commit(const std::vector<workflow::Step>& steps) override;
  std::optional<workflow::Record> find(const RequestId& id) override;
  std::optional<RequestId> open_request_for(const std::string& work) override;
  std::optional<RequestId> open_request_for_csr(const std::string& provider, const workflow::KeyWish& key) override;
  std::vector<RequestId> by_prefix(const std::string& prefix, unsigned most) override;
  std::vector<workflow::Record> list(const ListQuery& query) override;
  std::map<workflow::StateName, std::uint64_t> open_by_state(unsigned most) override;
  std::vector<workflow::RequestLine> page(const workflow::RequestQuery& query) override;
  std::size_t count(const workflow::RequestQuery& query) override;
  std::vector<workflow::JournalEntry> history(const RequestId& id) override;
  std::vector<workflow::Record> by_reference(const std::string& provider, const ProviderReference& reference) override;
  std::vector<workflow::Record> requests_about(const std::string& fingerprint) override;
  void keep_late_answer(const workflow::LateAnswer& answer, const std::optional<workflow::KeyRecord>& key) override;
  std::vector<workflow::LateAnswer> late_answers(const RequestId& id) override;

  std::vector<workflow::Claim> claim(const workflow::ClaimQuery& query, Instant now) override;
  const workflow::LeaseClock& lease_clock() const override;
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

  using Records::certificates;
  using Records::keys;
  std::optional<workflow::CertificateRecord> certificate(const std::string& fingerprint) override;
  std::vector<workflow::CertificateRecord> certificates(const workflow::CertificateQuery& query) override;
  std::vector<workflow::CertificateLine> page(const workflow::CertificateListQuery& query) override;
  std::size_t count(const workflow::CertificateListQuery& query) override;
  std::vector<std::string> past_their_end(Instant now) override;
  std::vector<workflow::CertificateRecord> not_past_their_end(Instant now) override;
  bool replaced_at(const std::string& fingerprint, const std::string& target) override;
  bool is_issuer(const std::string& fingerprint) override;
  Instant latest_known() override;
  std::vector<workflow::KeyRecord> keys(const workflow::KeyQuery& query) override;
  bool has_certificate(const SpkiHash& spki) override;
  std::vector<workflow::KeyRecord> replaced_keys(const std::string& profile, Instant replaced_by,
                                                 workflow::KeyPlace& after, std::size_t most) override;
  std::size_t change_records(const std::vector<workflow::StatusChange>& changes, const std::string& actor,
                             Instant at) override;
  void note_installed(const std::string& fingerprint, const workflow::InstallTarget& target, const std::string& actor,
                      Instant at) override;
  void record_key(const workflow::KeyRecord& key, const std::string& kind, const std::string& json,
                  const std::string& actor, Instant at) override;

  void append_leaves(std::span<const std::string> leaves) override;
  audit::TreeHead tree_head() override;
  std::vector<workflow::Leaf> leaves(std::uint64_t from, std::uint64_t most) override;
  workflow::AuditReport verify_audit(workflow::AuditDepth depth) override;

  bool take_serial(const workflow::TakenSerial& serial) override;
  bool is_taken(const std::string& issuer, const std::string& serial) override;
  std::optional<std::string> taken_for(const std::string& issuer, const std::string& serial) override;
  std::uint64_t serials_taken(const std::string& issuer) override;
  std::optional<ca::OtherThanAuthority> other_than_authority(const std::string& issuer, Instant ends_after) override;
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
  workflow::TakenOver take_over(const workflow::Takeover& takeover, const std::string& kind, const Json& fact,
                                const std::string& actor, Instant at) override;
  std::optional<workflow::CertifiedElsewhere> certified_elsewhere(const std::string& issuer,
                                                                  const std::string& serial) override;
  std::optional<Instant> end_of_certificate(const std::string& issuer, const std::string& serial) override;
  std::optional<std::string> suspended(const std::string& issuer) override;
  std::optional<Instant> take_permission(const std::string& provider, unsigned per_minute, Instant now) override;
  void settle_permissions(const std::string& provider, unsigned per_minute, int more, Instant now) override;

  std::optional<workflow::PinRefusal> pin_refused(const workflow::PinSubject& subject) override;
  void record_pin(const workflow::PinRefusal& refusal) override;
  bool clear_pin(const workflow::PinSubject& subject, const std::string& actor, Instant at) override;

  std::optional<std::string> restored() override;
  bool accept_restored(const std::string& actor, Instant at) override;

 private:
  struct Content;
  struct Shared;
  class Transaction;
  explicit MemoryStore(std::shared_ptr<Shared> shared);
  template <class Work>
  auto read(Work&& work);
  // `counts`: whether what it gives says that anything was written.
  struct Always {
    template <class Result>
    bool operator()(const Result&) const {
      return true;
    }
  };
  template <class Work, class Counts = Always>
  auto write(Work&& work, Counts&& counts = {});

  const std::shared_ptr<Shared> shared_;
  std::uint64_t written_ = 0;  // by this object
  std::uint64_t seen_ = 0;     // of others
};

}  // namespace hsmbridge::test
