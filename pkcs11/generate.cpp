#include "pkcs11/generate.h"

#include "base/log.h"
#include "pkcs11/contract_table.h"
#include "pkcs11/mechanism_name.h"
#include "pkcs11/public_key.h"
#include "pkcs11/token.h"
#include "x509/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

using x509::KeySpec;
using x509::KeyType;

constexpr std::size_t kIdOctets = 16;

// What is on the token, as far as names go.
struct Names {
  std::map<std::string, Bytes> label_to_id;
  std::set<Bytes> ids;

  void add(const std::string& label, const Bytes& id) {
    if (!label.empty()) label_to_id.emplace(label, id);
    if (!id.empty()) ids.insert(id);
  }
};

Names all_names(const Session& session) {
  Names names;
  constexpr CK_ATTRIBUTE_TYPE kTypes[] = {CKA_LABEL, CKA_ID};
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    Template match;
    match.flag(CKA_TOKEN, CK_TRUE).number(CKA_CLASS, object_class);
    for (const CK_OBJECT_HANDLE handle : find_objects(session, std::move(match))) {
      const auto values = read_attributes(session, handle, kTypes);
      names.add(to_text(values[0].value_or(Bytes{})), values[1].value_or(Bytes{}));
    }
  }
  return names;
}

void refuse_taken_label(const Token& token, const Names& names, const std::string& label, const Bytes& own_id) {
  const auto taken = names.label_to_id.find(label);
  if (taken == names.label_to_id.end() || taken->second == own_id) return;
  throw Error{ErrorKind::conflict,
              fmt::format("token {} has a key labelled {} already: id={} has it, id={} was to get it", token.name(),
                          label, hex(taken->second), hex(own_id))}
      .with("existing_id", hex(taken->second))
      .with("new_id", hex(own_id))
      .hint("choose another label, or use the key that is there");
}

CK_MECHANISM_TYPE generation_mechanism(KeyType type) {
  switch (type) {
    case KeyType::rsa:
      return CKM_RSA_PKCS_KEY_PAIR_GEN;
    case KeyType::ec:
      return CKM_EC_KEY_PAIR_GEN;
    case KeyType::ed25519:
      return CKM_EC_EDWARDS_KEY_PAIR_GEN;
  }
  return CKM_VENDOR_DEFINED;
}

void refuse_unable_token(const Token& token, const KeySpec& spec) {
  const CK_MECHANISM_TYPE wanted = generation_mechanism(spec.type);
  for (const MechanismInfo& row : token.mechanisms()) {
    if (row.type != wanted) continue;
    // Ed25519 is given as 255 or 256 bits, and by some modules in octets: its only size is not compared.
    if (spec.type == KeyType::ed25519) return;
    if ((row.least_bits != 0 && spec.bits < row.least_bits) || (row.most_bits != 0 && spec.bits > row.most_bits)) {
      throw Error{ErrorKind::invalid_input, fmt::format("token {} makes keys of {} to {} bits, not {}", token.name(),
                                                        row.least_bits, row.most_bits, x509::to_string(spec))}
          .hint("hsmbridge token show lists what the token can do");
    }
    return;
  }
  throw Error{ErrorKind::invalid_input, fmt::format("token {} cannot make {} keys: it has no {}", token.name(),
                                                    x509::to_string(spec), mechanism_name(wanted))}
      .hint("hsmbridge token show lists what the token can do");
}

