#pragma once

#include "providers/securosys/wire/wire.h"

#include <string_view>

// What the TSB calls an algorithm of ours (its `signatureAlgorithm`).
namespace hsmbridge::securosys {

// "SHA256_WITH_ECDSA" for "ecdsa-sha256"; "" for an algorithm that the TSB cannot sign with.
std::string_view algorithm_word(std::string_view name);

// Whether the TSB's certificate endpoints take it: they know java keytool's names, without PSS.
bool issues_certificates_with(std::string_view name, Generation generation);

}  // namespace hsmbridge::securosys
