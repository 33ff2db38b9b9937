#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::pkcs11 {

class Token;
struct KeyInfo;

enum class Verdict {
  held,
  wish_not_granted,  // reported, not fatal: MODIFIABLE, COPYABLE, ALLOWED_MECHANISMS
  not_shown,         // the token accepted it in the template and does not show it (usage attributes only)
  violated,          // the key must not be used
};
std::string_view to_string(Verdict verdict);

struct ContractRow {
  std::string half;       // "private" or "public"
  std::string attribute;  // "CKA_EXTRACTABLE"
  std::string asked;      // "false"
  std::string found;      // "false", "not shown"
  Verdict verdict = Verdict::held;
};

// What was asked of a key and what the token says it has.
struct ContractReport {
  std::vector<ContractRow> rows;
  std::string quirk;  // the rung of the ladder whose template the token took: "full", or a named vendor quirk

  bool violated() const;
  // One line a violated row: "private CKA_EXTRACTABLE: asked false, found true".
  std::string violations() const;
};

// Compares a key that is on the token, however it got there, with the contract (DESIGN: hard attributes and wishes).
ContractReport check_contract(Token& token, const KeyInfo& key);

}  // namespace hsmbridge::pkcs11
