#include "pkcs11/keys/generate.h"

#include "base/log.h"
#include "pkcs11/cryptoki/mechanism_name.h"
#include "pkcs11/keys/contract_table.h"
#include "pkcs11/keys/new_pair.h"
#include "pkcs11/login/token_lock.h"
#include "pkcs11/token/token.h"
#include "x509/asn1/unicode.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

using x509::KeySpec;

// How many of a batch are made before the token is searched for keys of the same names.
constexpr std::size_t kConfirmedAtOnce = 64;
// And for how long at most: other processes wait for the lock meanwhile.
constexpr Duration kConfirmedWithin{10'000};
// Longer than a waiting process sleeps between two looks at the lock, so that a long batch lets others in.
constexpr Duration kBetweenChunks{120};

// What is on the token, as far as names go. Each name is looked for when it is asked about, and once: what a key costs
// does not grow with the keys that are there.
class Names {
 public:
  explicit Names(const Session& session) : session_(session) {}

  // What the objects of a key made here are called, so that they are not read where a search gives their handles.
  void know(const NewPair& pair, const Bytes& id) {
    known_.insert_or_assign(pair.private_half, Object{CKO_PRIVATE_KEY, id});
    known_.insert_or_assign(pair.public_half, Object{CKO_PUBLIC_KEY, id});
  }
  // Every holder counts, not only the first: one of them is another key.
  std::optional<Bytes> other_holder(const std::string& label, const Bytes& own_id) {
    for (const Object& holder : under_label(label)) {
      if (holder.id != own_id) return holder.id;
    }
    return std::nullopt;
  }
  bool in_use(const Bytes& id) { return !id.empty() && (taken_.contains(id) || !under_id(id).empty()); }
  // From now on, whatever a search found before.
  void take(const Bytes& id) { taken_.insert(id); }
  void add(const std::string& label, const Bytes& id) {
    take(id);
    by_label_[label].push_back({CKO_PRIVATE_KEY, id});
  }
  // The id under which the planned key is to be looked for. A token that keeps few octets of an id holds the key of
  // this plan, made before a crash, under its label and a part of the planned id.
  Bytes id_of(const KeyPlan& plan) {
    if (in_use(plan.id)) return plan.id;
    const auto& holders = under_label(plan.label);
    const bool one = std::all_of(holders.begin(), holders.end(),
                                 [&](const Object& holder) { return holder.id == holders.front().id; });
    return one && !holders.empty() && is_part_of_id(plan, holders.front().id) ? holders.front().id : plan.id;
  }
  // How many private halves carry that id, which two workers of one plan give with one label too. An id that a person
  // chose, or a part of one, two plans may have got.
  std::size_t private_halves(const KeyPlan& plan, const Bytes& id) {
    const bool ours_alone = plan.id_from == KeyPlan::IdFrom::random && id.size() >= kIdOctets;
    const auto& found = ours_alone ? under_label(plan.label) : under_id(id);
    return static_cast<std::size_t>(std::count_if(found.begin(), found.end(), [&](const Object& object) {
      return object.object_class == CKO_PRIVATE_KEY && object.id == id;
    }));
  }

 private:
  struct Object {
    CK_OBJECT_CLASS object_class = 0;
    Bytes id;
  };
  using Objects = std::vector<Object>;

  const Objects& under_label(const std::string& label) {
    const auto [at, unasked] = by_label_.try_emplace(label);
    if (unasked && !label.empty()) at->second = search(Template().flag(CKA_TOKEN, CK_TRUE).text(CKA_LABEL, label));
    return at->second;
  }
  const Objects& under_id(const Bytes& id) {
    const auto [at, unasked] = by_id_.try_emplace(id);
    if (unasked) at->second = search(Template().flag(CKA_TOKEN, CK_TRUE).add(CKA_ID, id));
    return at->second;
  }
  Objects search(Template match) const {
    Objects keys;
    constexpr CK_ATTRIBUTE_TYPE kTypes[] = {CKA_CLASS, CKA_ID};
    for (const CK_OBJECT_HANDLE handle : find_objects(session_, std::move(match))) {
      if (const auto known = known_.find(handle); known != known_.end()) {
        keys.push_back(known->second);
        continue;
      }
      const auto values = read_if_there(session_, handle, kTypes);
      const auto object_class = values && (*values)[0] ? number_of(*(*values)[0]) : std::nullopt;
      if (object_class != CKO_PRIVATE_KEY && object_class != CKO_PUBLIC_KEY) continue;
      keys.push_back({*object_class, (*values)[1].value_or(Bytes{})});
    }
    return keys;
  }

  const Session& session_;
  std::map<std::string, Objects> by_label_;
  std::map<Bytes, Objects> by_id_;
  std::map<CK_OBJECT_HANDLE, Object> known_;
  std::set<Bytes> taken_;
};

Error label_taken(const Token& token, const std::string& label, const Bytes& existing, const Bytes& own_id) {
  return Error{ErrorKind::conflict,
               fmt::format("token {} has a key labelled {} already: id={} has it, id={} was to get it", token.name(),
                           label, hex(existing), hex(own_id))}
      .with("existing_id", hex(existing))
      .with("new_id", hex(own_id))
      .hint("choose another label, or use the key that is there");
}

void refuse_taken_label(const Token& token, Names& names, const std::string& label, const Bytes& own_id) {
  if (const auto other = names.other_holder(label, own_id)) throw label_taken(token, label, *other, own_id);
}

void refuse_unable_token(const Token& token, const KeySpec& spec) {
  const CK_MECHANISM_TYPE wanted = x509::key_kind(spec).token_generation;
  if (const auto row = token.mechanism(wanted)) {
    // Ed25519 is given as 255 or 256 bits, and by some modules in octets: an only size is not compared.
    if (x509::key_kind(spec).form == x509::PublicKeyForm::octets) return;
    if ((row->least_bits != 0 && spec.bits < row->least_bits) || (row->most_bits != 0 && spec.bits > row->most_bits)) {
      throw Error{ErrorKind::invalid_input, fmt::format("token {} makes keys of {} to {} bits, not {}", token.name(),
                                                        row->least_bits, row->most_bits, x509::to_string(spec))}
          .hint("hsmbridge token show lists what the token can do");
    }
    return;
  }
  throw Error{ErrorKind::invalid_input, fmt::format("token {} cannot make {} keys: it has no {}", token.name(),
                                                    x509::to_string(spec), mechanism_name(wanted))}
      .hint("hsmbridge token show lists what the token can do");
}

// A label is typed again to name the key: what reads as another kind of selector, or does not read as it looks, would
// name another key or none.
void refuse_bad_label(const std::string& label) {
  if (label.empty() || label.size() > 255 || x509::has_control(label)) {
    throw Error{ErrorKind::invalid_input,
                "a key's label has 1 to 255 octets of UTF-8 and no control or invisible characters"};
  }
  for (const std::string_view prefix : {"id=", "pkcs11:"}) {
    if (!label.starts_with(prefix)) continue;
    throw Error{ErrorKind::invalid_input,
                fmt::format("a key's label does not begin with {}: it would be read as another name of a key", prefix)}
        .hint("choose another label");
  }
}

// The two objects that one call made, and nothing else that has their id. The error that led here counts, so this one
// has none of its own.
void destroy_own(const Session& session, const KeyPlan& plan, const NewPair& own) {
  for (const CK_OBJECT_HANDLE handle : {own.private_half, own.public_half}) {
    try {
      destroy_half(session, handle);
    } catch (const std::exception& left) {
      log::warning(fmt::format("a key labelled {} that was not to stay (planned id={}) may be left on the token: {}",
                               plan.label, hex(plan.id), left.what()));
    }
  }
}

// The pair, by the handles that the call gave: they are certain whatever id the token gave it. An id that we chose at
// random may be shortened or replaced by the token's own, as long as it names no other key.
KeyObjects expect_pair(const Session& session, const KeyPlan& plan, const NewPair& made) {
  const CK_OBJECT_HANDLE handles[] = {made.private_half, made.public_half};
  auto keys = pair_objects(session, handles);
  if (keys.size() != 1 || !keys.front().private_half || !keys.front().public_half) {
    throw Error{ErrorKind::corrupt, fmt::format("the token says that key {} is made, but shows {} under id={}",
                                                plan.label, keys.empty() ? "nothing" : "not one pair", hex(plan.id))};
  }
  KeyObjects& key = keys.front();
  const Bytes& kept = key.info.id;
  if (kept == plan.id || kept == made.id) return std::move(key);
  Error error{ErrorKind::corrupt, fmt::format("the token keeps id={} for key {} instead of id={}",
                                              kept.empty() ? "(none)" : hex(kept), plan.label, hex(plan.id))};
  if (plan.id_from == KeyPlan::IdFrom::chosen) {
    throw std::move(error).hint(
        kept.empty()
            ? "the token keeps no CKA_ID of our choice: leave --id out"
            : fmt::format("the token may keep only {} octets of a CKA_ID: give an --id of that length, or none",
                          kept.size()));
  }
  if (kept.empty()) throw error;
  const auto holders = keys_with_id(session, kept);
  if (holders.size() == 1 && holders.front().private_half == key.private_half) return std::move(key);
  for (const KeyObjects& holder : holders) error.with("candidate", candidate_text(holder.info));
  error.with("taken_id", hex(kept));
  throw std::move(error).hint("another key has that id already: choose another label, the key then gets another id");
}

void refuse_wrong_key(const KeyPlan& plan, const KeyInfo& key) {
  const bool right = key.label == plan.label && key.spec == plan.spec && key.paired;
  if (!right) {
    throw Error{ErrorKind::corrupt, fmt::format("key id={} is {} labelled {}, planned was {} labelled {}", hex(plan.id),
                                                key.type, key.label, x509::to_string(plan.spec), plan.label)};
  }
  const auto rsa = x509::rsa_numbers(key.spki);
  if (!rsa || rsa->exponent == kPublicExponent) return;
  throw Error{ErrorKind::corrupt, fmt::format("key {} has the public exponent {}, asked was 65537 (010001)", plan.label,
                                              hex(rsa->exponent))};
}

// `told`: the template that the token took, as far as is known.
MadeKey checked(const Session& session, const KeyPlan& plan, const KeyObjects& key, const Quirk* told,
                MadeKey::Origin origin) {
  refuse_wrong_key(plan, key.info);
  MadeKey made{.key = key.info, .contract = compare_with_contract(session, key, told, plan.use), .origin = origin};
  if (origin == MadeKey::Origin::adopted) made.contract.quirk = "adopted";
  if (!made.contract.violated()) return made;
  Error error{ErrorKind::corrupt, fmt::format("key {} does not have the attributes that were asked for", plan.label)};
  for (const ContractRow& row : made.contract.rows) {
    if (row.verdict != Verdict::violated) continue;
    error.with("violation", fmt::format("{} {}: asked {}, found {}", row.half, row.attribute, row.asked, row.found));
  }
  throw error;
}

enum class Fate { destroyed, left, made_earlier };

// The error of a key that is not as asked, with what became of the key.
Error with_fate(const Error& wrong, const KeyPlan& plan, Fate fate) {
  const std::string_view words = fate == Fate::destroyed ? "both halves were destroyed"
                                 : fate == Fate::left
                                     ? "it is not used, and was left on the token"
                                     : "it was made by an earlier run, is not used and was left on the token";
  Error error = wrong.restated(wrong.kind(), fmt::format("{}: {}", wrong.message(), words));
  if (!wrong.hint().empty()) return error;
  if (fate == Fate::destroyed) {
    return std::move(error).hint("this token does not keep the key contract and must not hold such keys");
  }
  return std::move(error).hint(fmt::format(
      "look at it: hsmbridge key show id={}; delete it if nobody uses it, then make a key again", hex(plan.id)));
}

void refuse_foreign_key(const Token& token, const KeyPlan& plan, const std::vector<KeyObjects>& found) {
  for (const KeyObjects& key : found) {
    if (is_of_plan(plan, key)) continue;
    throw Error{ErrorKind::conflict,
                fmt::format("id={} on token {} is another key already", hex(plan.id), token.name())}
        .with("candidate", candidate_text(key.info))
        .hint("plan the key again: it then gets another id");
  }
}

// Two workers that carried out one plan, each on its own host: which of the keys was used is not for us to guess.
Error not_one_pair(const Token& token, const KeyPlan& plan, const std::vector<KeyInfo>& found) {
  Error error{ErrorKind::conflict, fmt::format("token {} holds more than one key pair under id={}, or halves that "
                                               "cannot be told apart: none was used and none destroyed",
                                               token.name(), hex(plan.id))};
  for (const KeyInfo& key : found) error.with("candidate", candidate_text(key));
  return std::move(error).hint(
      fmt::format("see which one is used (hsmbridge key list), and delete the other with the vendor's tool; then run "
                  "it again"));
}

Error not_ours_to_destroy(const Token& token, const KeyPlan& plan, const std::vector<KeyInfo>& found) {
  Error error{ErrorKind::conflict, fmt::format("id={} on token {} is half of a key pair that another program may have "
                                               "made: it was not used and not destroyed",
                                               hex(plan.id), token.name())};
  for (const KeyInfo& key : found) error.with("candidate", candidate_text(key));
  return std::move(error).hint(
      fmt::format("look at it: hsmbridge key show id={}; choose another label and id, or delete it if nobody uses it",
                  hex(plan.id)));
}

// The key that an earlier run of the plan left complete. Half a pair of it is removed.
// `told` and `origin`: as for checked().
std::optional<MadeKey> adopt(const Session& session, const Token& token, const KeyPlan& plan, const Quirk* told,
                             MadeKey::Origin origin) {
  auto found = keys_with_id(session, plan.id);
  refuse_foreign_key(token, plan, found);
  std::vector<KeyInfo> infos;
  for (const KeyObjects& key : found) infos.push_back(key.info);
  const UnderId under = sort_out(std::move(found));
  if (under.unclear || under.pairs.size() > 1) throw not_one_pair(token, plan, infos);
  if (remove_halves(session, plan, under) == Halves::left) throw not_ours_to_destroy(token, plan, infos);
  if (under.pairs.empty()) return std::nullopt;
  const KeyObjects& key = under.pairs.front();
  try {
    // Raw RSA is raw decryption: a key that may do it is none for signing only.
    if (plan.use == KeyUse::sign && use_of(session, key) == KeyUse::tls_client) {
      throw Error{ErrorKind::corrupt, fmt::format("key {} was made for TLS client authentication (--for tls-client), "
                                                  "planned was one that signs only",
                                                  plan.label)};
    }
    return checked(session, plan, key, told, origin);
  } catch (const TokenFailure&) {
    throw;
  } catch (const Error& error) {
    throw with_fate(error, plan, Fate::made_earlier);
  }
}

// A key of this run, with its handles while the login lasts that they belong to.
struct Work {
  MadeKey key;
  NewPair handles;
  unsigned long epoch = 0;
};

// A key that this run made and did not read back yet: it is looked for as a plan of an earlier run is.
struct Unread {
  Bytes plan;  // its id
  const Quirk* quirk = nullptr;
};

// What one look shows may be a fault of reading: a key is judged, and destroyed, by what two looks show.
MadeKey read_back(const Session& session, const KeyPlan& plan, const NewPair& pair) {
  try {
    return checked(session, plan, expect_pair(session, plan, pair), pair.quirk, MadeKey::Origin::generated);
  } catch (const TokenFailure&) {
    throw;
  } catch (const Error& error) {
    log::debug(fmt::format("{}; it is read again", error.message()));
  }
  return checked(session, plan, expect_pair(session, plan, pair), pair.quirk, MadeKey::Origin::generated);
}

Work make_one(const Session& session, const Token& token, const KeyPlan& plan, Names& names, Unread& unread) {
  refuse_bad_label(plan.label);
  if (plan.id.empty()) throw Error{ErrorKind::internal, "a key was planned without an id"};
  KeyPlan there = plan;
  there.id = names.id_of(plan);
  refuse_taken_label(token, names, plan.label, there.id);
  const unsigned long epoch = session.token().epoch;
  if (names.in_use(there.id)) {
    // A pair under a long random id that we journalled was made by us: what it does not show of its usages it was told.
    const bool ours = plan.id_from == KeyPlan::IdFrom::random && plan.id.size() == kIdOctets;
    const bool of_this_run = unread.plan == plan.id;
    const Quirk* const told = of_this_run ? unread.quirk : ours ? &quirk_ladder().front() : nullptr;
    const auto origin = of_this_run ? MadeKey::Origin::generated : MadeKey::Origin::adopted;
    if (auto adopted = adopt(session, token, there, told, origin)) return {std::move(*adopted), {}, epoch};
    if (there.id != plan.id) throw label_taken(token, plan.label, there.id, plan.id);
  }
  refuse_unable_token(token, plan.spec);
  KeyPlan asked = plan;
  for (;;) {
    const auto in_use = [&](const Bytes& id) { return names.in_use(id); };
    const NewPair pair = generate_pair(session, asked, in_use);
    unread = {plan.id, pair.quirk};
    try {
      MadeKey made = read_back(session, plan, pair);
      names.add(plan.label, made.key.id);
      return {std::move(made), pair, epoch};
    } catch (TokenFailure& failure) {
      // Not seen is not wrong. This call may be a late one, whose pair another worker has adopted and used meanwhile;
      // whoever runs the plan again finds the pair by its id.
      failure.with("left_on_token", fmt::format("id={}", hex(pair.id)));
      throw;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::corrupt) throw;
      // Under another epoch these handles may be somebody else's objects.
      const bool own = session.token().epoch == epoch;
      if (own) destroy_own(session, plan, pair);
      // A token that cuts an id off without a word, and what is left of it names another key.
      const Bytes taken = from_hex(error.detail("taken_id"));
      names.take(taken);
      const auto part = own ? free_part_of_id(plan, taken, in_use) : std::nullopt;
      if (!part) throw with_fate(error, plan, own ? Fate::destroyed : Fate::left);
      asked.id = *part;
    }
  }
}

