#include "pkcs11/contract.h"

#include "pkcs11/attribute_table.h"
#include "pkcs11/contract_table.h"
#include "pkcs11/token.h"

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

std::string_view to_string(KeyUse use) {
  return use == KeyUse::sign ? "sign" : "tls-client";
}

KeyUse parse_key_use(std::string_view text) {
  for (const KeyUse use : {KeyUse::sign, KeyUse::tls_client}) {
    if (text == to_string(use)) return use;
  }
  throw Error{ErrorKind::invalid_input, fmt::format("a key is not made for \"{}\"", text)}.hint("sign or tls-client");
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::held:
      return "held";
    case Verdict::wish_not_granted:
      return "wish not granted";
    case Verdict::not_shown:
      return "not shown";
    case Verdict::violated:
      return "violated";
  }
  return "";
}

bool ContractReport::violated() const {
  return std::any_of(rows.begin(), rows.end(), [](const ContractRow& row) { return row.verdict == Verdict::violated; });
}

std::string ContractReport::violations() const {
  std::string text;
  for (const ContractRow& row : rows) {
    if (row.verdict != Verdict::violated) continue;
    if (!text.empty()) text += '\n';
    text += fmt::format("{} {}: asked {}, found {}", row.half, row.attribute, row.asked, row.found);
  }
  return text;
}

std::span<const ContractTerm> contract_terms() {
  return kTerms;
}

std::span<const Quirk> quirk_ladder() {
  return kLadder;
}

std::vector<CK_MECHANISM_TYPE> allowed_mechanisms(x509::KeyType type, KeyUse use) {
  // The hashed ones too: other programs that may use the key ask for those, and they sign nothing that the raw do not.
  switch (type) {
    case x509::KeyType::rsa: {
      std::vector<CK_MECHANISM_TYPE> allowed{
          CKM_RSA_PKCS,        CKM_RSA_PKCS_PSS,        CKM_SHA256_RSA_PKCS,     CKM_SHA384_RSA_PKCS,
          CKM_SHA512_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS, CKM_SHA384_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS};
      if (use == KeyUse::tls_client) allowed.push_back(CKM_RSA_X_509);
      return allowed;
    }
    case x509::KeyType::ec:
      return {CKM_ECDSA, CKM_ECDSA_SHA256, CKM_ECDSA_SHA384, CKM_ECDSA_SHA512};
    case x509::KeyType::ed25519:
      return {CKM_EDDSA};
  }
  return {};
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
  for (const ContractTerm& term : kTerms) {
    const auto object = term.half == kPrivate ? key.private_half : key.public_half;
    if (!object) continue;
    const auto value = read_attribute(session, *object, term.attribute);
    const auto found = value ? flag_of(*value) : std::nullopt;
    report.rows.push_back({.half = half_text(term.half),
                           .attribute = std::string(attribute_row(term.attribute)->name),
                           .asked = flag_text(term.value),
                           .found = flag_text(found),
                           .verdict = verdict_of(term, found, quirk != nullptr && states(*quirk, term))});
  }
  if (key.private_half && key.info.spec) report.rows.push_back(mechanisms_row(session, key, use));
  return report;
}

ContractReport check_contract(Token& token, const KeyInfo& key) {
  return reading(token.state(), [&](Session& session) {
    const KeyObjects found = locate(session, key);
    return compare_with_contract(session, found, nullptr, use_of(session, found));
  });
}

}  // namespace hsmbridge::pkcs11
