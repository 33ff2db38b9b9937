#include "tools/hsmbridge/text/key.h"

#include "base/bytes.h"
#include "base/text.h"
#include "tools/commandline/output.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Fields;
using commandline::Table;

const workflow::ContractRow* row_of(const workflow::ContractReport& report, std::string_view half,
                                    std::string_view name) {
  const auto found = std::find_if(report.rows.begin(), report.rows.end(),
                                  [&](const auto& row) { return row.half == half && row.attribute == name; });
  return found == report.rows.end() ? nullptr : &*found;
}

// A long value (a modulus) is shortened for the table; --json has all of it.
std::string shortened(const std::string& value) {
  constexpr std::size_t kMost = 34;
  return value.size() <= kMost ? value : value.substr(0, kMost - 1) + "…";
}

// "private, public, certificate": the halves that are there.
std::string halves_text(const workflow::KeyInfo& key) {
  std::vector<std::string> halves;
  if (key.has_private) halves.emplace_back("private");
  if (key.has_public) halves.emplace_back("public");
  if (key.has_certificate) halves.emplace_back("certificate");
  if (!key.claims.empty()) halves.emplace_back("certificate not proved");
  return joined(halves);
}

}  // namespace

std::string key_text(const workflow::KeyInfo& key) {
  Fields fields;
  fields.add("Key", key.label.empty() ? "(no label)" : key.name);
  fields.add("Id", hex(key.id));
  fields.add("Type", key.type);
  fields.add("Has", halves_text(key));
  fields.add("SPKI SHA-256", key.spki_hash.str());
  fields.add("URI", key.uri);
  if (key.always_authenticate) fields.add("PIN", "required for each signature (CKA_ALWAYS_AUTHENTICATE)");
  if (!key.claims.empty()) {
    std::vector<std::string> labels;
    for (const auto& claim : key.claims) labels.push_back(claim.certificate);
    fields.add("Note", fmt::format("its CKA_ID has certificates that are not known to be its own: {}", joined(labels)));
  }
  if (!key.paired) fields.add("Note", "two public halves carry this id: which one belongs to it is not known");
  return fields.text();
}

std::string keys_text(const std::vector<workflow::KeyInfo>& keys) {
  Table table({"LABEL", "TYPE", "ID", "HAS"});
  for (const workflow::KeyInfo& key : keys) {
    std::string halves = halves_text(key);
    // The usual pair needs no words; what is missing or more does.
    table.row({key.label.empty() ? "(no label)" : key.name, key.type, hex(key.id),
               halves == "private, public"                ? "pair"
               : halves == "private, public, certificate" ? "pair, certificate"
                                                          : halves + " only"});
  }
  return table.text();
}

std::string attributes_text(const workflow::KeyAttributes& attributes, const workflow::ContractReport& report) {
  Table table({"HALF", "ATTRIBUTE", "VALUE", "CONTRACT"});
  const auto add = [&](std::string_view half, const std::vector<workflow::Attribute>& rows) {
    for (const workflow::Attribute& attribute : rows) {
      const workflow::ContractRow* asked = row_of(report, half, attribute.name);
      std::string verdict;
      if (asked != nullptr) {
        verdict = asked->verdict == workflow::Verdict::held
                      ? "held"
                      : fmt::format("{}: asked {}", workflow::to_string(asked->verdict), shortened(asked->asked));
      }
      table.row({std::string(half), attribute.name, shortened(attribute.value), verdict});
    }
    // What the contract asked and the token keeps to itself.
    for (const workflow::ContractRow& row : report.rows) {
      const bool shown = std::any_of(rows.begin(), rows.end(), [&](const auto& a) { return a.name == row.attribute; });
      if (row.half == half && !shown) {
        table.row({row.half, row.attribute, row.found, fmt::format("{}", workflow::to_string(row.verdict))});
      }
    }
  };
  add("private", attributes.private_half);
  add("public", attributes.public_half);
  return table.text();
}

}  // namespace hsmbridge::cli
