#include "pkcs11/keys/new_pair.h"

#include "base/log.h"
#include "pkcs11/keys/public_key.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

// The lengths of an id to try where the token refuses a longer one: a YubiHSM 2 keeps two octets.
constexpr std::size_t kShorterIds[] = {8, 4, 2};

struct Templates {
  Template private_half;
  Template public_half;
};

Templates templates(const KeyPlan& plan, const Quirk& quirk, const Bytes& curve_params) {
  Templates both;
  for (const ContractTerm& term : contract_terms()) {
    if (!states(quirk, term)) continue;
    Template& half = term.half == Half::private_half ? both.private_half : both.public_half;
    half.flag(term.attribute, term.value ? CK_TRUE : CK_FALSE);
  }
  both.private_half.text(CKA_LABEL, plan.label).add(CKA_ID, plan.id);
  both.public_half.text(CKA_LABEL, plan.label).add(CKA_ID, plan.id);
  if (!quirk.public_usages) both.public_half.flag(CKA_TOKEN, CK_TRUE);
  if (x509::key_kind(plan.spec).form == x509::PublicKeyForm::rsa) {
    both.public_half.number(CKA_MODULUS_BITS, plan.spec.bits).add(CKA_PUBLIC_EXPONENT, kPublicExponent);
  } else {
    both.public_half.add(CKA_EC_PARAMS, curve_params);
  }
  if (quirk.allowed_mechanisms) {
    Bytes allowed;
    for (const CK_MECHANISM_TYPE type : allowed_mechanisms(plan.spec.type, plan.use)) {
      const Bytes octets = number_octets(type);
      allowed.insert(allowed.end(), octets.begin(), octets.end());
    }
    both.private_half.add(CKA_ALLOWED_MECHANISMS, std::move(allowed));
  }
  return both;
}

CK_RV generate(const Session& session, const KeyPlan& plan, const Quirk& quirk, const Bytes& curve_params,
               NewPair& made) {
  Templates both = templates(plan, quirk, curve_params);
  CK_MECHANISM mechanism{x509::key_kind(plan.spec).token_generation, nullptr, 0};
  made.quirk = &quirk;
  made.id = plan.id;
  return session.functions().C_GenerateKeyPair(session.handle(), &mechanism, both.public_half.data(),
                                               both.public_half.size(), both.private_half.data(),
                                               both.private_half.size(), &made.public_half, &made.private_half);
}

// How some modules say that they do not know an attribute; and how any module says that something went wrong once.
bool is_vague(CK_RV rv) {
  return rv == CKR_ARGUMENTS_BAD || rv == CKR_FUNCTION_FAILED;
}

bool steps_down(CK_RV rv) {
  return return_code(rv).recovery == Recovery::smaller_template || is_vague(rv);
}

// After a C_GenerateKeyPair that failed there is no handle to go by. Half a pair under the planned id is removed; a
// full pair stays whoever made it: another worker may have carried out the same plan and used its key. Whether a key or
// a part of one is there still.
bool something_is_left(const Session& session, const KeyPlan& plan) {
  auto found = keys_with_id(session, plan.id);
  std::erase_if(found, [&](const KeyObjects& key) { return !is_of_plan(plan, key); });
  const UnderId under = sort_out(std::move(found));
  return under.holds_a_key() || remove_halves(session, plan, under) == Halves::left;
}

// Whether another tool left its mark on what has the id: a certificate, or a private key that the token did not make.
bool is_of_others(const Session& session, const KeyPlan& plan, const UnderId& under) {
  Template certificate;
  certificate.flag(CKA_TOKEN, CK_TRUE).number(CKA_CLASS, CKO_CERTIFICATE).add(CKA_ID, plan.id);
  if (!find_objects(session, std::move(certificate)).empty()) return true;
  return std::any_of(under.halves.begin(), under.halves.end(), [&](CK_OBJECT_HANDLE half) {
    constexpr CK_ATTRIBUTE_TYPE kTypes[] = {CKA_CLASS, CKA_LOCAL};
    const auto values = read_if_there(session, half, kTypes);
    if (!values || !(*values)[0] || number_of(*(*values)[0]) != CKO_PRIVATE_KEY) return false;
    return (*values)[1] && !flag_of(*(*values)[1]).value_or(true);
  });
}