// Nothing keeps another host from making keys on the same token at the same moment. Each looks once more after its own
// key is there, so that at least one of two sees the other, and takes its own key back.
class Batch {
 public:
  Batch(const Token& token, std::span<const KeyPlan> plans, const KeyMade& on_made)
      : token_(token), plans_(plans), on_made_(on_made) {}

  // May be called again after a lost session: what was made stays, and the key that was at work is looked for by its
  // id.
  void run_chunk(const Session& session) {
    const auto until = std::chrono::steady_clock::now() + kConfirmedWithin;
    const std::size_t end = std::min(plans_.size(), confirmed_ + kConfirmedAtOnce);
    Names names(session);
    try {
      while (work_.size() < end) {
        work_.push_back(make_one(session, token_, plans_[work_.size()], names, unread_));
        if (std::chrono::steady_clock::now() >= until) break;
      }
    } catch (...) {
      confirm_before_failing(session);
      throw;
    }
    confirm(session);
  }

  std::span<const KeyPlan> next() const {
    const auto left = plans_.subspan(confirmed_);
    return left.first(std::min(left.size(), kConfirmedAtOnce));
  }

  std::vector<MadeKey> made() && {
    std::vector<MadeKey> made;
    for (Work& one : work_) made.push_back(std::move(one.key));
    return made;
  }

