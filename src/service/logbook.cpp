#include "service/logbook.h"

#include "audit/leaf.h"
#include "base/unicode.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/algorithm.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace hsmbridge::service {

namespace status = workflow::status;

Logbook::Logbook(std::function<std::unique_ptr<workflow::Store>()> open, Actor actor, const Clock& clock,
                 std::function<void()> nowhere)
    : open_(std::move(open)), actor_(std::move(actor)), clock_(clock), nowhere_(std::move(nowhere)) {}

Logbook::~Logbook() = default;

workflow::Store* Logbook::opened() {
  if (open_) {
    store_ = open_();  // when it throws it is asked again: a store that cannot be opened is not one that is not there
    open_ = nullptr;
  }
  return store_.get();
}

void Logbook::say_nowhere() {
  if (const auto say = std::exchange(nowhere_, nullptr)) say();
}

void Logbook::record(std::string_view kind, const Json& facts) {
  leaves_.add(audit::fact_leaf(kind, facts, actor_.name, now()), [this](const std::vector<std::string>& leaves) {
    if (workflow::Store* const log = opened()) {
      log->append_leaves(leaves);
    } else {
      say_nowhere();
    }
  });
}

workflow::RecordFact Logbook::recorder() {
  return [this](std::string_view kind, const Json& facts) { record(kind, facts); };
}

void Logbook::record_key(std::string_view kind, const Json& facts, const workflow::KeyRecord& key) {
  const Use use(*this);
  if (workflow::Store* const log = use.store()) {
    log->record_key(key, std::string(kind), facts.dump(), actor_.name, now());
  } else {
    say_nowhere();
  }
}

void Logbook::record_key(std::string_view kind, const std::string& token, const workflow::KeyInfo& key,
                         std::string_view status) {
  record_key(kind, workflow::facts_of(token, key), record_of(token, key, status, now()));
}

bool Logbook::is_compromised(const SpkiHash& spki) {
  const Use use(*this);
  workflow::Store* const memory = use.store();
  if (memory == nullptr || spki.empty()) return false;
  const auto keys = memory->keys({spki, std::nullopt, std::nullopt});
  return std::any_of(keys.begin(), keys.end(),
                     [](const workflow::KeyRecord& key) { return key.status == status::kCompromised; });
}

workflow::RecordFact Logbook::recorder_of_use(const std::string& token, const workflow::KeyInfo& key) {
  // What is no plan now will be none again.
  return
      [this, token, key, made = std::make_shared<std::atomic<bool>>(false)](std::string_view kind, const Json& facts) {
        if (kind == workflow::kProofIntent || *made) return record(kind, facts);
        if (is_planned(token, key.id)) {
          record_key(kind, facts, record_of(token, key, status::kActive, now()));
        } else {
          record(kind, facts);
        }
        *made = true;
      };
}

void Logbook::lane_works(const std::string& lane) {
  try {
    const Use use(*this);
    if (workflow::Store* const memory = use.store()) memory->lane_works(lane);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::denied) throw;  // a store that this user may only read: workers find out later
  }
}

std::map<std::string, Logbook::OpenPlan> Logbook::open_plans(const std::string& token,
                                                             std::span<const std::string> labels,
                                                             const x509::KeySpec& spec,
                                                             const std::optional<Bytes>& chosen) {
  std::map<std::string, OpenPlan> plans;
  const Use use(*this);
  workflow::Store* const memory = use.store();
  if (memory == nullptr) return plans;
  std::map<std::string, Instant> newest;
  workflow::KeyQuery planned;
  planned.statuses = {status::kPlanned, status::kPlannedAtRandom, status::kPlannedById};
  for (const workflow::KeyRecord& key : memory->keys(planned)) {
    const bool wanted = key.token == token && key.spec == x509::to_string(spec) &&
                        std::find(labels.begin(), labels.end(), key.label) != labels.end();
    if (!wanted) continue;
    workflow::Order order;
    order.what = workflow::Enroll{token, {workflow::KeyWish::Source::make, key.label, {}, {}}, {}, {}};
    if (const auto open = memory->open_request_for(workflow::work_of(order))) {
      throw Error{ErrorKind::conflict,
                  fmt::format("request {} makes the key {} in token {}", open->str(), key.label, token)}
          .with("request", open->str())
          .hint(fmt::format("let it finish (hsmbridge request wait {}), or choose another label", open->str()));
    }
    const bool counts = chosen ? key.cka_id == hex(*chosen) : key.status != status::kPlannedById;
    const auto known = newest.find(key.label);
    if (!counts || (known != newest.end() && known->second > key.changed_at)) continue;
    newest[key.label] = key.changed_at;
    plans[key.label] = {from_hex(key.cka_id), key.status == status::kPlannedAtRandom};
  }
  return plans;
}

bool Logbook::is_planned(const std::string& token, const Bytes& id) {
  const Use use(*this);
  workflow::Store* const memory = use.store();
  if (memory == nullptr || id.empty()) return false;
  const auto keys = memory->keys({std::nullopt, token, std::nullopt, hex(id)});
  return std::any_of(keys.begin(), keys.end(),
                     [](const workflow::KeyRecord& key) { return workflow::is_planned(key.status); });
}

void Logbook::expect_planned(const std::string& token, std::span<const workflow::KeyPlan> plans) {
  const Use use(*this);
  workflow::Store* const memory = use.store();
  if (memory == nullptr) return;
  for (const workflow::KeyPlan& plan : plans) {
    const auto known = memory->keys({std::nullopt, token, std::nullopt, hex(plan.id)});
    const std::string now_is = known.empty() ? "" : known.front().status;
    if (workflow::is_planned(now_is)) continue;
    if (plan.id_from == workflow::KeyPlan::IdFrom::chosen && !now_is.empty() && now_is != status::kActive) {
      throw Error{ErrorKind::conflict,
                  fmt::format("id {} was used in token {} before, for a key that is {}", hex(plan.id), token, now_is)}
          .hint("choose another id: what is written down about that key stays");
    }
    throw Error{ErrorKind::conflict, fmt::format("key {} was made meanwhile in token {}", plan.label, token)}
        .with("id", hex(plan.id))
        .hint("another process made it: use that key, or choose another label");
  }
}

workflow::KeyRecord record_of(const std::string& token, const workflow::KeyInfo& key, std::string_view status,
                              Instant at) {
  workflow::KeyRecord record;
  record.token = token;
  record.label = escape_non_utf8(key.label);
  record.cka_id = hex(key.id);
  record.spec = key.type;
  record.spki = key.spki_hash;
  record.status = std::string(status);
  record.changed_at = at;
  return record;
}

}  // namespace hsmbridge::service
