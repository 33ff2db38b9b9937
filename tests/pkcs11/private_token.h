#pragma once

#include "base/error.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/token/token.h"
#include "support/error_of.h"
#include "support/faulty_module/faults.h"
#include "support/softhsm/softhsm.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {

enum class Through { softhsm, faulty_module };

// A token of the test's own on the SoftHSM of this process, with its own memory of refusals.
class PrivateToken {
 public:
  explicit PrivateToken(Through through = Through::softhsm);

  // A new Token object on it. `pin`: what the PIN source gives.
  std::shared_ptr<pkcs11::Token> open(const std::string& pin = kPin);
  pkcs11::TokenAccess access(const std::string& pin = kPin) const;
  ProgramResult tool(const std::vector<std::string>& arguments) const;

  inline static const std::string kPin = "1234567";
  inline static const std::string kOfficerPin = "87654321";
  std::string label;
  std::string serial;
  std::shared_ptr<pkcs11::Module> module;
  std::shared_ptr<pkcs11::MemoryPinRefusals> refusals = std::make_shared<pkcs11::MemoryPinRefusals>();
};

// Every flaw of a key accepted, for keys that other programs made with whatever attributes they like.
std::vector<std::string> any_flaw();

// A key opened for a CSR, with a log that keeps nothing, for tests of something else.
inline workflow::Intent for_csr(std::vector<std::string> accepted = {}) {
  return {workflow::Purpose::csr, "csr", Json::object(), std::move(accepted)};
}
inline void forget_use(std::string_view, const Json&) {}
inline std::unique_ptr<pkcs11::TokenKey> open_key(std::shared_ptr<pkcs11::Token> token, const pkcs11::KeySelector& key,
                                                  std::vector<std::string> accepted = {}) {
  return pkcs11::TokenKey::open(std::move(token), key, for_csr(std::move(accepted)), forget_use);
}
inline std::unique_ptr<pkcs11::TokenKey> open_key(std::shared_ptr<pkcs11::Token> token, pkcs11::KeyInfo key,
                                                  std::vector<std::string> accepted = {}) {
  return pkcs11::TokenKey::open(std::move(token), std::move(key), for_csr(std::move(accepted)), forget_use);
}
inline std::unique_ptr<pkcs11::TokenKey> open_pinned_key(std::shared_ptr<pkcs11::Token> token,
                                                         const pkcs11::KeySelector& key, const SpkiHash& expected,
                                                         std::vector<std::string> accepted = {}) {
  return pkcs11::TokenKey::open_pinned(std::move(token), key, expected, for_csr(std::move(accepted)), forget_use);
}

// Keeps the leaves about keys; or refuses, as an audit log that cannot be written.
class UsesSeen {
 public:
  struct Use {
    std::string kind;
    std::string spki_sha256;
    std::string signed_sha256;
  };
  workflow::RecordFact log() {
    return [this](std::string_view kind, const Json& facts) {
      if (refusing) throw Error{ErrorKind::unavailable, "the audit log cannot be written"};
      uses.push_back({std::string(kind), facts.at("spki_sha256").as_string(), facts.string_or("signed_sha256", "")});
    };
  }
  std::vector<std::string> kinds() const {
    std::vector<std::string> kinds;
    for (const Use& use : uses) kinds.push_back(use.kind);
    return kinds;
  }
  std::vector<Use> uses;
  bool refusing = false;
};

std::vector<std::string> details(const Error& error, std::string_view name);

}  // namespace hsmbridge::test
