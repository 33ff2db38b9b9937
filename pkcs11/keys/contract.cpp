#include "pkcs11/keys/contract.h"

#include "config/key_flaw.h"
#include "pkcs11/keys/attribute_table.h"
#include "pkcs11/keys/contract_table.h"
#include "pkcs11/token/token.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::pkcs11 {
namespace {

constexpr Half kPrivate = Half::private_half;
constexpr Half kPublic = Half::public_half;

// half | attribute | value | rule
// Omitted usages default to TRUE on SoftHSM, so every one is stated.
constexpr ContractTerm kTerms[] = {
    {kPrivate, CKA_TOKEN, true, Rule::hard},
    {kPrivate, CKA_PRIVATE, true, Rule::hard},
    {kPrivate, CKA_SENSITIVE, true, Rule::hard},
    {kPrivate, CKA_EXTRACTABLE, false, Rule::hard},
    {kPrivate, CKA_SIGN, true, Rule::hard},
    {kPrivate, CKA_DECRYPT, false, Rule::hard_usage},
    {kPrivate, CKA_UNWRAP, false, Rule::hard_usage},
    {kPrivate, CKA_DERIVE, false, Rule::hard_usage},
    {kPrivate, CKA_SIGN_RECOVER, false, Rule::hard_usage},
    {kPrivate, CKA_LOCAL, true, Rule::outcome},
    {kPrivate, CKA_ALWAYS_SENSITIVE, true, Rule::outcome},
    {kPrivate, CKA_NEVER_EXTRACTABLE, true, Rule::outcome},
    {kPrivate, CKA_MODIFIABLE, false, Rule::wish},
    {kPrivate, CKA_COPYABLE, false, Rule::wish},
    {kPublic, CKA_TOKEN, true, Rule::hard},
    {kPublic, CKA_VERIFY, true, Rule::hard_usage},
    {kPublic, CKA_ENCRYPT, false, Rule::hard_usage},
    {kPublic, CKA_WRAP, false, Rule::hard_usage},
    {kPublic, CKA_VERIFY_RECOVER, false, Rule::hard_usage},
    {kPublic, CKA_DERIVE, false, Rule::hard_usage},
    {kPublic, CKA_PRIVATE, false, Rule::wish},
    {kPublic, CKA_MODIFIABLE, false, Rule::wish},
    {kPublic, CKA_COPYABLE, false, Rule::wish},
};

// name | where the rung before it is refused | allowed_mechanisms | copyable | modifiable | false usages | public
// usages
constexpr Quirk kLadder[] = {
    {"full", "", true, true, true, true, true},
    {"no-allowed-mechanisms", "tokens that do not know CKA_ALLOWED_MECHANISMS", false, true, true, true, true},
    {"no-copyable", "PKCS#11 v2.20 tokens, which do not know CKA_COPYABLE", false, false, true, true, true},
    {"no-modifiable", "AWS CloudHSM and Cavium, which fix CKA_MODIFIABLE", false, false, false, true, true},
    {"signing-only", "Entrust nShield and others that want the small signing template", false, false, false, false,
     true},
    {"empty-public", "Google Cloud KMS, which wants an empty public template", false, false, false, false, false},
};

// attribute of the private half | what it must be | the flaw of a key of which it is not so
struct FlawTerm {
  CK_ATTRIBUTE_TYPE attribute;
  bool value;
  std::string_view flaw;
  bool usage;
};
constexpr FlawTerm kFlawTerms[] = {
    {CKA_LOCAL, true, "key-not-local", false},
    {CKA_EXTRACTABLE, false, "key-extractable", false},
    {CKA_NEVER_EXTRACTABLE, true, "key-was-extractable", false},
    {CKA_SENSITIVE, true, "key-not-sensitive", false},
    {CKA_ALWAYS_SENSITIVE, true, "key-was-not-sensitive", false},
    {CKA_PRIVATE, true, "key-not-private", false},
    {CKA_DECRYPT, false, "key-may-decrypt", true},
    {CKA_UNWRAP, false, "key-may-unwrap", true},
    {CKA_DERIVE, false, "key-may-derive", true},
    {CKA_SIGN_RECOVER, false, "key-may-sign-recover", true},
};

// What one flaw says already.
bool is_implied(std::string_view flaw, const std::vector<std::string>& found) {
  const auto has = [&](std::string_view name) { return std::find(found.begin(), found.end(), name) != found.end(); };
  if (flaw == "key-was-extractable") return has("key-not-local") || has("key-extractable");
  if (flaw == "key-was-not-sensitive") return has("key-not-local") || has("key-not-sensitive");
  return false;
}

Verdict verdict_of(const ContractTerm& term, std::optional<bool> found, bool told) {
  if (found == term.value) return Verdict::held;
  if (term.rule == Rule::wish) return Verdict::wish_not_granted;
  if (!found && term.rule == Rule::hard_usage && told) return Verdict::not_shown;
  return Verdict::violated;
}

std::string flag_text(std::optional<bool> flag) {
  return !flag ? "not shown" : *flag ? "true" : "false";
}

std::string half_text(Half half) {
  return half == kPrivate ? "private" : "public";
}

ContractRow mechanisms_row(const Session& session, const KeyObjects& key, KeyUse use) {
  const AttributeRow& form = *attribute_row(CKA_ALLOWED_MECHANISMS);
  Bytes asked;
  for (const CK_MECHANISM_TYPE type : allowed_mechanisms(key.info.spec->type, use)) {
    const Bytes octets = number_octets(type);
    asked.insert(asked.end(), octets.begin(), octets.end());
  }
  const auto found = read_attribute(session, *key.private_half, CKA_ALLOWED_MECHANISMS);
  ContractRow row{.half = "private",
                  .attribute = std::string(form.name),
                  .asked = attribute_text(form, asked),
                  .found = found ? attribute_text(form, *found) : "not shown",
                  .verdict = Verdict::wish_not_granted};
  // A token may give them in another order.
  const auto sorted = [](std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(' '), text.size());
      words.emplace_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    std::sort(words.begin(), words.end());
    return words;
  };
  if (sorted(row.found) == sorted(row.asked)) row.verdict = Verdict::held;
  if (row.found.empty()) row.found = "any";
  return row;
}

}  // namespace