void refuse_bad_label(const std::string& label) {
  const bool control =
      std::any_of(label.begin(), label.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (label.empty() || control || label.size() > 255) {
    throw Error{ErrorKind::invalid_input, "a key's label has 1 to 255 octets and no control characters"};
  }
}

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
  if (plan.spec.type == KeyType::rsa) {
    both.public_half.number(CKA_MODULUS_BITS, plan.spec.bits).add(CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1});
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

// The two new objects. They are read back through these handles: a search for each of many keys would walk the token
// as often (a search by id is a linear scan on SoftHSM).
struct NewPair {
  CK_OBJECT_HANDLE public_half = 0;
  CK_OBJECT_HANDLE private_half = 0;
  const Quirk* quirk = nullptr;
};

CK_RV generate(const Session& session, const KeyPlan& plan, const Quirk& quirk, const Bytes& curve_params,
               NewPair& made) {
  Templates both = templates(plan, quirk, curve_params);
  CK_MECHANISM mechanism{generation_mechanism(plan.spec.type), nullptr, 0};
  made.quirk = &quirk;
  return session.functions().C_GenerateKeyPair(session.handle(), &mechanism, both.public_half.data(),
                                               both.public_half.size(), both.private_half.data(),
                                               both.private_half.size(), &made.public_half, &made.private_half);
}

bool steps_down(CK_RV rv) {
  // CKR_ARGUMENTS_BAD and CKR_FUNCTION_FAILED are how some modules say that they do not know an attribute; nothing was
  // made then, and each rung looks again.
  return return_code(rv).recovery == Recovery::smaller_template || rv == CKR_ARGUMENTS_BAD || rv == CKR_FUNCTION_FAILED;
}

void destroy_halves(const Session& session, const Bytes& id) {
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    Template match;
    match.flag(CKA_TOKEN, CK_TRUE).number(CKA_CLASS, object_class).add(CKA_ID, id);
    for (const CK_OBJECT_HANDLE handle : find_objects(session, std::move(match))) {
      const CK_RV rv = session.functions().C_DestroyObject(session.handle(), handle);
      if (rv != CKR_OBJECT_HANDLE_INVALID) session.check(rv, "C_DestroyObject", "remove an unfinished key");
    }
  }
}

// The template that the token takes. What a refused try left behind is removed before the next.
NewPair climb_down(const Session& session, const KeyPlan& plan) {
  std::vector<Bytes> spellings{ec_params(plan.spec)};
  if (plan.spec.type == KeyType::ed25519) spellings.push_back(edwards25519_name());
  CK_RV first_refusal = CKR_OK;
  for (const Quirk& quirk : quirk_ladder()) {
    for (const Bytes& spelling : spellings) {
      NewPair made;
      const CK_RV rv = generate(session, plan, quirk, spelling, made);
      if (rv == CKR_OK) {
        if (quirk.name != "full") {
          log::debug(fmt::format("key {}: the token took the template \"{}\"", plan.label, quirk.name));
        }
        return made;
      }
      const bool other_spelling =
          spellings.size() > 1 && (rv == CKR_DOMAIN_PARAMS_INVALID || rv == CKR_CURVE_NOT_SUPPORTED);
      if (!steps_down(rv) && !other_spelling) {
        session.check(rv, "C_GenerateKeyPair", fmt::format("make key {}", plan.label));
      }
      if (first_refusal == CKR_OK) first_refusal = rv;
      destroy_halves(session, plan.id);
    }
  }
  TokenFailure failure(first_refusal, "C_GenerateKeyPair", fmt::format("make key {}", plan.label));
  failure.hint("the token took none of our templates: see its log, and hsmbridge token show for its mechanisms");
  throw failure;
}

KeyObjects expect_pair(const Session& session, const KeyPlan& plan, const NewPair& made) {
  const CK_OBJECT_HANDLE handles[] = {made.private_half, made.public_half};
  auto keys = pair_objects(session, handles);
  if (keys.size() == 1 && keys.front().info.id == plan.id && keys.front().private_half && keys.front().public_half)
    return std::move(keys.front());
  throw Error{ErrorKind::corrupt, fmt::format("the token says that key {} is made, but shows {} under id={}",
                                              plan.label, keys.empty() ? "nothing" : "not one pair", hex(plan.id))};
}

void refuse_wrong_key(const KeyPlan& plan, const KeyInfo& key) {
  const bool right = key.label == plan.label && key.spec == plan.spec && key.paired;
  if (right) return;
  throw Error{ErrorKind::corrupt, fmt::format("key id={} is {} labelled {}, planned was {} labelled {}", hex(plan.id),
                                              key.type, key.label, x509::to_string(plan.spec), plan.label)};
}

