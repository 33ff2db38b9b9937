#pragma once

#include "pkcs11/keys/generate.h"
#include "tools/hsmbridge/wiring/command_context.h"

#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::cli {

// Keys that a command makes itself, outside any request.
struct NewKeys {
  std::vector<std::string> labels;
  x509::KeySpec spec;
  pkcs11::KeyUse use = pkcs11::KeyUse::sign;
  std::optional<Bytes> id;  // of the one key; else 16 random bytes each
};

// Makes them. Where there is a store, each plan is on disk before the token is told to make its key, and each key as
// soon as it is made; a plan of an earlier run that was not carried out as far as is known is taken up again, so that
// the key it left complete is used and half a pair is removed.
// Throws what plan_keys and make_keys throw; with the detail "made" when some of several were made.
std::vector<pkcs11::MadeKey> make_keys(CommandContext& context, pkcs11::Token& token, const NewKeys& wanted);

}  // namespace hsmbridge::cli