[[noreturn]] void generation_failed(const Session& session, const KeyPlan& plan, CK_RV rv) {
  TokenFailure failure(rv, "C_GenerateKeyPair", fmt::format("make key {}", plan.label));
  try {
    if (something_is_left(session, plan)) {
      failure.with("left_on_token", fmt::format("id={}", hex(plan.id)));
      failure.hint(fmt::format("a key, or half of one, is on the token anyway: see it with hsmbridge key show id={}",
                               hex(plan.id)));
    }
  } catch (const std::exception& left) {
    // Found by its id when the plan is run again.
    log::warning(fmt::format("an unfinished key id={} may be left on the token: {}", hex(plan.id), left.what()));
  }
  throw failure;
}

// Every template of the ladder under one id. Nothing when the token took none; `refusal` is then the first answer.
std::optional<NewPair> climb_down(const Session& session, const KeyPlan& plan, CK_RV& refusal) {
  const std::vector<Bytes> spellings = ec_params(plan.spec);
  refusal = CKR_OK;
  for (const Quirk& quirk : quirk_ladder()) {
    for (const Bytes& spelling : spellings) {
      CK_RV rv = CKR_OK;
      // A vague answer is heard twice before it is taken for a word about the template.
      for (int round = 0; round < 2; ++round) {
        NewPair made;
        rv = generate(session, plan, quirk, spelling, made);
        if (rv == CKR_OK) {
          if (quirk.name != "full") {
            log::debug(fmt::format("key {}: the token took the template \"{}\"", plan.label, quirk.name));
          }
          return made;
        }
        const bool other_spelling =
            spellings.size() > 1 && (rv == CKR_DOMAIN_PARAMS_INVALID || rv == CKR_CURVE_NOT_SUPPORTED);
        if (!steps_down(rv) && !other_spelling) generation_failed(session, plan, rv);
        if (something_is_left(session, plan)) generation_failed(session, plan, rv);
        if (!is_vague(rv)) break;
      }
      if (refusal == CKR_OK) refusal = rv;
    }
  }
  return std::nullopt;
}

std::vector<Bytes> parts_of(const Bytes& id, std::size_t length) {
  std::vector<Bytes> parts;
  for (std::size_t at = 0; at + length <= id.size(); at += length) {
    const auto begin = id.begin() + static_cast<std::ptrdiff_t>(at);
    parts.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(length));
  }
  return parts;
}

// A shorter id for a token that refuses the plan's: a part of it, of the length behind `longer`, that is not in use.
std::optional<Bytes> shorter_id(const KeyPlan& plan, std::size_t longer, const IdInUse& in_use) {
  if (plan.id_from != KeyPlan::IdFrom::random) return std::nullopt;
  for (const std::size_t length : kShorterIds) {
    if (length >= longer) continue;
    for (Bytes& part : parts_of(plan.id, length)) {
      if (!in_use(part)) return std::move(part);
    }
  }
  return std::nullopt;
}

}  // namespace

