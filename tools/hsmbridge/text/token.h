#pragma once

#include "base/json.h"
#include "pkcs11/keys/contract.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/token/module.h"

#include <string>
#include <vector>

// Tokens and keys as a person and as a program read them.
namespace hsmbridge::cli {

Json to_json(const pkcs11::TokenInfo& info);
Json to_json(const pkcs11::MechanismInfo& mechanism);
std::string token_text(const pkcs11::TokenInfo& info);
std::string mechanisms_text(const std::vector<pkcs11::MechanismInfo>& mechanisms);

Json to_json(const pkcs11::KeyInfo& key);
std::string key_text(const pkcs11::KeyInfo& key);
// "private, public, certificate": the halves that are there.
std::string halves_text(const pkcs11::KeyInfo& key);
std::string keys_text(const std::vector<pkcs11::KeyInfo>& keys);

Json to_json(const pkcs11::ContractReport& report);
// A table of every attribute, the contract's column beside the attributes it speaks about.
std::string attributes_text(const pkcs11::KeyAttributes& attributes, const pkcs11::ContractReport& report);
Json to_json(const pkcs11::KeyAttributes& attributes);

}  // namespace hsmbridge::cli
