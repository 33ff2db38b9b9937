#include "tools/hsmbridge/text/token.h"

#include "base/bytes.h"
#include "base/json_text.h"
#include "tools/commandline/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Fields;
using commandline::Table;

std::string joined(const std::vector<std::string>& words, std::string_view between = ", ") {
  return fmt::format("{}", fmt::join(words, between));
}

std::string bits_text(const pkcs11::MechanismInfo& mechanism) {
  if (mechanism.most_bits == 0) return "";
  if (mechanism.least_bits == mechanism.most_bits) return std::to_string(mechanism.most_bits);
  return fmt::format("{}-{}", mechanism.least_bits, mechanism.most_bits);
}

const pkcs11::ContractRow* row_of(const pkcs11::ContractReport& report, std::string_view half, std::string_view name) {
  const auto found = std::find_if(report.rows.begin(), report.rows.end(),
                                  [&](const auto& row) { return row.half == half && row.attribute == name; });
  return found == report.rows.end() ? nullptr : &*found;
}

// A long value (a modulus) is shortened for the table; --json has all of it.
std::string shortened(const std::string& value) {
  constexpr std::size_t kMost = 34;
  return value.size() <= kMost ? value : value.substr(0, kMost - 1) + "…";
}

}  // namespace

Json to_json(const pkcs11::TokenInfo& info) {
  Json object = Json::object();
  set_text(object, "label", info.label);
  object.set("uri", Json(info.uri));
  object.set("slot", Json(static_cast<std::uint64_t>(info.slot)));
  set_text(object, "slot_description", info.slot_description);
  set_text(object, "manufacturer", info.manufacturer);
  set_text(object, "model", info.model);
  set_text(object, "serial", info.serial);
  object.set("hardware_version", Json(info.hardware_version));
  object.set("firmware_version", Json(info.firmware_version));
  object.set("initialized", Json(info.initialized));
  object.set("user_pin", Json(pkcs11::to_string(info.user_pin)));
  object.set("so_pin", Json(pkcs11::to_string(info.so_pin)));
  object.set("flags", Json(info.flags));
  return object;
}

Json to_json(const pkcs11::MechanismInfo& mechanism) {
  return Json::object({{"name", Json(mechanism.name)},
                       {"type", Json(static_cast<std::uint64_t>(mechanism.type))},
                       {"least_bits", Json(static_cast<std::uint64_t>(mechanism.least_bits))},
                       {"most_bits", Json(static_cast<std::uint64_t>(mechanism.most_bits))},
                       {"flags", Json(mechanism.flags)}});
}

std::string token_text(const pkcs11::TokenInfo& info) {
  Fields fields;
  fields.add("Token", info.initialized ? info.label : "(not initialised)");
  fields.add("URI", info.uri);
  fields.add("Slot", fmt::format("{} ({})", info.slot, info.slot_description));
  fields.add("Model", fmt::format("{}, {}", info.model, info.manufacturer));
  fields.add("Serial", info.serial);
  fields.add("Hardware", info.hardware_version);
  fields.add("Firmware", info.firmware_version);
  fields.add("User PIN", std::string(pkcs11::to_string(info.user_pin)));
  fields.add("SO PIN", std::string(pkcs11::to_string(info.so_pin)));
  fields.add("Flags", joined(info.flags));
  return fields.text();
}

std::string mechanisms_text(const std::vector<pkcs11::MechanismInfo>& mechanisms) {
  Table table({"MECHANISM", "BITS", "CAN"});
  for (const pkcs11::MechanismInfo& mechanism : mechanisms) {
    table.row({mechanism.name, bits_text(mechanism), joined(mechanism.flags, " ")});
  }
  return table.text();
}

Json to_json(const pkcs11::KeyInfo& key) {
  Json object = Json::object();
  set_text(object, "label", key.label);
  object.set("id", Json(hex(key.id)));
  object.set("type", Json(key.type));
  object.set("spki_sha256", Json(key.spki_hash.str()));
  object.set("private", Json(key.has_private));
  object.set("public", Json(key.has_public));
  object.set("certificate", Json(key.has_certificate));
  object.set("always_authenticate", Json(key.always_authenticate));
  object.set("paired", Json(key.paired));
  object.set("uri", Json(key.uri));
  if (!key.claims.empty()) {
    Json others = Json(Json::Array{});
    for (const auto& claim : key.claims) others.push(Json(claim.certificate));
    object.set("certificates_of_unknown_keys", std::move(others));
  }
  return object;
}