 private:
  void confirm(const Session& session) {
    if (confirmed_ == work_.size()) return;
    Names names(session);
    for (const Work& one : work_) {
      if (one.handles.private_half != 0 && one.epoch == session.token().epoch) names.know(one.handles, one.key.key.id);
    }
    std::optional<Error> failure;
    for (; confirmed_ < work_.size(); ++confirmed_) {
      const Work& one = work_[confirmed_];
      const KeyPlan& plan = plans_[confirmed_];
      auto refused = refusal(names, one, plan);
      if (!refused) {
        if (on_made_) on_made_(one.key);
        continue;
      }
      // An adopted key stays: whoever made it may have used it.
      if (one.handles.private_half != 0) take_back(session, one, plan);
      if (!failure) failure = std::move(refused);
    }
    if (failure) throw std::move(*failure);
  }

  // The keys before the one that failed are whole: their caller hears of them.
  void confirm_before_failing(const Session& session) {
    try {
      confirm(session);
    } catch (const std::exception& error) {
      log::warning(fmt::format("keys that were made before the failure: {}", error.what()));
    }
  }

  std::optional<Error> refusal(Names& names, const Work& one, const KeyPlan& plan) const {
    const Bytes& id = one.key.key.id;
    if (const auto other = names.other_holder(plan.label, id)) return label_taken(token_, plan.label, *other, id);
    if (one.key.origin == MadeKey::Origin::adopted || names.private_halves(plan, id) < 2) return std::nullopt;
    return Error{ErrorKind::unavailable, fmt::format("another worker made key {} (id={}) on token {} meanwhile",
                                                     plan.label, hex(id), token_.name())}
        .hint("run it again: the key that is there is used");
  }