MadeKey checked(const Session& session, const KeyPlan& plan, KeyObjects key, const Quirk* quirk,
                MadeKey::Origin origin) {
  refuse_wrong_key(plan, key.info);
  MadeKey made{.key = key.info, .contract = compare_with_contract(session, key, quirk, plan.use), .origin = origin};
  if (!made.contract.violated()) return made;
  Error error{ErrorKind::corrupt, fmt::format("key {} does not have the attributes that were asked for: both halves "
                                              "were destroyed",
                                              plan.label)};
  for (const ContractRow& row : made.contract.rows) {
    if (row.verdict != Verdict::violated) continue;
    error.with("violation", fmt::format("{} {}: asked {}, found {}", row.half, row.attribute, row.asked, row.found));
  }
  throw error.hint("this token does not keep the key contract and must not hold such keys");
}

MadeKey make_one(const Session& session, const Token& token, const KeyPlan& plan, Names& names) {
  refuse_bad_label(plan.label);
  if (plan.id.empty()) throw Error{ErrorKind::internal, "a key was planned without an id"};
  if (names.ids.contains(plan.id)) {
    auto found = keys_with_id(session, plan.id);
    const bool foreign = std::any_of(found.begin(), found.end(), [&](const KeyObjects& key) {
      return key.info.label != plan.label || (key.info.spec && *key.info.spec != plan.spec);
    });
    if (foreign) {
      throw Error{ErrorKind::conflict,
                  fmt::format("id={} on token {} is another key already", hex(plan.id), token.name())}
          .with("candidate", candidate_text(found.front().info))
          .hint("plan the key anew: it then gets another id");
    }
    if (found.size() == 1 && found.front().private_half && found.front().public_half) {
      try {
        // Which template it was made with is not known any more; that it was the full one is the kind assumption, and
        // it matters only for usages that the token does not show.
        MadeKey adopted =
            checked(session, plan, std::move(found.front()), &quirk_ladder().front(), MadeKey::Origin::adopted);
        adopted.contract.quirk = "adopted";
        return adopted;
      } catch (const TokenFailure&) {
        throw;
      } catch (...) {
        destroy_halves(session, plan.id);
        throw;
      }
    }
    // Half a pair of ours, or none any more.
    destroy_halves(session, plan.id);
  }
  refuse_taken_label(token, names, plan.label, plan.id);
  refuse_unable_token(token, plan.spec);
  try {
    const NewPair pair = climb_down(session, plan);
    MadeKey made = checked(session, plan, expect_pair(session, plan, pair), pair.quirk, MadeKey::Origin::generated);
    names.add(plan.label, plan.id);
    return made;
  } catch (...) {
    try {
      destroy_halves(session, plan.id);
    } catch (const std::exception& left) {
      // The first error counts. What is left is found by its id when the plan is run again.
      log::warning(fmt::format("an unfinished key id={} may be left on the token: {}", hex(plan.id), left.what()));
    }
    throw;
  }
}

}  // namespace

KeyPlan plan_key(Token& token, const std::string& label, const KeySpec& spec) {
  return std::move(plan_keys(token, std::span(&label, 1), spec).front());
}

std::vector<KeyPlan> plan_keys(Token& token, std::span<const std::string> labels, const KeySpec& spec) {
  refuse_unable_token(token, spec);
  std::set<std::string> wanted;
  for (const std::string& label : labels) {
    refuse_bad_label(label);
    if (!wanted.insert(label).second) {
      throw Error{ErrorKind::conflict, fmt::format("the label {} is given twice", label)};
    }
  }
  return reading(token.state(), [&](Session& session) {
    const Names names = all_names(session);
    std::vector<KeyPlan> plans;
    for (const std::string& label : labels) {
      KeyPlan plan{.label = label, .id = random_bytes(kIdOctets), .spec = spec};
      while (names.ids.contains(plan.id)) plan.id = random_bytes(kIdOctets);
      refuse_taken_label(token, names, label, plan.id);
      plans.push_back(std::move(plan));
    }
    return plans;
  });
}

MadeKey make_key(Token& token, const KeyPlan& plan) {
  return std::move(make_keys(token, std::span(&plan, 1)).front());
}

std::vector<MadeKey> make_keys(Token& token, std::span<const KeyPlan> plans) {
  std::vector<MadeKey> made;
  // Runs again after a lost session: what is in `made` stays, and the key that was at work is looked for by its id.
  return writing(token.state(), [&](Session& session) {
    Names names = all_names(session);
    while (made.size() < plans.size()) made.push_back(make_one(session, token, plans[made.size()], names));
    return std::move(made);
  });
}

}  // namespace hsmbridge::pkcs11
