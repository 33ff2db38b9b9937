#include "workflow/ports/key_ring.h"

#include "base/error.h"
#include "base/json_text.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::workflow {

std::string_view to_string(KeyUse use) {
  return use == KeyUse::sign ? "sign" : "tls-client";
}

KeyUse parse_key_use(std::string_view text) {
  for (const KeyUse use : {KeyUse::sign, KeyUse::tls_client}) {
    if (text == to_string(use)) return use;
  }
  throw Error{ErrorKind::invalid_input, fmt::format("a key is not made for \"{}\"", text)}.hint("sign or tls-client");
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::held:
      return "held";
    case Verdict::wish_not_granted:
      return "wish not granted";
    case Verdict::not_shown:
      return "not shown";
    case Verdict::violated:
      return "violated";
  }
  return "";
}

bool ContractReport::violated() const {
  return std::any_of(rows.begin(), rows.end(), [](const ContractRow& row) { return row.verdict == Verdict::violated; });
}

std::string ContractReport::violations() const {
  std::string text;
  for (const ContractRow& row : rows) {
    if (row.verdict != Verdict::violated) continue;
    if (!text.empty()) text += '\n';
    text += fmt::format("{} {}: asked {}, found {}", row.half, row.attribute, row.asked, row.found);
  }
  return text;
}

Json facts_of(const std::string& token, const KeyInfo& key) {
  Json facts = Json::object({{"token", token}});
  set_text(facts, "label", key.label);
  facts.set("id", hex(key.id));
  facts.set("type", key.type);
  facts.set("spki_sha256", key.spki_hash.str());
  return facts;
}

}  // namespace hsmbridge::workflow