NewPair generate_pair(const Session& session, const KeyPlan& plan, const IdInUse& in_use) {
  CK_RV first_refusal = CKR_OK;
  for (std::optional<Bytes> id = plan.id; id;) {
    KeyPlan attempt = plan;
    attempt.id = *id;
    CK_RV refusal = CKR_OK;
    if (auto made = climb_down(session, attempt, refusal)) return std::move(*made);
    if (first_refusal == CKR_OK) first_refusal = refusal;
    if (refusal != CKR_ATTRIBUTE_VALUE_INVALID) break;
    id = shorter_id(plan, id->size(), in_use);
  }
  TokenFailure failure(first_refusal, "C_GenerateKeyPair", fmt::format("make key {}", plan.label));
  if (first_refusal == CKR_ATTRIBUTE_VALUE_INVALID && plan.id_from == KeyPlan::IdFrom::chosen) {
    failure.hint(
        fmt::format("the token may take no CKA_ID of {} octets: give a shorter --id, or none", plan.id.size()));
  } else {
    failure.hint("the token took none of our templates: see its log, and hsmbridge token show for its mechanisms");
  }
  throw failure;
}

// The beginning, which a token kept that cut it off, or one of the parts that it is asked for. One octet says nothing.
bool is_part_of_id(const KeyPlan& plan, const Bytes& kept) {
  if (plan.id_from != KeyPlan::IdFrom::random || plan.id.size() != kIdOctets) return false;
  if (kept.size() < 2 || kept.size() >= plan.id.size()) return false;
  if (std::equal(kept.begin(), kept.end(), plan.id.begin())) return true;
  const auto parts = parts_of(plan.id, kept.size());
  return std::find(std::begin(kShorterIds), std::end(kShorterIds), kept.size()) != std::end(kShorterIds) &&
         std::find(parts.begin(), parts.end(), kept) != parts.end();
}

std::optional<Bytes> free_part_of_id(const KeyPlan& plan, const Bytes& taken, const IdInUse& in_use) {
  if (!is_part_of_id(plan, taken)) return std::nullopt;
  if (std::find(std::begin(kShorterIds), std::end(kShorterIds), taken.size()) == std::end(kShorterIds)) {
    return std::nullopt;
  }
  for (Bytes& part : parts_of(plan.id, taken.size())) {
    if (part != taken && !in_use(part)) return std::move(part);
  }
  return std::nullopt;
}

bool is_of_plan(const KeyPlan& plan, const KeyObjects& key) {
  const bool half = !key.private_half || !key.public_half;
  const bool unfinished = half && key.info.label.empty() && plan.id.size() == kIdOctets;
  return (key.info.label == plan.label || unfinished) && (!key.info.spec || *key.info.spec == plan.spec);
}

// A private half need not show its public value: beside two private halves, or two public ones that could be its own,
// nothing says which are a pair. Then none is called half a pair, since a half is destroyed.
UnderId sort_out(std::vector<KeyObjects> keys) {
  UnderId under;
  unsigned private_halves = 0;
  unsigned public_halves = 0;
  for (KeyObjects& key : keys) {
    private_halves += key.private_half ? 1 : 0;
    public_halves += key.public_half ? 1 : 0;
    if (!key.info.paired) under.unclear = true;
    if (key.private_half && key.public_half) {
      under.pairs.push_back(std::move(key));
    } else if (const auto half = key.private_half ? key.private_half : key.public_half) {
      under.halves.push_back(*half);
    }
  }
  if (private_halves > 1 && public_halves > 0 && under.pairs.size() < private_halves) under.unclear = true;
  if (under.unclear) under.halves.clear();
  return under;
}

Halves remove_halves(const Session& session, const KeyPlan& plan, const UnderId& under) {
  if (under.halves.empty()) return Halves::none;
  const bool ours = plan.id_from == KeyPlan::IdFrom::random && plan.id.size() == kIdOctets;
  if (!ours || is_of_others(session, plan, under)) return Halves::left;
  for (const CK_OBJECT_HANDLE half : under.halves) destroy_half(session, half);
  return Halves::none;
}

void destroy_half(const Session& session, CK_OBJECT_HANDLE handle) {
  const CK_RV rv = session.functions().C_DestroyObject(session.handle(), handle);
  if (rv != CKR_OBJECT_HANDLE_INVALID) session.check(rv, "C_DestroyObject", "remove an unfinished key");
}

}  // namespace hsmbridge::pkcs11
