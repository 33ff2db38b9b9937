#pragma once

#include "workflow/ports/key_ring.h"

#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

class Token;
using workflow::ContractReport;
using workflow::ContractRow;
using workflow::KeyInfo;
using workflow::KeyStanding;
using workflow::KeyUse;
using workflow::Verdict;

// Throws refused when a flaw is not among the accepted ones; it names each.
void refuse_flaws(const KeyStanding& standing, const std::vector<std::string>& accepted, const Token& token,
                  const KeyInfo& key);

// Compares a key that is on the token, however it got there, with the contract (hard attributes and wishes: contract.cpp). An
// RSA key whose CKA_ALLOWED_MECHANISMS names raw RSA was made for KeyUse::tls_client and is compared with that
// contract; one that may do anything was not.
ContractReport check_contract(Token& token, const KeyInfo& key);

}  // namespace hsmbridge::pkcs11