std::span<const ContractTerm> contract_terms() {
  return kTerms;
}

std::span<const Quirk> quirk_ladder() {
  return kLadder;
}

std::vector<CK_MECHANISM_TYPE> allowed_mechanisms(x509::KeyType type, KeyUse use) {
  // The hashed ones too: other programs that may use the key ask for those, and they sign nothing that the raw do not.
  std::vector<CK_MECHANISM_TYPE> raw;
  std::vector<CK_MECHANISM_TYPE> hashed;
  for (const x509::SignatureAlgorithm& row : x509::signature_algorithms()) {
    if (row.key_type != type) continue;
    if (std::find(raw.begin(), raw.end(), row.token_mechanism) == raw.end()) raw.push_back(row.token_mechanism);
    if (row.hashed_mechanism != 0) hashed.push_back(row.hashed_mechanism);
  }
  raw.insert(raw.end(), hashed.begin(), hashed.end());
  if (type == x509::KeyType::rsa && use == KeyUse::tls_client) raw.push_back(CKM_RSA_X_509);
  return raw;
}

bool states(const Quirk& quirk, const ContractTerm& term) {
  if (term.rule == Rule::outcome) return false;
  if (term.half == kPublic && !quirk.public_usages) return false;
  if (term.attribute == CKA_COPYABLE) return quirk.copyable;
  if (term.attribute == CKA_MODIFIABLE) return quirk.modifiable;
  if (term.half == kPrivate && term.rule == Rule::hard_usage && !term.value) return quirk.false_usages;
  return true;
}

KeyUse use_of(const Session& session, const KeyObjects& key) {
  if (!key.private_half || !key.info.spec || key.info.spec->type != x509::KeyType::rsa) return KeyUse::sign;
  const auto octets = read_attribute(session, *key.private_half, CKA_ALLOWED_MECHANISMS);
  const Bytes raw = number_octets(CKM_RSA_X_509);
  for (std::size_t at = 0; octets && at + raw.size() <= octets->size(); at += raw.size()) {
    if (equal(ByteView(*octets).subspan(at, raw.size()), raw)) return KeyUse::tls_client;
  }
  return KeyUse::sign;
}