std::string halves_text(const pkcs11::KeyInfo& key) {
  std::vector<std::string> halves;
  if (key.has_private) halves.emplace_back("private");
  if (key.has_public) halves.emplace_back("public");
  if (key.has_certificate) halves.emplace_back("certificate");
  if (!key.claims.empty()) halves.emplace_back("certificate not proved");
  return joined(halves);
}

std::string key_text(const pkcs11::KeyInfo& key) {
  Fields fields;
  fields.add("Key", key.label.empty() ? "(no label)" : key.name());
  fields.add("Id", hex(key.id));
  fields.add("Type", key.type);
  fields.add("Has", halves_text(key));
  fields.add("SPKI SHA-256", key.spki_hash.str());
  fields.add("URI", key.uri);
  if (key.always_authenticate) fields.add("PIN", "asked for each signature (CKA_ALWAYS_AUTHENTICATE)");
  if (!key.claims.empty()) {
    std::vector<std::string> labels;
    for (const auto& claim : key.claims) labels.push_back(claim.certificate);
    fields.add("Note", fmt::format("its CKA_ID has certificates that are not known to be its own: {}", joined(labels)));
  }
  if (!key.paired) fields.add("Note", "two public halves carry this id: which one belongs to it is not known");
  return fields.text();
}

std::string keys_text(const std::vector<pkcs11::KeyInfo>& keys) {
  Table table({"LABEL", "TYPE", "ID", "HAS"});
  for (const pkcs11::KeyInfo& key : keys) {
    std::string halves = halves_text(key);
    // The usual pair needs no words; what is missing or more does.
    table.row({key.label.empty() ? "(no label)" : key.name(), key.type, hex(key.id),
               halves == "private, public"                ? "pair"
               : halves == "private, public, certificate" ? "pair, certificate"
                                                          : halves + " only"});
  }
  return table.text();
}

Json to_json(const pkcs11::ContractReport& report) {
  Json rows = Json(Json::Array{});
  for (const pkcs11::ContractRow& row : report.rows) {
    rows.push(Json::object({{"half", Json(row.half)},
                            {"attribute", Json(row.attribute)},
                            {"asked", Json(row.asked)},
                            {"found", Json(row.found)},
                            {"verdict", Json(pkcs11::to_string(row.verdict))}}));
  }
  return Json::object({{"violated", Json(report.violated())},
                       {"use", Json(pkcs11::to_string(report.use))},
                       {"template", Json(report.quirk)},
                       {"rows", std::move(rows)}});
}

std::string attributes_text(const pkcs11::KeyAttributes& attributes, const pkcs11::ContractReport& report) {
  Table table({"HALF", "ATTRIBUTE", "VALUE", "CONTRACT"});
  const auto add = [&](std::string_view half, const std::vector<pkcs11::Attribute>& rows) {
    for (const pkcs11::Attribute& attribute : rows) {
      const pkcs11::ContractRow* asked = row_of(report, half, attribute.name);
      std::string verdict;
      if (asked != nullptr) {
        verdict = asked->verdict == pkcs11::Verdict::held
                      ? "held"
                      : fmt::format("{}: asked {}", pkcs11::to_string(asked->verdict), shortened(asked->asked));
      }
      table.row({std::string(half), attribute.name, shortened(attribute.value), verdict});
    }
    // What the contract asked and the token keeps to itself.
    for (const pkcs11::ContractRow& row : report.rows) {
      const bool shown = std::any_of(rows.begin(), rows.end(), [&](const auto& a) { return a.name == row.attribute; });
      if (row.half == half && !shown) {
        table.row({row.half, row.attribute, row.found, fmt::format("{}", pkcs11::to_string(row.verdict))});
      }
    }
  };
  add("private", attributes.private_half);
  add("public", attributes.public_half);
  return table.text();
}

Json to_json(const pkcs11::KeyAttributes& attributes) {
  const auto half = [](const std::vector<pkcs11::Attribute>& rows) {
    Json object = Json::object();
    for (const pkcs11::Attribute& attribute : rows) {
      object.set(attribute.name, Json(attribute.value));
    }
    return object;
  };
  return Json::object({{"private", half(attributes.private_half)}, {"public", half(attributes.public_half)}});
}

}  // namespace hsmbridge::cli
