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

}  // namespace hsmbridge::cli
