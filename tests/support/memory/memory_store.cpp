#include "support/memory/memory_store.h"

#include "audit/leaf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "support/memory/content.h"
#include "workflow/machine/codec.h"
#include "workflow/machine/explain.h"

#include <algorithm>
#include <tuple>

namespace hsmbridge::test {

MemoryStore::MemoryStore(const Clock& clock) : shared_(std::make_shared<Shared>(clock)) {}
MemoryStore::MemoryStore(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
MemoryStore::~MemoryStore() = default;

std::unique_ptr<MemoryStore> MemoryStore::another() const {
  return std::unique_ptr<MemoryStore>(new MemoryStore(shared_));
}

void MemoryStore::put(const CertificateRecord& certificate, const std::string& profile) {
  write([&](Transaction&, Content& all) {
    std::erase_if(all.certificates, [&](const auto& one) { return one.record.fingerprint == certificate.fingerprint; });
    all.certificates.push_back({certificate, profile});
    for (const Bytes& der : certificate.chain) all.issuers.insert(hex(sha256(der)));
    return 0;
  });
}

void MemoryStore::restore(std::string why) {
  write([&](Transaction&, Content& all) {
    all.restored = std::move(why);
    return 0;
  });
}

void MemoryStore::create(const Order& order, const std::vector<Event>& events, const Decision& begin) {
  write([&](Transaction& transaction, Content&) {
    transaction.create(order, events, begin);
    return 0;
  });
}

std::vector<StepResult> MemoryStore::commit(const std::vector<Step>& steps) {
  return write([&](Transaction& transaction, Content&) {
    std::vector<StepResult> results;
    for (const Step& step : steps) results.push_back(transaction.apply(step));
    return results;
  });
}

std::optional<Record> MemoryStore::find(const RequestId& id) {
  return read([&](Content& all) {
    const auto found = all.requests.find(id.str());
    return found == all.requests.end() ? std::nullopt : std::optional(found->second.record);
  });
}

std::optional<RequestId> MemoryStore::open_request_for(const std::string& work) {
  return read([&](Content& all) { return Transaction(all, shared_->clock).open_for(work); });
}

std::optional<RequestId> MemoryStore::open_request_for_csr(const std::string& provider, const KeyWish& key) {
  return read([&](Content& all) { return Transaction(all, shared_->clock).open_for_csr(provider, key); });
}

std::vector<RequestId> MemoryStore::by_prefix(const std::string& prefix, unsigned most) {
  return read([&](Content& all) {
    std::vector<RequestId> ids;
    for (auto one = all.requests.rbegin(); one != all.requests.rend() && ids.size() < most; ++one) {
      if (one->first.starts_with(prefix)) ids.push_back(one->second.record.order.id);
    }
    return ids;
  });
}

std::vector<Record> MemoryStore::list(const ListQuery& query) {
  return read([&](Content& all) {
    auto found = all.records([&](const Content::Request& request) {
      const Order& order = request.record.order;
      return (!query.state || name_of(request.record.state) == *query.state) &&
             (!query.open_only || !request.final()) && (!query.spki || request.spki() == *query.spki) &&
             (!query.token || order.token() == *query.token) && (!query.cka_id || request.cka_id() == *query.cka_id);
    });
    if (found.size() > query.most) found.resize(query.most);
    return found;
  });
}

std::map<StateName, std::uint64_t> MemoryStore::open_by_state(unsigned most) {
  return read([&](Content& all) {
    auto open = all.records([](const Content::Request& request) { return !request.final(); });
    std::sort(open.begin(), open.end(), [](const Record& a, const Record& b) {
      return workflow::to_string(name_of(a.state)) < workflow::to_string(name_of(b.state));
    });
    if (open.size() > most) open.resize(most);
    std::map<StateName, std::uint64_t> counts;
    for (const Record& record : open) ++counts[name_of(record.state)];
    return counts;
  });
}

std::vector<JournalEntry> MemoryStore::history(const RequestId& id) {
  return read([&](Content& all) {
    const auto found = all.requests.find(id.str());
    return found == all.requests.end() ? std::vector<JournalEntry>{} : found->second.history;
  });
}

std::vector<Record> MemoryStore::by_reference(const std::string& provider, const ProviderReference& reference) {
  return read([&](Content& all) {
    return all.records([&](const Content::Request& request) {
      return request.record.order.provider == provider && request.references.count(lower(reference.str())) != 0;
    });
  });
}

std::vector<Record> MemoryStore::requests_about(const std::string& fingerprint) {
  return read([&](Content& all) {
    return all.records([&](const Content::Request& request) {
      const auto* about = request.record.order.predecessor();
      return !fingerprint.empty() && about != nullptr && about->certificate == fingerprint;
    });
  });
}

void MemoryStore::keep_late_answer(const LateAnswer& answer, const std::optional<KeyRecord>& key) {
  write([&](Transaction& transaction, Content& all) {
    Content::Request& request = all.requests.at(answer.request.str());
    const Json body = to_json(answer.event.body);
    for (const LateAnswer& known : request.late) {
      if (known.event.at == answer.event.at && to_json(known.event.body).dump() == body.dump()) return 0;
    }
    request.late.push_back(answer);
    if (const StatusReport* report = report_of(answer.event.body))
      request.references.insert(lower(report->reference.str()));
    all.leaf(audit::fact_leaf("late-answer",
                              Json::object({{"request", answer.request.str()}, {"answer", body}, {"why", answer.why}}),
                              answer.event.actor, answer.event.at));
    if (key) transaction.put(*key);
    return 0;
  });
}

std::vector<LateAnswer> MemoryStore::late_answers(const RequestId& id) {
  return read([&](Content& all) {
    const auto found = all.requests.find(id.str());
    return found == all.requests.end() ? std::vector<LateAnswer>{} : found->second.late;
  });
}

std::vector<Claim> MemoryStore::claim(const ClaimQuery& query, Instant now) {
  return write([&](Transaction& transaction, Content&) { return transaction.claim(query, now, shared_->time); },
               [&](const auto& claims) { return !claims.empty() || !query.give_back.empty(); });
}

const LeaseClock& MemoryStore::lease_clock() const {
  return shared_->time;
}

std::map<std::string, LaneFacts> MemoryStore::lanes() {
  return read([](Content& all) { return all.lanes; });
}

void MemoryStore::lane_works(const std::string& lane) {
  write([&](Transaction&, Content& all) {
    all.lanes[lane].deaths = 0;
    return ++all.lanes[lane].came_back;
  });
}

Duration MemoryStore::follow_clock(Instant now) {
  return write(
      [&](Transaction& transaction, Content& all) {
        Duration most{};
        for (Content::Row& row : all.outbox) {
          transaction.settle(row);
          const bool named = row.effect.name == EffectName::deadline || row.effect.name == EffectName::draft_age;
          if (named || row.set_at <= now + std::chrono::seconds{1}) continue;
          most = std::max(most, row.set_at - now);
          row.effect.due -= row.set_at - now;
          row.set_at = now;
        }
        return most;
      },
      [](Duration ahead) { return ahead > Duration::zero(); });
}

std::size_t MemoryStore::spread_polls(const std::string& lane, Instant began,
                                      const std::function<Duration(const RequestId& request, Duration late)>& place,
                                      std::size_t most) {
  return write(
      [&](Transaction& transaction, Content& all) {
        std::vector<Content::Row*> late;
        for (Content::Row& row : all.outbox) {
          const bool is_late = row.lane == lane && row.effect.name == EffectName::poll && row.effect.due < began;
          if (is_late && !transaction.leased(row)) late.push_back(&row);
        }
        std::stable_sort(late.begin(), late.end(),
                         [](const auto* one, const auto* other) { return one->effect.due < other->effect.due; });
        if (late.size() > most) late.resize(most);
        for (Content::Row* const row : late) {
          row->effect.due = began + place(row->request, began - row->effect.due);
          row->set_at = shared_->clock.now();
        }
        return late.size();
      },
      [](std::size_t count) { return count > 0; });
}

std::optional<Instant> MemoryStore::next_due(const ClaimQuery& query) {
  return read([&](Content& all) {
    const Transaction transaction(all, shared_->clock);
    std::optional<Instant> next;
    for (const Content::Row& row : all.outbox) {
      const auto lane = query.lanes.find(row.lane);
      const bool wanted =
          query.only.empty() || std::find(query.only.begin(), query.only.end(), row.request) != query.only.end();
      if (lane == query.lanes.end() || lane->second == 0 || !wanted || transaction.held(row)) continue;
      Instant due = row.effect.due;
      if (transaction.leased(row)) due = std::max(due, shared_->clock.now() + (row.lease_until - shared_->time.now()));
      next = next ? std::min(*next, due) : due;
    }
    return next;
  });
}

bool MemoryStore::wait_for_change(Wakeup& wakeup, Duration longest) {
  constexpr Duration kLook = std::chrono::milliseconds{5};
  for (;;) {
    const std::uint64_t others = read([&](Content&) { return shared_->written; }) - written_;
    if (std::exchange(seen_, others) != others) return true;
    if (longest <= Duration::zero() || wakeup.wait(std::min(longest, kLook))) return false;
    longest -= kLook;
  }
}

std::size_t MemoryStore::end_leases(const std::function<bool(const std::string& worker)>& gone) {
  return write(
      [&](Transaction& transaction, Content& all) {
        std::set<std::string> dead;
        for (const Content::Row& row : all.outbox) {
          if (!row.owner.empty() && gone(row.owner)) dead.insert(row.owner);
        }
        for (const std::string& worker : dead) transaction.end_runs_of(worker);
        return dead.size();
      },
      [](std::size_t count) { return count > 0; });
}

std::vector<Effect> MemoryStore::effects(const RequestId& id) {
  std::vector<Effect> effects;
  for (EffectStatus& status : effect_status(id)) effects.push_back(std::move(status.effect));
  return effects;
}

std::vector<EffectStatus> MemoryStore::effect_status(const RequestId& id) {
  return read([&](Content& all) {
    const Transaction transaction(all, shared_->clock);
    std::vector<EffectStatus> found;
    for (const Content::Row& row : all.outbox) {
      if (row.request != id) continue;
      const bool settles = row.owner == kSettleTime;
      found.push_back({row.effect, transaction.leased(row) && !settles, row.failures, row.crashes, row.trouble});
      if (settles) {
        const Duration left = std::min(row.lease_until - shared_->time.now(), row.wait());
        if (left > Duration::zero()) {
          found.back().effect.due = std::max(row.effect.due, shared_->clock.now() + left);
        }
      }
      if (transaction.held(row)) found.back().trouble = std::string(kHeldBack) + *all.restored;
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& one, const auto& other) { return one.effect.due < other.effect.due; });
    return found;
  });
}

std::string MemoryStore::keep_aside(const KeptAnswer& answer) {
  const std::lock_guard lock(shared_->mutex);
  shared_->aside.push_back(answer);
  return shared_->aside.back().name = "answer-" + std::to_string(++shared_->kept);
}

std::vector<KeptAnswer> MemoryStore::kept_aside() {
  const std::lock_guard lock(shared_->mutex);
  return shared_->aside;
}

void MemoryStore::forget_aside(const std::string& name) {
  const std::lock_guard lock(shared_->mutex);
  std::erase_if(shared_->aside, [&](const KeptAnswer& one) { return one.name == name; });
}

bool MemoryStore::may_be_kept(const RequestId& request) {
  const std::lock_guard lock(shared_->mutex);
  return std::any_of(shared_->aside.begin(), shared_->aside.end(),
                     [&](const KeptAnswer& one) { return one.request == request; });
}

std::optional<CertificateRecord> MemoryStore::certificate(const std::string& fingerprint) {
  return read([&](Content& all) {
    const auto* found = all.certificate(fingerprint);
    return found == nullptr ? std::nullopt : std::optional(found->record);
  });
}

std::vector<CertificateRecord> MemoryStore::certificates(const CertificateQuery& query) {
  if ((query.profile || query.life_left || query.without_request) && (!query.profile || query.statuses.size() != 1)) {
    throw Error{ErrorKind::internal, "certificates of a profile are asked for by one status"};
  }
  return read([&](Content& all) {
    std::vector<CertificateRecord> found;
    for (const Content::Certificate& one : all.certificates) {
      const CertificateRecord& record = one.record;
      const auto in_hand = [&] {
        return std::any_of(all.requests.begin(), all.requests.end(), [&](const auto& request) {
          const auto* about = request.second.record.order.predecessor();
          return !request.second.final() && about != nullptr && about->certificate == record.fingerprint;
        });
      };
      const auto left = query.life_left.value_or(CertificateQuery::LifeLeft{});
      const bool wanted =
          record.fingerprint.starts_with(query.prefix) &&
          (query.statuses.empty() || is_of(query.statuses, record.status)) &&
          (!query.profile || one.profile == *query.profile) && (!query.request || record.request == *query.request) &&
          (!query.spki || record.spki == *query.spki) && (!query.ends_by || record.not_after <= *query.ends_by) &&
          (left.percent == 0 ||
           (record.not_after - left.now) * 100 <= (record.not_after - record.not_before) * left.percent) &&
          (!query.without_request || !in_hand());
      if (wanted) found.push_back(record);
    }
    std::stable_sort(found.begin(), found.end(), [&](const auto& one, const auto& other) {
      if (!query.profile) return one.stored_at > other.stored_at;
      return std::tie(one.not_after, one.fingerprint) < std::tie(other.not_after, other.fingerprint);
    });
    if (query.after) {
      const auto last =
          std::find_if(found.begin(), found.end(), [&](const auto& one) { return one.fingerprint == *query.after; });
      found.erase(found.begin(), last == found.end() ? last : last + 1);
    }
    if (found.size() > query.most) found.resize(query.most);
    return found;
  });
}

std::vector<std::string> MemoryStore::past_their_end(Instant now) {
  return read([&](Content& all) {
    std::vector<std::string> found;
    for (const Content::Certificate& one : all.certificates) {
      const bool live = is_of({status::kCurrent, status::kSuperseded, status::kLate}, one.record.status);
      if (live && one.record.not_after < now) found.push_back(one.record.fingerprint);
    }
    std::sort(found.begin(), found.end());
    return found;
  });
}

std::vector<CertificateRecord> MemoryStore::not_past_their_end(Instant now) {
  return read([&](Content& all) {
    std::vector<CertificateRecord> found;
    for (const Content::Certificate& one : all.certificates) {
      if (one.record.status == status::kExpired && one.record.not_after >= now) found.push_back(one.record);
    }
    return found;
  });
}

bool MemoryStore::replaced_at(const std::string& fingerprint, const std::string& target) {
  return read([&](Content& all) {
    std::set<std::string> older;
    if (!fingerprint.empty()) older.insert(fingerprint);
    for (std::size_t before = 0; before != older.size();) {
      before = older.size();
      for (const Content::Certificate& one : all.certificates) {
        if (older.count(one.record.predecessor) == 0) continue;
        if (is_of(one.record.installed, target)) return true;
        older.insert(one.record.fingerprint);
      }
    }
    return false;
  });
}

Instant MemoryStore::latest_known() {
  return read([](Content& all) {
    Instant latest{};
    for (const auto& [id, request] : all.requests) latest = std::max(latest, request.record.order.created_at);
    if (all.leaves.empty()) return latest;
    return std::max<Instant>(latest, parse_rfc3339(Json::parse(all.leaves.back().data).at("at").as_string()));
  });
}

bool MemoryStore::is_issuer(const std::string& fingerprint) {
  return read([&](Content& all) { return all.issuers.count(fingerprint) != 0; });
}

std::vector<KeyRecord> MemoryStore::keys(const KeyQuery& query) {
  return read([&](Content& all) {
    std::vector<KeyRecord> found;
    for (const KeyRecord& key : all.keys) {
      const bool wanted = (!query.spki || key.spki == *query.spki) && (!query.token || key.token == *query.token) &&
                          (!query.label || key.label == *query.label) &&
                          (!query.cka_id || key.cka_id == *query.cka_id) &&
                          (query.statuses.empty() || is_of(query.statuses, key.status));
      if (wanted) found.push_back(key);
    }
    return found;
  });
}

bool MemoryStore::has_certificate(const SpkiHash& spki) {
  CertificateQuery query;
  query.spki = spki;
  return !certificates(query).empty();
}

std::vector<KeyRecord> MemoryStore::replaced_keys(const std::string& profile, Instant replaced_by, KeyPlace& after,
                                                  std::size_t most) {
  return read([&](Content& all) {
    const auto place = [](const KeyRecord& key) { return std::tie(key.token, key.cka_id); };
    std::vector<KeyRecord> page = all.keys;
    std::sort(page.begin(), page.end(), [&](const KeyRecord& a, const KeyRecord& b) { return place(a) < place(b); });
    std::erase_if(page, [&](const KeyRecord& key) { return place(key) <= std::tie(after.token, after.cka_id); });
    if (page.size() > most) page.resize(most);
    after = page.size() < most ? KeyPlace{} : KeyPlace{page.back().token, page.back().cka_id};
    std::vector<KeyRecord> found;
    for (const KeyRecord& key : page) {
      if (key.status != status::kActive || key.spki.empty()) continue;
      bool replaced = false;
      bool needed = false;
      for (const Content::Certificate& one : all.certificates) {
        if (one.record.spki != key.spki) continue;
        needed =
            needed || is_of({status::kCurrent, status::kRevoking, status::kHeld, status::kLate}, one.record.status);
        if (one.profile != profile ||
            !is_of({status::kSuperseded, status::kRevoked, status::kExpired}, one.record.status)) {
          continue;
        }
        for (const Content::Certificate& next : all.certificates) {
          if (next.record.predecessor != one.record.fingerprint || next.record.spki == one.record.spki ||
              is_of({status::kLate, status::kQuarantined}, next.record.status)) {
            continue;
          }
          const Record& request = all.requests.at(next.record.request.str()).record;
          replaced =
              replaced || (std::holds_alternative<Completed>(request.state) && request.changed_at <= replaced_by);
        }
      }
      for (const auto& [id, request] : all.requests) {
        const Enroll* const wanted = request.record.order.enrolment();
        const bool may_be = request.spki().empty() && std::holds_alternative<Preparing>(request.record.state) &&
                            wanted != nullptr && wanted->key.source == KeyWish::Source::use &&
                            wanted->token == key.token;
        needed = needed || (!request.final() && (request.spki() == key.spki || may_be));
      }
      if (replaced && !needed) found.push_back(key);
    }
    return found;
  });
}

std::size_t MemoryStore::change_records(const std::vector<StatusChange>& changes, const std::string& actor,
                                        Instant at) {
  return write(
      [&](Transaction& transaction, Content&) {
        std::size_t changed = 0;
        for (const StatusChange& change : changes) changed += transaction.change(change, actor, at, "");
        return changed;
      },
      [](std::size_t count) { return count > 0; });
}

void MemoryStore::note_installed(const std::string& fingerprint, const InstallTarget& target, const std::string& actor,
                                 Instant at) {
  write([&](Transaction& transaction, Content& all) {
    transaction.add_installed(fingerprint, target);
    all.leaf(audit::fact_leaf("certificate-installed",
                              Json::object({{"certificate", fingerprint}, {"target", target.name}}), actor, at));
    return 0;
  });
}

void MemoryStore::record_key(const KeyRecord& key, const std::string& kind, const std::string& json,
                             const std::string& actor, Instant at) {
  write([&](Transaction& transaction, Content& all) {
    transaction.put(key);
    all.leaf(audit::fact_leaf(kind, Json::parse(json), actor, at));
    return 0;
  });
}

void MemoryStore::append_leaves(std::span<const std::string> leaves) {
  write([&](Transaction&, Content& all) {
    for (const std::string& leaf : leaves) all.leaf(leaf);
    return 0;
  });
}

audit::TreeHead MemoryStore::tree_head() {
  return read([](Content& all) { return all.head; });
}

std::vector<Leaf> MemoryStore::leaves(std::uint64_t from, std::uint64_t most) {
  return read([&](Content& all) {
    std::vector<Leaf> found;
    for (const Leaf& leaf : all.leaves) {
      if (leaf.position >= from && found.size() < most) found.push_back(leaf);
    }
    return found;
  });
}

AuditReport MemoryStore::verify_audit(AuditDepth) {
  return read([](Content& all) { return AuditReport{all.head, all.leaves.size(), {}, 0}; });
}

namespace {

// A bucket of permissions that fills by one every `interval`.
struct Bucket {
  explicit Bucket(unsigned per_minute)
      : burst(std::max(1U, per_minute / 4)),
        interval((60'000 + (per_minute - burst)) / (per_minute - burst + 1)),
        size(interval * burst) {}
  unsigned burst;
  Duration interval, size;
};

}  // namespace

std::optional<Instant> MemoryStore::take_permission(const std::string& provider, unsigned per_minute, Instant now) {
  if (per_minute == 0) return std::nullopt;
  return write(
      [&](Transaction&, Content& all) -> std::optional<Instant> {
        const Bucket bucket(per_minute);
        Instant& full = all.full_at.try_emplace(provider, now).first->second;
        if (full > now + bucket.size + Duration{60'000}) full = now + bucket.size;  // a clock was set back
        full = std::max(full, now);
        if (full + bucket.interval > now + bucket.size) return full + bucket.interval - bucket.size;
        full += bucket.interval;
        return std::nullopt;
      },
      [](const auto& later) { return !later; });
}

void MemoryStore::settle_permissions(const std::string& provider, unsigned per_minute, int more, Instant now) {
  if (per_minute == 0 || more == 0) return;
  write([&](Transaction&, Content& all) {
    const Bucket bucket(per_minute);
    Instant& full = all.full_at.try_emplace(provider, now).first->second;
    full = std::min(std::max(full, now) + bucket.interval * more, now + bucket.size + Duration{60'000});
    return full;
  });
}

std::optional<PinRefusal> MemoryStore::pin_refused(const PinSubject& subject) {
  return read([&](Content& all) {
    std::optional<PinRefusal> worst;
    for (const PinRefusal& one : all.pins) {
      if (may_be_same(one.subject, subject)) worst = worse(std::move(worst), one);
    }
    return worst;
  });
}

void MemoryStore::record_pin(const PinRefusal& refusal) {
  write([&](Transaction&, Content& all) {
    std::erase_if(all.pins, [&](const PinRefusal& one) { return one.subject == refusal.subject; });
    all.pins.push_back(refusal);
    const PinStanding standing = refusal.state.standing;
    if (standing == PinStanding::refused || standing == PinStanding::unclear) {
      all.leaf(audit::fact_leaf(
          "pin-refused",
          Json::object({{"token_serial", refusal.subject.token_serial}, {"reason", refusal.state.words()}}),
          "token:" + refusal.subject.token_serial, refusal.at));
    }
    return 0;
  });
}

bool MemoryStore::clear_pin(const PinSubject& subject, const std::string& actor, Instant at) {
  return write(
      [&](Transaction&, Content& all) {
        return std::erase_if(all.pins, [&](const PinRefusal& one) {
                 if (!may_be_same(one.subject, subject)) return false;
                 if (one.state.standing != PinStanding::attempt_open) {
                   all.leaf(audit::fact_leaf("pin-refusal-cleared",
                                             Json::object({{"token_serial", one.subject.token_serial}}), actor, at));
                 }
                 return true;
               }) > 0;
      },
      [](bool cleared) { return cleared; });
}

std::optional<std::string> MemoryStore::restored() {
  return read([](Content& all) { return all.restored; });
}

bool MemoryStore::accept_restored(const std::string& actor, Instant at) {
  return write(
      [&](Transaction&, Content& all) {
        if (!std::exchange(all.restored, std::nullopt)) return false;
        all.restorations.push_back(at);
        all.leaf(audit::fact_leaf("restored-store-accepted", Json::object({}), actor, at));
        return true;
      },
      [](bool accepted) { return accepted; });
}

}  // namespace hsmbridge::test