  void take_back(const Session& session, const Work& one, const KeyPlan& plan) const {
    if (one.epoch == session.token().epoch) return destroy_own(session, plan, one.handles);
    log::warning(fmt::format("key {} id={} is left on token {}: its handles died with the session", plan.label,
                             hex(plan.id), token_.name()));
  }

  const Token& token_;
  std::span<const KeyPlan> plans_;
  const KeyMade& on_made_;
  std::vector<Work> work_;
  Unread unread_;
  std::size_t confirmed_ = 0;
};

}  // namespace

KeyPlan plan_key(Token& token, const std::string& label, const KeySpec& spec) {
  return std::move(plan_keys(token, std::span(&label, 1), spec).front());
}

std::vector<KeyPlan> plan_keys(Token& token, std::span<const std::string> labels, const KeySpec& spec,
                               const std::map<std::string, Bytes>& open_plans) {
  refuse_unable_token(token, spec);
  std::set<std::string> wanted;
  for (const std::string& label : labels) {
    refuse_bad_label(label);
    if (!wanted.insert(label).second) {
      throw Error{ErrorKind::conflict, fmt::format("the label {} is given twice", label)};
    }
  }
  return reading(token.state(), [&](Session& session) {
    Names names(session);
    std::vector<KeyPlan> plans;
    for (const std::string& label : labels) {
      KeyPlan plan{.label = label, .id = random_bytes(kIdOctets), .spec = spec};
      const auto open = open_plans.find(label);
      if (open != open_plans.end()) plan.id = open->second;
      // A new plan left nothing on the token yet: whoever has its label is another key, whatever its id looks like.
      refuse_taken_label(token, names, label, open != open_plans.end() ? names.id_of(plan) : plan.id);
      plans.push_back(std::move(plan));
    }
    return plans;
  });
}

MadeKey make_key(Token& token, const KeyPlan& plan) {
  return std::move(make_keys(token, std::span(&plan, 1)).front());
}

std::vector<MadeKey> make_keys(Token& token, std::span<const KeyPlan> plans, const KeyMade& on_made,
                               const KeysDue& on_due) {
  Batch batch(token, plans, on_made);
  while (!batch.next().empty()) {
    // Logged in before the lock is taken: a prompt may take minutes.
    writing(token.state(), [](Session&) { return true; });
    {
      const TokenLock lock(LockedWork::making_keys, token.state().uri, token.access().making_wait);
      if (on_due) on_due(batch.next());
      writing(token.state(), [&](Session& session) {
        batch.run_chunk(session);
        return true;
      });
    }
    if (!batch.next().empty()) std::this_thread::sleep_for(kBetweenChunks);
  }
  return std::move(batch).made();
}

}  // namespace hsmbridge::pkcs11
