#include "support/memory/content.h"

#include "audit/leaf.h"
#include "base/bytes.h"
#include "base/json.h"
#include "workflow/machine/codec.h"

namespace hsmbridge::test {

// ---- requests -------------------------------------------------------------------------------------------------------

std::optional<RequestId> MemoryStore::Transaction::open_for(const std::string& work) const {
  for (const auto& [id, request] : all_.requests) {
    if (!request.final() && work_of(request.record.order) == work) return request.record.order.id;
  }
  return std::nullopt;
}

std::optional<RequestId> MemoryStore::Transaction::open_for_csr(const std::string& provider, const KeyWish& key) const {
  if (key.source != KeyWish::Source::brought) return std::nullopt;
  for (const auto& [id, request] : all_.requests) {
    const Order& order = request.record.order;
    if (!request.final() && order.provider == provider && order.brought_csr() == key.csr) return order.id;
  }
  return std::nullopt;
}

void MemoryStore::Transaction::refuse_second(const Order& order) const {
  auto open = open_for(work_of(order));
  if (!open && order.enrolment() != nullptr) open = open_for_csr(order.provider, order.enrolment()->key);
  if (open) throw Error{ErrorKind::conflict, "a request is open for the same work"}.with("request", open->str());
}

void MemoryStore::Transaction::append(Content::Request& request, const Event& event, StateName after) {
  const std::uint64_t sequence = ++request.record.sequence;
  request.record.changed_at = event.at;
  request.history.push_back({sequence, event, after});
  all_.leaf(audit::event_leaf(request.record.order.id.str(), sequence, to_string(name_of(event.body)),
                              to_json(event.body).dump(), event.actor, event.at));
  note_references(request, event.body);
}

void MemoryStore::Transaction::note_references(Content::Request& request, const EventBody& body) {
  if (const StatusReport* report = report_of(body)) request.references.insert(lower(report->reference.str()));
  if (const auto* there = std::get_if<ResolvedAsThere>(&body)) request.references.insert(lower(there->reference.str()));
}

void MemoryStore::Transaction::create(const Order& order, const std::vector<Event>& events, const Decision& begin) {
  if (all_.requests.count(order.id.str()) != 0) throw Error{ErrorKind::conflict, "the request exists already"};
  refuse_second(order);
  if (const auto* predecessor = order.predecessor()) {
    const auto* about = all_.certificate(predecessor->certificate);
    if (about != nullptr && about->record.status != predecessor->status) {
      throw Error{ErrorKind::conflict, "the certificate changed"}.with("status", about->record.status);
    }
  }
  Content::Request& request = all_.requests[order.id.str()];
  request.record.order = order;
  request.record.state = begin.next;
  for (const Event& event : events) {
    append(request, event, name_of(begin.next));
    if (const auto* planned = std::get_if<KeyPlanned>(&event.body)) {
      put(KeyRecord{planned->token, planned->label, planned->cka_id, planned->spec, SpkiHash{},
                    status::kPlannedAtRandom, event.at});
    }
  }
  for (const Effect& effect : begin.effects) add(effect, order);
  for (const StatusChange& one : begin.records) change(one, order.created_by, order.created_at, order.id.str());
}

StepResult MemoryStore::Transaction::apply(const Step& step) {
  const auto found = all_.requests.find(step.request.str());
  if (found == all_.requests.end() || found->second.record.sequence != step.expected_sequence) {
    return StepResult::stale;
  }
  Content::Request& request = found->second;
  const Order& order = request.record.order;
  if (request.final()) refuse_second(order);
  if (step.lease_of) {
    const bool holds = std::any_of(all_.outbox.begin(), all_.outbox.end(), [&](const Content::Row& row) {
      return step.finished_effect == row.id && row.request == step.request && row.owner == *step.lease_of &&
             leased(row);
    });
    if (!holds) return StepResult::lease_lost;
  }
  append(request, step.event, name_of(step.decision.next));
  request.record.state = step.decision.next;
  replace_effects(step, order);
  lease_until_due(step);
  if (step.certificate) put(*step.certificate, order.profile);
  if (step.key) put(*step.key);
  if (const auto* done = std::get_if<TargetInstalled>(&step.event.body)) {
    std::string fingerprint;
    if (const auto* installing = std::get_if<Installing>(&step.decision.next)) fingerprint = installing->certificate;
    if (const auto* completed = std::get_if<Completed>(&step.decision.next)) fingerprint = completed->certificate;
    for (const InstallTarget& target : enrolment_of(order).targets) {
      if (target.name == done->target) add_installed(fingerprint, target);
    }
  }
  std::vector<StatusChange> changes = step.decision.records;
  if (step.certificate && step.certificate->status == status::kCurrent) {
    changes.insert(changes.begin(),
                   {StatusChange::Of::key, step.certificate->spki.str(), {status::kRetired}, status::kActive});
  }
  for (const StatusChange& one : changes) change(one, step.event.actor, step.event.at, step.request.str());
  return StepResult::committed;
}

// ---- the outbox -----------------------------------------------------------------------------------------------------

void MemoryStore::Transaction::add(const Effect& effect, const Order& order) {
  Content::Row row;
  row.id = ++all_.last_effect;
  row.request = order.id;
  row.effect = effect;
  row.lane = lane_of(effect, order);
  row.set_at = clock_.now();
  all_.outbox.push_back(std::move(row));
}

void MemoryStore::Transaction::replace_effects(const Step& step, const Order& order) {
  std::set<std::string> kept;
  std::erase_if(all_.outbox, [&](const Content::Row& row) {
    if (row.request != step.request) return false;
    const std::string identity = row.effect.identity();
    const bool wanted = std::any_of(step.decision.effects.begin(), step.decision.effects.end(),
                                    [&](const Effect& effect) { return effect.identity() == identity; });
    const bool stays =
        (leased(row) || row.effect.name == EffectName::install) && wanted && step.finished_effect != row.id;
    if (stays) kept.insert(identity);
    return !stays;
  });
  for (const Effect& effect : step.decision.effects) {
    if (kept.count(effect.identity()) == 0) add(effect, order);
  }
}

void MemoryStore::Transaction::lease_until_due(const Step& step) {
  const auto lease = [&](const Effect& effect, std::string_view owner, Duration time) {
    for (Content::Row& row : all_.outbox) {
      if (row.request != step.request || row.effect.identity() != effect.identity()) continue;
      row.owner = owner;
      row.lease_until = clock_.since_boot() + time;
      row.set_at = step.event.at;
    }
  };
  if (const auto* started = std::get_if<AttemptStarted>(&step.event.body)) {
    lease({EffectName::answer_overdue, {}, started->attempt, {}}, started->worker, started->answer_by - step.event.at);
  }
  const StatusReport* report = report_of(step.event.body);
  const bool gone = report != nullptr && report->status == RequestStatus::gone;
  if (!gone && !std::holds_alternative<AnswerLost>(step.event.body) &&
      !std::holds_alternative<AbsentAtProvider>(step.event.body)) {
    return;
  }
  for (const Effect& effect : step.decision.effects) {
    if (effect.name == (gone ? EffectName::poll : EffectName::look_up) && effect.due > step.event.at) {
      lease(effect, kSettleTime, effect.due - step.event.at);
    }
  }
}

void MemoryStore::Transaction::end_run(Content::Row& row) {
  row.free();
  row.set_at = clock_.now();
  if (row.crashes >= 2) {
    const Duration pause = std::min(Duration{3'600'000}, Duration{10'000} * (1 << std::min(row.crashes - 2, 20U)));
    row.effect.due = std::max(row.effect.due, clock_.now() + pause);
  }
  ++row.crashes;
}

void MemoryStore::Transaction::end_runs_of(const std::string& worker) {
  std::set<std::string> dead;
  for (Content::Row& row : all_.outbox) {
    if (row.owner != worker) continue;
    const bool begun = row.effect.name == EffectName::answer_overdue && row.set_at < row.effect.due;
    if (begun) dead.insert("provider:" + row.lane.substr(row.lane.find(':') + 1));
    if (row.lane.starts_with("token:") || row.lane.starts_with("provider:")) dead.insert(row.lane);
    begun ? row.free() : end_run(row);
  }
  for (const std::string& lane : dead) {
    ++all_.lanes[lane].deaths;
    all_.lanes[lane].died_at = clock_.now();
  }
}

std::vector<Claim> MemoryStore::Transaction::claim(const ClaimQuery& query, Instant now, const LeaseClock& time) {
  for (const GiveBack& back : query.give_back) {
    for (Content::Row& row : all_.outbox) {
      if (row.id != back.effect_id || row.owner != query.worker) continue;
      row.free();
      if (back.due != Instant{}) {
        row.effect.due = back.due;
        row.set_at = now;
      }
      if (!back.trouble) continue;
      row.trouble = *back.trouble;
      if (back.trouble->empty()) row.failures = row.crashes = 0;
      if (!back.trouble->empty() && back.counts == GiveBack::Counts::yes) ++row.failures;
    }
  }
  std::vector<Claim> claims;
  for (const auto& [lane, places] : query.lanes) {
    if (places == 0) continue;
    bool died = false;
    std::vector<Content::Row*> due;
    for (Content::Row& row : all_.outbox) {
      if (row.lane != lane) continue;
      settle(row);
      const bool is_run = !row.owner.empty() && row.owner != query.worker && row.owner != kSettleTime;
      if (is_run && !leased(row) && !is_timer(row.effect.name)) {
        end_run(row);
        died = true;
      }
      const bool wanted =
          query.only.empty() || std::find(query.only.begin(), query.only.end(), row.request) != query.only.end();
      if (wanted && row.effect.due <= now && !leased(row) && !held(row)) due.push_back(&row);
    }
    if (died && lane != "local") {
      ++all_.lanes[lane].deaths;
      all_.lanes[lane].died_at = clock_.now();
    }
    std::sort(due.begin(), due.end(), [](const auto* one, const auto* other) {
      return std::tie(one->effect.due, one->id) < std::tie(other->effect.due, other->id);
    });
    if (due.size() > places) due.resize(places);
    for (Content::Row* const row : due) {
      Claim claim;
      claim.effect_id = row->id;
      claim.record = all_.requests.at(row->request.str()).record;
      claim.effect = row->effect;
      claim.failures = row->failures;
      claim.crashes = row->crashes;
      claim.lease = {time, query.lease_in(lane)};
      claims.push_back(std::move(claim));
      row->owner = query.worker;
      row->lease_until = time.now() + query.lease_in(lane);
      if (is_timer(row->effect.name)) row->set_at = now;
    }
  }
  return claims;
}

// ---- records --------------------------------------------------------------------------------------------------------

void MemoryStore::Transaction::put(const CertificateRecord& certificate, const std::string& profile) {
  for (const Bytes& der : certificate.chain) all_.issuers.insert(hex(sha256(der)));
  auto* const known = all_.certificate(certificate.fingerprint);
  if (known == nullptr) {
    all_.certificates.push_back({certificate, profile});
    return;
  }
  CertificateRecord& record = known->record;
  record.chain = certificate.chain;
  record.reference = certificate.reference;
  record.provider_state = certificate.provider_state;
  if (!is_of({status::kRevoking, status::kRevoked, status::kHeld, status::kExpired}, record.status)) {
    record.status = certificate.status;
  }
}

void MemoryStore::Transaction::put(const KeyRecord& key) {
  const auto same = [](const KeyRecord& one, const KeyRecord& other) {
    return one.token == other.token && one.cka_id == other.cka_id && (!one.cka_id.empty() || one.spki == other.spki);
  };
  for (KeyRecord& known : all_.keys) {
    if (!same(known, key)) continue;
    if (!key.label.empty()) known.label = key.label;
    if (!key.spec.empty()) known.spec = key.spec;
    if (known.spki.empty()) known.spki = key.spki;
    const bool over = is_of({status::kRetired, status::kDestroyed}, known.status);
    if (is_planned(key.status) || key.status == known.status || known.status == status::kCompromised ||
        (over && key.status == status::kActive)) {
      return;
    }
    known.status = key.status;
    known.changed_at = key.changed_at;
    return;
  }
  all_.keys.push_back(key);
  std::sort(all_.keys.begin(), all_.keys.end(), [](const KeyRecord& one, const KeyRecord& other) {
    return std::tie(one.token, one.label, one.cka_id) < std::tie(other.token, other.label, other.cka_id);
  });
}

bool MemoryStore::Transaction::was_replaced(const std::string& fingerprint) const {
  return std::any_of(all_.certificates.begin(), all_.certificates.end(), [&](const Content::Certificate& one) {
    const auto request = all_.requests.find(one.record.request.str());
    return one.record.predecessor == fingerprint &&
           !is_of({status::kLate, status::kQuarantined, status::kRevoking, status::kRevoked, status::kHeld},
                  one.record.status) &&
           request != all_.requests.end() && std::holds_alternative<Completed>(request->second.record.state);
  });
}

std::size_t MemoryStore::Transaction::change(const StatusChange& change, const std::string& actor, Instant at,
                                             const std::string& request) {
  if (change.of == StatusChange::Of::certificate) return change_certificate(change, actor, at, request);
  std::size_t changed = 0;
  bool known = false;
  for (KeyRecord& key : all_.keys) {
    if (key.spki.str() != change.id) continue;
    known = true;
    if (key.status == change.to) continue;
    if (!change.from.empty() && !is_of(change.from, key.status)) continue;
    Json fact = Json::object({{"token", key.token},
                              {"label", key.label},
                              {"cka_id", key.cka_id},
                              {"spki", change.id},
                              {"from", key.status},
                              {"to", change.to}});
    if (!request.empty()) fact.set("request", request);
    all_.leaf(audit::fact_leaf("key-status", fact, actor, at));
    key.status = change.to;
    key.changed_at = at;
    ++changed;
  }
  if (!known && change.to == status::kCompromised) {
    put(KeyRecord{"", "", "", "", SpkiHash(change.id), status::kCompromised, at});
    Json fact = Json::object({{"spki", change.id}, {"to", change.to}});
    if (!request.empty()) fact.set("request", request);
    all_.leaf(audit::fact_leaf("key-status", fact, actor, at));
    ++changed;
  }
  return changed;
}

std::size_t MemoryStore::Transaction::change_certificate(const StatusChange& change, const std::string& actor,
                                                         Instant at, const std::string& request) {
  auto* const known = all_.certificate(change.id);
  if (known == nullptr || known->record.status == change.to) return 0;
  if (!change.from.empty() && !is_of(change.from, known->record.status)) return 0;
  if (change.to == status::kSuperseded && !was_replaced(change.id)) return 0;
  const bool replaced = change.to == status::kCurrent && was_replaced(change.id);
  const std::string to = replaced ? status::kSuperseded : change.to;
  Json fact = Json::object({{"certificate", change.id}, {"from", known->record.status}, {"to", to}});
  if (!request.empty()) fact.set("request", request);
  all_.leaf(audit::fact_leaf("certificate-status", fact, actor, at));
  known->record.status = to;
  if (to == status::kCurrent && !known->record.predecessor.empty()) {
    change_certificate(
        {StatusChange::Of::certificate, known->record.predecessor, {status::kCurrent}, status::kSuperseded}, actor, at,
        request);
  }
  return 1;
}

void MemoryStore::Transaction::add_installed(const std::string& fingerprint, const InstallTarget& target) {
  auto* const known = all_.certificate(fingerprint);
  if (known == nullptr) return;
  if (!is_of(known->record.installed, target.name)) known->record.installed.push_back(target.name);
  const bool one_of_a_key = target.name == "token" && target.detail != "keep";
  if (!one_of_a_key && !target.name.starts_with("file:")) return;
  for (Content::Certificate& other : all_.certificates) {
    if (&other == known || (one_of_a_key && other.record.spki != known->record.spki)) continue;
    std::erase(other.record.installed, target.name);
  }
}

}  // namespace hsmbridge::test
