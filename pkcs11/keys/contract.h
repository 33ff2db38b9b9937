#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::pkcs11 {

class Token;
struct KeyInfo;

// What else the key will do besides the signatures of this program.
enum class KeyUse {
  sign,
  // TLS client authentication through libp11, which pads RSA-PSS by itself and asks for raw RSA (CKM_RSA_X_509). Raw
  // RSA signing equals raw decryption, so other RSA keys are not allowed it.
  tls_client,
};

// "sign", "tls-client"; parse_key_use throws invalid_input for another word.
std::string_view to_string(KeyUse use);
KeyUse parse_key_use(std::string_view text);

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

// How a key that is there stands to the contract of its private half, as it is judged before each use.
struct KeyStanding {
  std::vector<std::string> flaws;      // names of config::key_flaws()
  std::vector<std::string> not_shown;  // attributes that the token does not show: "CKA_DERIVE"
};
// What was asked of a key and what the token says it has.
struct ContractReport {
  std::vector<ContractRow> rows;
  KeyUse use = KeyUse::sign;  // whose contract it is
  KeyStanding standing;       // as it is judged before each use; empty for a key without a private half
  std::string quirk;          // the rung of the ladder whose template the token took: "full", or a named vendor quirk

  bool violated() const;
  // One line a violated row: "private CKA_EXTRACTABLE: asked false, found true".
  std::string violations() const;
};

// Throws refused when a flaw is not among the accepted ones; it names each.
void refuse_flaws(const KeyStanding& standing, const std::vector<std::string>& accepted, const Token& token,
                  const KeyInfo& key);

// Compares a key that is on the token, however it got there, with the contract (DESIGN: hard attributes and wishes). An
// RSA key whose CKA_ALLOWED_MECHANISMS names raw RSA was made for KeyUse::tls_client and is compared with that
// contract; one that may do anything was not.
ContractReport check_contract(Token& token, const KeyInfo& key);

}  // namespace hsmbridge::pkcs11
