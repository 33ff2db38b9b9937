#pragma once

#include "base/json.h"
#include "pkcs11/token/module.h"

#include <string>
#include <vector>

// Tokens as a person and as a program read them.
namespace hsmbridge::cli {

Json to_json(const pkcs11::TokenInfo& info);
Json to_json(const pkcs11::MechanismInfo& mechanism);
std::string token_text(const pkcs11::TokenInfo& info);
std::string mechanisms_text(const std::vector<pkcs11::MechanismInfo>& mechanisms);

}  // namespace hsmbridge::cli
