#pragma once

#include "base/json.h"
#include "pkcs11/keys/intended_use.h"

#include <functional>
#include <string>
#include <string_view>

namespace hsmbridge::cli {

// Appends a leaf to the audit log: durable when it returns. Throws unavailable: then nothing may leave the process.
using RecordFact = std::function<void(std::string_view kind, const Json& facts)>;

// What a leaf says of a use: the key, the purpose, the algorithm, the SHA-256 of what is signed, and the key's flaws.
Json use_facts(const pkcs11::IntendedUse& use, const std::string& purpose);

// Every use is a leaf before it happens: a proof is a "key-prove", anything else a `kind` ("key-use") that names what
// the key was opened for, with `more`.
pkcs11::UseJournal use_journal(RecordFact record, std::string kind, std::string purpose, Json more = Json::object());

}  // namespace hsmbridge::cli
