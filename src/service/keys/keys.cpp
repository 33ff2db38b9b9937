#include "service/keys/keys.h"

#include "base/error.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/ports/provider.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <utility>

namespace hsmbridge::service {

namespace {

using workflow::KeyInfo;
using workflow::KeyPlan;
using workflow::KeyRing;
namespace status = workflow::status;

void refuse_taken_id(KeyRing& ring, const Bytes& id) {
  const auto taken = ring.match("id=" + hex(id));
  if (taken.empty()) return;
  throw Error{ErrorKind::conflict, fmt::format("id {} is taken in token {}", hex(id), ring.token())}.with(
      "key", taken.front().uri);
}

void record_plan(Logbook& log, const std::string& token, const KeyPlan& plan) {
  workflow::KeyRecord record;
  record.token = token;
  record.label = plan.label;
  record.cka_id = hex(plan.id);
  record.spec = x509::to_string(plan.spec);
  record.status = plan.id_from == KeyPlan::IdFrom::chosen ? status::kPlannedById : status::kPlannedAtRandom;
  record.changed_at = log.now();
  log.record_key("key-planned",
                 Json::object({{"token", token},
                               {"label", plan.label},
                               {"id", record.cka_id},
                               {"type", record.spec},
                               {"for", workflow::to_string(plan.use)}}),
                 record);
}

// A token that keeps few octets of an id, or gives one of its own, has the key under another id than the planned one:
// under that nothing will be found.
void end_other_plan(Logbook& log, const std::string& token, std::span<const KeyPlan> plans, const KeyInfo& key) {
  for (const KeyPlan& plan : plans) {
    if (plan.label != key.label || plan.id == key.id) continue;
    auto record = record_of(token, key, status::kRetired, log.now());
    record.cka_id = hex(plan.id);
    Json facts = workflow::facts_of(token, key);
    facts.set("planned_id", record.cka_id);
    log.record_key("key-plan-ended", facts, record);
  }
}

// Nothing but proofs.
workflow::Intent proof() {
  return {workflow::Purpose::proof, "proof", Json::object(), {}};
}

// What its public key may be: on a token that keeps no public objects only certificates say something about it.
std::vector<SpkiHash> public_keys_of(const KeyInfo& key) {
  if (!key.spki_hash.empty()) return {key.spki_hash};
  std::vector<SpkiHash> hashes;
  for (const auto& claim : key.claims) hashes.push_back(x509::spki_hash(claim.spki));
  return hashes;
}

bool selects(KeyRing& ring, const std::string& selector, const KeyInfo& key) {
  try {
    const auto meant = ring.match(selector);
    return std::any_of(meant.begin(), meant.end(), [&](const KeyInfo& one) {
      return one.id == key.id && one.label == key.label && one.spki == key.spki;
    });
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return false;  // a URI of another token
    throw;
  }
}

// Whether a request's words for its key mean this one.
bool means(const workflow::KeyWish& wish, KeyRing& ring, const KeyInfo& key) {
  if (wish.source == workflow::KeyWish::Source::make) {
    return (!wish.cka_id.empty() && wish.cka_id == hex(key.id)) || wish.selector == key.label;
  }
  return selects(ring, wish.selector, key);
}

bool uses(const workflow::Record& request, KeyRing& ring, const KeyInfo& key, const SameToken& same) {
  const workflow::Enroll* const wanted = request.order.enrolment();
  if (wanted == nullptr) return false;
  const auto* const ready = workflow::key_of(request.state);
  const SpkiHash pinned = ready != nullptr && !ready->spki.empty() ? ready->spki : wanted->key.spki;
  const auto possible = public_keys_of(key);
  if (!pinned.empty() && !possible.empty()) {
    return std::find(possible.begin(), possible.end(), pinned) != possible.end();
  }
  return means(wanted->key, ring, key) && same(wanted->token);
}

}  // namespace

std::vector<workflow::MadeKey> make_keys(KeyRing& ring, Logbook& log, const NewKeys& wanted) {
  if (wanted.id && wanted.labels.size() != 1) {
    throw Error{ErrorKind::invalid_input, "--id is for one key, not for --count"};
  }
  const auto open = log.open_plans(ring.token(), wanted.labels, wanted.spec, wanted.id);
  std::map<std::string, Bytes> ids;
  for (const auto& [label, plan] : open) ids[label] = plan.id;
  auto plans = ring.plan(wanted.labels, wanted.spec, ids);
  for (KeyPlan& plan : plans) {
    plan.use = wanted.use;
    const auto known = open.find(plan.label);
    // Nothing is destroyed under an id that may be a person's choice.
    const bool random = !wanted.id && (known == open.end() || known->second.random);
    if (!random) plan.id_from = KeyPlan::IdFrom::chosen;
    if (known != open.end()) continue;  // recorded by the run that planned it
    if (wanted.id) {
      refuse_taken_id(ring, *wanted.id);
      plan.id = *wanted.id;
    }
    record_plan(log, ring.token(), plan);
  }
  std::size_t made = 0;
  const auto on_made = [&](const workflow::MadeKey& key) {
    log.record_key("key-generated", ring.token(), key.key, status::kActive);
    end_other_plan(log, ring.token(), plans, key.key);
    ++made;
  };
  // Two runs of one command take the same plan up, and only the first to hold the lock makes a key of it.
  const auto on_due = [&](std::span<const KeyPlan> due) { log.expect_planned(ring.token(), due); };
  try {
    return ring.make(plans, on_made, on_due);
  } catch (...) {
    Error error = current_error();
    if (made != 0) error.with("made", fmt::format("{} of {} keys, which stay", made, plans.size()));
    throw error;
  }
}

KeyView view_key(KeyRing& ring, Logbook& log, const std::string& selector, Prove prove) {
  KeyView view;
  view.key = ring.find(selector);
  if (prove == Prove::yes) view.key = ring.identify(std::move(view.key), proof(), log.recorder());
  view.attributes = ring.attributes(view.key);
  view.contract = ring.contract(view.key);
  if (prove == Prove::yes) view.proof = ring.signer(view.key, proof(), log.recorder()).signer->prove(random_bytes(32));
  return view;
}

KeyInfo public_key(KeyRing& ring, Logbook& log, const std::string& selector) {
  KeyInfo key = ring.identify(ring.find(selector), proof(), log.recorder());
  if (!key.spki.empty()) return key;
  throw Error{ErrorKind::not_found, fmt::format("token {} shows no public part of {}", ring.token(), key.name)};
}

namespace {

// The first CA that `is_it` says yes to.
template <class IsIt>
std::optional<std::string> authority_where(Bridge& bridge, const IsIt& is_it) {
  for (const auto& settings : bridge.settings().providers) {
    if (settings.type != workflow::kLocalAuthority) continue;
    const auto provider = bridge.provider(settings.name);
    if (is_it(settings.name, dynamic_cast<const workflow::CertificateAuthority&>(*provider).key())) {
      return settings.name;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> authority_of(Bridge& bridge, KeyRing& ring, const KeyInfo& key, const std::string& except,
                                        const SameToken& same) {
  const auto possible = public_keys_of(key);
  return authority_where(bridge, [&](const std::string& name, const workflow::AuthorityKey& own) {
    if (name == except) return false;
    if (own.certified && !possible.empty()) {
      return std::find(possible.begin(), possible.end(), *own.certified) != possible.end();
    }
    if (!own.provider.empty()) return false;  // it is in no token
    return (same ? same(own.token) : own.token == ring.token()) && selects(ring, own.key, key);
  });
}

std::optional<std::string> authority_of(Bridge& bridge, const SpkiHash& key) {
  return authority_where(bridge,
                         [&](const std::string&, const workflow::AuthorityKey& own) { return own.certified == key; });
}

std::optional<std::string> authority_to_be(Bridge& bridge, const std::string& token, const std::string& label) {
  return authority_where(bridge, [&](const std::string&, const workflow::AuthorityKey& own) {
    return own.provider.empty() && own.token == token && own.key == label;
  });
}

bool has_authorities(const Bridge& bridge) {
  const auto& providers = bridge.settings().providers;
  return std::any_of(providers.begin(), providers.end(),
                     [](const auto& provider) { return provider.type == workflow::kLocalAuthority; });
}

void refuse_leaf_of_authority(const std::optional<std::string>& authority, const std::string& key,
                              const x509::Content& asked) {
  if (!authority || (asked.basic_constraints && asked.basic_constraints->ca)) return;
  throw Error{ErrorKind::refused,
              fmt::format("{} is the key of the CA {}: it gets no certificate but a CA's", key, *authority)}
      .hint("take another key");
}

std::vector<workflow::KeyRecord> forgotten_plans(workflow::Store& store) {
  workflow::KeyQuery planned;
  planned.statuses = {status::kPlanned, status::kPlannedAtRandom, status::kPlannedById};
  auto plans = store.keys(planned);
  // A plan of no request is a command's own, which may be at work or will take it up again.
  std::erase_if(plans, [&store](const workflow::KeyRecord& key) {
    workflow::Requests::ListQuery query;
    query.token = key.token;
    query.cka_id = key.cka_id;
    const auto requests = store.list(query);
    return requests.empty() || std::any_of(requests.begin(), requests.end(), [](const workflow::Record& request) {
             return !workflow::is_final(workflow::name_of(request.state));
           });
  });
  return plans;
}

std::vector<KeyInfo> forgotten_keys(workflow::Store& store, const std::string& token,
                                    const std::vector<KeyInfo>& keys) {
  std::vector<KeyInfo> forgotten;
  for (const auto& plan : forgotten_plans(store)) {
    const auto there =
        std::find_if(keys.begin(), keys.end(), [&plan](const KeyInfo& key) { return hex(key.id) == plan.cka_id; });
    // One with a certificate is in use, whatever became of the request.
    if (plan.token != token || there == keys.end() || there->has_certificate || !there->claims.empty()) continue;
    forgotten.push_back(*there);
  }
  return forgotten;
}

void refuse_in_use(workflow::Store& store, KeyRing& ring, const KeyInfo& key, const SameToken& same) {
  const auto refuse = [&](const std::string& by) {
    throw Error{ErrorKind::refused, fmt::format("key {} is needed for {}", key.name, by)}.hint(
        "give --force to destroy it anyway");
  };
  for (const SpkiHash& spki : public_keys_of(key)) {
    workflow::CertificateQuery query;
    query.spki = spki;
    for (const auto& certificate : store.certificates(query)) {
      for (const auto* needed : {status::kCurrent, status::kRevoking, status::kHeld}) {
        if (certificate.status != needed) continue;
        refuse(fmt::format("certificate {}, which is {}", certificate.fingerprint.substr(0, 12), needed));
      }
    }
  }
  // And those whose key is not known yet; all of them where nothing says which public key this is.
  std::vector<std::optional<SpkiHash>> possible{std::nullopt};
  if (const auto known = public_keys_of(key); !known.empty()) {
    possible.assign(known.begin(), known.end());
    possible.emplace_back(SpkiHash{});
  }
  for (const auto& spki : possible) {
    workflow::Requests::ListQuery open;
    open.open_only = true;
    open.most = std::numeric_limits<unsigned>::max();
    open.spki = spki;
    for (const auto& request : store.list(open)) {
      if (uses(request, ring, key, same)) refuse(fmt::format("request {}, which is open", request.order.id.str()));
    }
  }
}

void refuse_authority_key(Bridge& bridge, KeyRing& ring, const KeyInfo& key, const SameToken& same) {
  if (const auto authority = authority_of(bridge, ring, key, "", same)) {
    throw Error{ErrorKind::refused, fmt::format("key {} is the key of the CA {}", key.name, *authority)}.hint(
        "give --force to destroy it anyway: that CA issues nothing more, and signs no CRL");
  }
}

KeyInfo destroy_key(KeyRing& ring, Logbook& log, KeyInfo key, workflow::WithCertificates certificates) {
  if (certificates == workflow::WithCertificates::destroy) {
    key = ring.identify(std::move(key), proof(), log.recorder());
  }
  log.record("key-destroy", workflow::facts_of(ring.token(), key));
  ring.destroy(key, certificates);
  if (key.id.empty()) {
    log.record("key-destroyed", workflow::facts_of(ring.token(), key));
  } else {
    // Compromised it stays: whoever has a copy may sign with it.
    log.record_key("key-destroyed", ring.token(), key,
                   log.is_compromised(key.spki_hash) ? status::kCompromised : status::kDestroyed);
  }
  return key;
}

}  // namespace hsmbridge::service