ContractReport compare_with_contract(const Session& session, const KeyObjects& key, const Quirk* quirk, KeyUse use) {
  ContractReport report;
  report.use = use;
  if (quirk != nullptr) report.quirk = quirk->name;
  for (const Half half : {kPrivate, kPublic}) {
    const auto object = half == kPrivate ? key.private_half : key.public_half;
    if (!object) continue;
    std::vector<const ContractTerm*> terms;
    std::vector<CK_ATTRIBUTE_TYPE> types;
    for (const ContractTerm& term : kTerms) {
      if (term.half != half) continue;
      terms.push_back(&term);
      types.push_back(term.attribute);
    }
    const auto values = read_attributes(session, *object, types);
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const ContractTerm& term = *terms[i];
      const auto found = values[i] ? flag_of(*values[i]) : std::nullopt;
      report.rows.push_back({.half = half_text(half),
                             .attribute = std::string(attribute_row(term.attribute)->name),
                             .asked = flag_text(term.value),
                             .found = flag_text(found),
                             .verdict = verdict_of(term, found, quirk != nullptr && states(*quirk, term))});
    }
  }
  if (key.private_half && key.info.spec) report.rows.push_back(mechanisms_row(session, key, use));
  return report;
}

namespace {

std::vector<CK_ATTRIBUTE_TYPE> flaw_attributes() {
  std::vector<CK_ATTRIBUTE_TYPE> types;
  for (const FlawTerm& term : kFlawTerms) types.push_back(term.attribute);
  return types;
}

// `values`: of flaw_attributes(), and others behind them.
KeyStanding standing_from(const std::vector<std::optional<Bytes>>& values) {
  KeyStanding standing;
  bool origin_not_shown = false;
  for (std::size_t i = 0; i < std::size(kFlawTerms); ++i) {
    const FlawTerm& term = kFlawTerms[i];
    const auto found = values[i] ? flag_of(*values[i]) : std::nullopt;
    if (!found) {
      standing.not_shown.emplace_back(attribute_row(term.attribute)->name);
      if (!term.usage) origin_not_shown = true;
    } else if (*found != term.value && !is_implied(term.flaw, standing.flaws)) {
      standing.flaws.emplace_back(term.flaw);
    }
  }
  if (origin_not_shown) standing.flaws.emplace_back("key-not-shown");
  return standing;
}

}  // namespace

KeyStanding standing_of_key(const Session& session, CK_OBJECT_HANDLE private_half) {
  return standing_from(read_attributes(session, private_half, flaw_attributes()));
}

std::optional<KeyStanding> standing_if_still(const Session& session, CK_OBJECT_HANDLE handle, const KeyInfo& key) {
  auto types = flaw_attributes();
  const std::size_t flaws = types.size();
  types.insert(types.end(), {CKA_ID, CKA_LABEL, CKA_CLASS});
  const auto values = read_attributes(session, handle, types);
  const auto shown = [&](std::size_t at) { return values[flaws + at].value_or(Bytes{}); };
  if (number_of(shown(2)) != CKO_PRIVATE_KEY || shown(0) != key.id || to_text(shown(1)) != key.label) {
    return std::nullopt;
  }
  return standing_from(values);
}

void refuse_flaws(const KeyStanding& standing, const std::vector<std::string>& accepted, const Token& token,
                  const KeyInfo& key) {
  std::string meanings;
  std::string names;
  for (const std::string& flaw : standing.flaws) {
    if (std::find(accepted.begin(), accepted.end(), flaw) != accepted.end()) continue;
    meanings += fmt::format("{}{}", meanings.empty() ? "" : "; it ", config::meaning_of_flaw(flaw));
    names += fmt::format("{}{}", names.empty() ? "" : ", ", flaw);
  }
  if (names.empty()) return;
  throw Error{ErrorKind::refused,
              fmt::format("key {} on token {} is not used: it {} ({})", key.name, token.name(), meanings, names)}
      .with("key", candidate_text(key))
      .with("flaws", names)
      .hint(fmt::format(
          "use a key that hsmbridge made; or accept each by name, accept: [{}], in the profile or where the "
          "configuration names the key (typed: --accept NAME)",
          names));
}

ContractReport check_contract(Token& token, const KeyInfo& key) {
  return reading(token.state(), [&](Session& session) {
    const KeyObjects found = locate(session, key);
    ContractReport report = compare_with_contract(session, found, nullptr, use_of(session, found));
    if (found.private_half) report.standing = standing_of_key(session, *found.private_half);
    return report;
  });
}

}  // namespace hsmbridge::pkcs11
