#pragma once

#include "base/error.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/token/token.h"
#include "support/faulty_module/faults.h"
#include "support/softhsm/softhsm.h"

#include <memory>
#include <stdexcept>
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

// The doors of the library with a journal that keeps nothing, for tests of something else.
inline std::unique_ptr<pkcs11::TokenKey> open_key(std::shared_ptr<pkcs11::Token> token, const pkcs11::KeySelector& key,
                                                  std::vector<std::string> accepted = {}) {
  return pkcs11::TokenKey::open(
      std::move(token), key, [](const pkcs11::IntendedUse&) {}, std::move(accepted));
}
inline std::unique_ptr<pkcs11::TokenKey> open_key(std::shared_ptr<pkcs11::Token> token, pkcs11::KeyInfo key,
                                                  std::vector<std::string> accepted = {}) {
  return pkcs11::TokenKey::open(
      std::move(token), std::move(key), [](const pkcs11::IntendedUse&) {}, std::move(accepted));
}
inline std::unique_ptr<pkcs11::TokenKey> open_pinned_key(std::shared_ptr<pkcs11::Token> token,
                                                         const pkcs11::KeySelector& key, const SpkiHash& expected,
                                                         std::vector<std::string> accepted = {}) {
  return pkcs11::TokenKey::open_pinned(
      std::move(token), key, expected, [](const pkcs11::IntendedUse&) {}, std::move(accepted));
}

// Keeps what was about to be used; or refuses, as an audit log that cannot be written.
class UsesSeen {
 public:
  struct Use {
    pkcs11::IntendedUse::Act act;
    Bytes spki;
    std::string signed_sha256;
  };
  pkcs11::UseJournal journal() {
    return [this](const pkcs11::IntendedUse& use) {
      if (refusing) throw Error{ErrorKind::unavailable, "the audit log cannot be written"};
      uses.push_back({use.act, use.key.spki, use.signed_sha256});
    };
  }
  std::vector<Use> uses;
  bool refusing = false;
};

// The kind and text of what `work` throws, for exact comparison; fails the test when it throws nothing.
template <class Work>
Error error_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  throw std::logic_error("an Error was expected and nothing was thrown");
}

std::vector<std::string> details(const Error& error, std::string_view name);

}  // namespace hsmbridge::test
