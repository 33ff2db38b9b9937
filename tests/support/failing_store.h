#pragma once

#include "base/error.h"
#include "workflow/ports/store.h"

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace hsmbridge::test {

// A store whose writing transactions fail when the test says so. Reading goes through.
class FailingStore final : public workflow::Store {
 public:
  // Asked at every writing transaction with its number, from 1.
  enum class Fate {
    works,
    fails_before,  // nothing is written
    fails_after,   // it is written, and the caller hears otherwise
  };
  using Decide = std::function<Fate(unsigned)>;
  // The database is held by somebody, and the disk is well: what is kept aside does not fail with it.
  bool keeps_aside = false;
  // Called before each commit(); what it throws is thrown by the store.
  std::function<void(const std::vector<workflow::Step>&)> before_commit;
  // Called after each commit() that went through.
  std::function<void(const std::vector<workflow::Step>&)> after_commit;

  FailingStore(std::unique_ptr<workflow::Store> store, Decide decide)
      : store_(std::move(store)), decide_(std::move(decide)) {}

  unsigned writes() const { return writes_; }

  void create(const workflow::Order& order, const std::vector<workflow::Event>& events,
              const workflow::Decision& begin) override {
    write([&] {
      store_->create(order, events, begin);
      return 0;
    });
  }
  std::vector<workflow::StepResult> commit(const std::vector<workflow::Step>& steps) override {
    return write([&] {
      if (before_commit) before_commit(steps);
      auto results = store_->commit(steps);
      if (after_commit) after_commit(steps);
      return results;
    });
  }
  std::vector<workflow::Claim> claim(const workflow::ClaimQuery& query, Instant now) override {
    return write([&] { return store_->claim(query, now); });
  }
  void keep_late_answer(const workflow::LateAnswer& answer, const std::optional<workflow::KeyRecord>& key) override {
    write([&] {
      store_->keep_late_answer(answer, key);
      return 0;
    });
  }
  void append_leaves(std::span<const std::string> leaves) override {
    write([&] {
      store_->append_leaves(leaves);
      return 0;
    });
  }
  void record_key(const workflow::KeyRecord& key, const std::string& kind, const std::string& json,
                  const std::string& actor, Instant at) override {
    write([&] {
      store_->record_key(key, kind, json, actor, at);
      return 0;
    });
  }
  bool take_serial(const workflow::TakenSerial& serial) override {
    return write([&] { return store_->take_serial(serial); });
  }
  bool is_taken(const std::string& issuer, const std::string& serial) override {
    return store_->is_taken(issuer, serial);
  }
  std::optional<std::string> taken_for(const std::string& issuer, const std::string& serial) override {
    return store_->taken_for(issuer, serial);
  }
  std::uint64_t serials_taken(const std::string& issuer) override { return store_->serials_taken(issuer); }
  std::optional<ca::OtherThanAuthority> other_than_authority(const std::string& issuer, Instant ends_after) override {
    return store_->other_than_authority(issuer, ends_after);
  }
  bool revoke(const workflow::RevokedSerial& revoked) override {
    return write([&] { return store_->revoke(revoked); });
  }
  std::optional<workflow::RevokedSerial> revocation(const std::string& issuer, const std::string& serial) override {
    return store_->revocation(issuer, serial);
  }
  std::vector<workflow::RevokedSerial> revocations(const std::string& issuer, const std::string& distribution_point,
                                                   Instant ends_after) override {
    return store_->revocations(issuer, distribution_point, ends_after);
  }
  std::size_t count_revocations(const std::string& issuer, const std::string& distribution_point,
                                Instant ends_after) override {
    return store_->count_revocations(issuer, distribution_point, ends_after);
  }
  std::vector<std::string> distribution_points(const std::string& issuer, Instant ends_after) override {
    return store_->distribution_points(issuer, ends_after);
  }
  std::optional<std::uint64_t> take_crl_number(const std::string& issuer, std::uint64_t published,
                                               Instant at) override {
    return write([&] { return store_->take_crl_number(issuer, published, at); });
  }
  bool is_crl_number_taken(const std::string& issuer, std::uint64_t number) override {
    return store_->is_crl_number_taken(issuer, number);
  }
  void crl_published(const std::string& issuer, const workflow::PublishedCrl& crl) override {
    write([&] {
      store_->crl_published(issuer, crl);
      return 0;
    });
  }
  std::optional<workflow::PublishedCrl> last_crl(const std::string& issuer,
                                                 const std::string& distribution_point) override {
    return store_->last_crl(issuer, distribution_point);
  }
  std::optional<workflow::PublishedCrl> published_crl(const std::string& issuer, std::uint64_t number) override {
    return store_->published_crl(issuer, number);
  }
  void crl_put(const std::string& issuer, const std::string& url, std::uint64_t number) override {
    write([&] {
      store_->crl_put(issuer, url, number);
      return 0;
    });
  }
  std::uint64_t number_put(const std::string& issuer, const std::string& url) override {
    return store_->number_put(issuer, url);
  }
  workflow::TakenOver take_over(const workflow::Takeover& takeover, const std::string& kind, const Json& fact,
                                const std::string& actor, Instant at) override {
    return write([&] { return store_->take_over(takeover, kind, fact, actor, at); });
  }
  std::optional<workflow::CertifiedElsewhere> certified_elsewhere(const std::string& issuer,
                                                                  const std::string& serial) override {
    return store_->certified_elsewhere(issuer, serial);
  }
  std::optional<Instant> end_of_certificate(const std::string& issuer, const std::string& serial) override {
    return store_->end_of_certificate(issuer, serial);
  }
  std::optional<std::string> suspended(const std::string& issuer) override { return store_->suspended(issuer); }
  std::optional<Instant> take_permission(const std::string& provider, unsigned per_minute, Instant now) override {
    return write([&] { return store_->take_permission(provider, per_minute, now); });
  }
  void settle_permissions(const std::string& provider, unsigned per_minute, int more, Instant now) override {
    write([&] {
      store_->settle_permissions(provider, per_minute, more, now);
      return true;
    });
  }

  std::size_t end_leases(const std::function<bool(const std::string& worker)>& gone) override {
    return store_->end_leases(gone);
  }
  audit::TreeHead tree_head() override { return store_->tree_head(); }
  std::vector<workflow::Leaf> leaves(std::uint64_t from, std::uint64_t most) override {
    return store_->leaves(from, most);
  }
  workflow::AuditReport verify_audit(workflow::AuditDepth depth) override { return store_->verify_audit(depth); }
  std::optional<workflow::PinRefusal> pin_refused(const workflow::PinSubject& subject) override {
    return store_->pin_refused(subject);
  }
  void record_pin(const workflow::PinRefusal& refusal) override {
    write([&] {
      store_->record_pin(refusal);
      return 0;
    });
  }
  bool clear_pin(const workflow::PinSubject& subject, const std::string& actor, Instant at) override {
    return write([&] { return store_->clear_pin(subject, actor, at); });
  }
  std::optional<std::string> restored() override { return store_->restored(); }
  bool accept_restored(const std::string& actor, Instant at) override {
    return write([&] { return store_->accept_restored(actor, at); });
  }

  const workflow::LeaseClock& lease_clock() const override { return store_->lease_clock(); }
  std::map<std::string, workflow::LaneFacts> lanes() override { return store_->lanes(); }
  void lane_works(const std::string& lane) override {
    write([&] {
      store_->lane_works(lane);
      return 0;
    });
  }
  Duration follow_clock(Instant now) override { return store_->follow_clock(now); }
  std::size_t spread_polls(const std::string& lane, Instant began,
                           const std::function<Duration(const RequestId&, Duration)>& place,
                           std::size_t most) override {
    return store_->spread_polls(lane, began, place, most);
  }
  std::optional<Instant> next_due(const workflow::ClaimQuery& query) override { return store_->next_due(query); }
  bool wait_for_change(workflow::Wakeup& wakeup, Duration longest) override {
    return store_->wait_for_change(wakeup, longest);
  }
  std::optional<workflow::Record> find(const RequestId& id) override { return store_->find(id); }
  std::optional<RequestId> open_request_for(const std::string& work) override { return store_->open_request_for(work); }
  std::optional<RequestId> open_request_for_csr(const std::string& provider, const workflow::KeyWish& key) override {
    return store_->open_request_for_csr(provider, key);
  }
  std::vector<RequestId> by_prefix(const std::string& prefix, unsigned most) override {
    return store_->by_prefix(prefix, most);
  }
  std::vector<workflow::Record> list(const ListQuery& query) override { return store_->list(query); }
  std::map<workflow::StateName, std::uint64_t> open_by_state(unsigned most) override {
    return store_->open_by_state(most);
  }
  std::vector<workflow::RequestLine> page(const workflow::RequestQuery& query) override { return store_->page(query); }
  std::size_t count(const workflow::RequestQuery& query) override { return store_->count(query); }
  std::vector<workflow::CertificateLine> page(const workflow::CertificateListQuery& query) override {
    return store_->page(query);
  }
  std::size_t count(const workflow::CertificateListQuery& query) override { return store_->count(query); }
  std::vector<workflow::JournalEntry> history(const RequestId& id) override { return store_->history(id); }
  std::vector<workflow::Effect> effects(const RequestId& id) override { return store_->effects(id); }
  std::vector<workflow::EffectStatus> effect_status(const RequestId& id) override { return store_->effect_status(id); }
  std::vector<workflow::LateAnswer> late_answers(const RequestId& id) override { return store_->late_answers(id); }
  std::string keep_aside(const workflow::KeptAnswer& answer) override {
    if (keeps_aside) return store_->keep_aside(answer);
    return write([&] { return store_->keep_aside(answer); });
  }
  std::vector<workflow::KeptAnswer> kept_aside() override { return store_->kept_aside(); }
  bool may_be_kept(const RequestId& request) override { return store_->may_be_kept(request); }
  void forget_aside(const std::string& name) override { store_->forget_aside(name); }
  std::optional<workflow::CertificateRecord> certificate(const std::string& fingerprint) override {
    return store_->certificate(fingerprint);
  }
  std::vector<workflow::CertificateRecord> certificates(const workflow::CertificateQuery& query) override {
    return store_->certificates(query);
  }
  std::vector<std::string> past_their_end(Instant now) override { return store_->past_their_end(now); }
  std::vector<workflow::CertificateRecord> not_past_their_end(Instant now) override {
    return store_->not_past_their_end(now);
  }
  bool replaced_at(const std::string& fingerprint, const std::string& target) override {
    return store_->replaced_at(fingerprint, target);
  }
  bool is_issuer(const std::string& fingerprint) override { return store_->is_issuer(fingerprint); }
  Instant latest_known() override { return store_->latest_known(); }
  std::vector<workflow::Record> by_reference(const std::string& provider, const ProviderReference& reference) override {
    return store_->by_reference(provider, reference);
  }
  bool has_certificate(const SpkiHash& spki) override { return store_->has_certificate(spki); }
  std::vector<workflow::KeyRecord> keys(const workflow::KeyQuery& query) override { return store_->keys(query); }
  std::vector<workflow::Record> requests_about(const std::string& fingerprint) override {
    return store_->requests_about(fingerprint);
  }
  std::vector<workflow::KeyRecord> replaced_keys(const std::string& profile, Instant replaced_by,
                                                 workflow::KeyPlace& after, std::size_t most) override {
    return store_->replaced_keys(profile, replaced_by, after, most);
  }
  std::size_t change_records(const std::vector<workflow::StatusChange>& changes, const std::string& actor,
                             Instant at) override {
    return write([&] { return store_->change_records(changes, actor, at); });
  }
  void note_installed(const std::string& fingerprint, const workflow::InstallTarget& target, const std::string& actor,
                      Instant at) override {
    write([&] {
      store_->note_installed(fingerprint, target, actor, at);
      return 0;
    });
  }

 private:
  template <class Work>
  std::invoke_result_t<Work> write(Work&& work) {
    const Fate fate = decide_(++writes_);
    if (fate == Fate::fails_before) throw Error{ErrorKind::unavailable, "the disk is full (played)"};
    auto result = work();
    if (fate == Fate::fails_after) throw Error{ErrorKind::unavailable, "the disk failed (played)"};
    return result;
  }

  std::unique_ptr<workflow::Store> store_;
  Decide decide_;
  unsigned writes_ = 0;
};

}  // namespace hsmbridge::test
