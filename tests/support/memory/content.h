#pragma once

#include "base/error.h"
#include "support/memory/memory_store.h"
#include "workflow/machine/lifecycle.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

// Inside of the store in memory. content.cpp: what a transaction does; memory_store.cpp: the functions of the ports;
// listing.cpp: pages of lists.
namespace hsmbridge::test {

using namespace workflow;

inline constexpr std::string_view kSettleTime = "the settle time";

struct Time final : LeaseClock {
  explicit Time(const Clock& of) : clock(of) {}
  Duration now() const override { return clock.since_boot(); }
  const Clock& clock;
};

inline std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

inline bool is_of(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

struct MemoryStore::Content {
  struct Request {
    Record record;
    std::vector<JournalEntry> history;
    std::vector<LateAnswer> late;
    std::set<std::string> references;
    bool final() const { return is_final(name_of(record.state)); }
    SpkiHash spki() const {
      const Key* const key = key_of(record.state);
      if (key != nullptr && !key->spki.empty()) return key->spki;
      const Enroll* const wanted = record.order.enrolment();
      return wanted != nullptr ? wanted->key.spki : SpkiHash{};
    }
    std::string cka_id() const {
      const Enroll* const wanted = record.order.enrolment();
      return wanted != nullptr ? wanted->key.cka_id : std::string{};
    }
  };
  struct Row {
    std::int64_t id = 0;
    RequestId request;
    Effect effect;
    std::string lane;
    Instant set_at{};
    std::string owner;  // "": free
    Duration lease_until{};
    unsigned failures = 0, crashes = 0;
    std::string trouble;
    Duration wait() const { return std::max(Duration::zero(), effect.due - set_at); }
    void free() {
      owner.clear();
      lease_until = {};
    }
  };
  struct Certificate {
    CertificateRecord record;
    std::string profile;
  };

  std::map<std::string, Request> requests;
  std::vector<Row> outbox;
  std::int64_t last_effect = 0;
  std::map<std::string, LaneFacts> lanes;
  std::vector<Certificate> certificates;
  std::set<std::string> issuers;
  std::vector<KeyRecord> keys;
  std::vector<Leaf> leaves;
  audit::TreeHead head;
  std::map<std::string, Instant> full_at;
  std::vector<PinRefusal> pins;
  std::map<std::string, std::set<std::string>> serials;  // by issuer
  std::map<std::pair<std::string, std::string>, RevokedSerial> revoked;
  // By issuer and number; a number that was taken has no SHA-256.
  std::map<std::string, std::map<std::uint64_t, PublishedCrl>> crls;
  std::map<std::pair<std::string, std::string>, std::uint64_t> crls_put;       // the number by issuer and URL
  std::map<std::pair<std::string, std::string>, Instant> distribution_points;  // until when certificates name them
  std::map<std::pair<std::string, std::string>, CertifiedElsewhere> elsewhere;
  std::map<std::pair<std::string, std::string>, std::string> taken_for;  // the request of a serial number
  std::vector<Instant> restorations;
  std::set<std::pair<std::string, std::size_t>> resumed;  // how many restorations there were then
  std::optional<std::string> restored;

  void leaf(const std::string& data) {
    const audit::Hash hash = audit::leaf_hash(as_bytes(data));
    leaves.push_back({head.size(), hash, data});
    head.append(hash);
  }
  Certificate* certificate(const std::string& fingerprint) {
    for (Certificate& one : certificates) {
      if (one.record.fingerprint == fingerprint) return &one;
    }
    return nullptr;
  }
  // Newest first.
  template <class Which>
  std::vector<Record> records(Which&& which) const {
    std::vector<Record> found;
    for (const auto& [id, request] : requests) {
      if (which(request)) found.push_back(request.record);
    }
    std::sort(found.begin(), found.end(), [](const Record& one, const Record& other) {
      return std::tie(one.order.created_at, one.order.id) > std::tie(other.order.created_at, other.order.id);
    });
    return found;
  }
};

struct MemoryStore::Shared {
  explicit Shared(const Clock& of) : clock(of), time(of) {}
  const Clock& clock;
  const Time time;
  std::mutex mutex;  // guards all below
  Content content;
  std::vector<KeptAnswer> aside;
  std::uint64_t written = 0;
  std::uint64_t kept = 0;
};

template <class Work>
auto MemoryStore::read(Work&& work) {
  const std::lock_guard lock(shared_->mutex);
  return work(shared_->content);
}

// What one transaction does; the content is put back when it throws.
class MemoryStore::Transaction {
 public:
  Transaction(Content& content, const Clock& clock) : all_(content), clock_(clock) {}

  void create(const Order& order, const std::vector<Event>& events, const Decision& begin);
  StepResult apply(const Step& step);
  std::vector<Claim> claim(const ClaimQuery& query, Instant now, const LeaseClock& time);
  void put(const CertificateRecord& certificate, const std::string& profile);
  void put(const KeyRecord& key);
  std::size_t change(const StatusChange& change, const std::string& actor, Instant at, const std::string& request);
  void add_installed(const std::string& fingerprint, const InstallTarget& target);
  void end_runs_of(const std::string& worker);
  std::optional<RequestId> open_for(const std::string& work) const;
  std::optional<RequestId> open_for_csr(const std::string& provider, const KeyWish& key) const;
  bool leased(const Content::Row& row) const { return !row.owner.empty() && row.lease_until > clock_.since_boot(); }
  void settle(Content::Row& row) const {
    if (row.owner == kSettleTime) row.lease_until = std::min(row.lease_until, clock_.since_boot() + row.wait());
  }
  bool held(const Content::Row& row) const {
    return all_.restored && (row.effect.name == EffectName::submit || row.effect.name == EffectName::install);
  }

 private:
  void refuse_second(const Order& order) const;
  void append(Content::Request& request, const Event& event, StateName after);
  void note_references(Content::Request& request, const EventBody& body);
  void add(const Effect& effect, const Order& order);
  void replace_effects(const Step& step, const Order& order);
  void lease_until_due(const Step& step);
  void end_run(Content::Row& row);
  bool was_replaced(const std::string& fingerprint) const;
  std::size_t change_certificate(const StatusChange& change, const std::string& actor, Instant at,
                                 const std::string& request);

  Content& all_;
  const Clock& clock_;
};

template <class Work, class Counts>
auto MemoryStore::write(Work&& work, Counts&& counts) {
  const std::lock_guard lock(shared_->mutex);
  const Content before = shared_->content;
  try {
    Transaction transaction(shared_->content, shared_->clock);
    auto result = work(transaction, shared_->content);
    if (counts(result)) {
      ++shared_->written;
      ++written_;
    }
    return result;
  } catch (...) {
    shared_->content = before;
    throw;
  }
}

}  // namespace hsmbridge::test
