#include "tools/hsmbridge/wiring/key_journal.h"

#include "tools/hsmbridge/wiring/command_context.h"

#include <utility>

namespace hsmbridge::cli {

Json use_facts(const pkcs11::IntendedUse& use, const std::string& purpose) {
  Json facts = key_facts(use.token, use.key);
  facts.set("purpose", purpose);
  if (!use.algorithm.empty()) facts.set("algorithm", std::string(use.algorithm));
  if (!use.signed_sha256.empty()) facts.set("signed_sha256", use.signed_sha256);
  facts.set("flaws", Json(use.standing.flaws));
  return facts;
}

pkcs11::UseJournal use_journal(RecordFact record, std::string kind, std::string purpose, Json more) {
  return [record = std::move(record), kind = std::move(kind), purpose = std::move(purpose),
          more = std::move(more)](const pkcs11::IntendedUse& use) {
    Json facts = use_facts(use, purpose);
    for (const auto& [name, value] : more.as_object()) facts.set(name, value);
    record(use.act == pkcs11::IntendedUse::Act::proof ? "key-prove" : kind, facts);
  };
}

}  // namespace hsmbridge::cli
