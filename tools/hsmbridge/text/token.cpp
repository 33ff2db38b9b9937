#include "tools/hsmbridge/text/token.h"

#include "base/text.h"
#include "tools/commandline/output.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Fields;
using commandline::Table;

std::string bits_text(const workflow::MechanismInfo& mechanism) {
  if (mechanism.most_bits == 0) return "";
  if (mechanism.least_bits == mechanism.most_bits) return std::to_string(mechanism.most_bits);
  return fmt::format("{}-{}", mechanism.least_bits, mechanism.most_bits);
}

}  // namespace

std::string token_text(const workflow::TokenInfo& info) {
  Fields fields;
  fields.add("Token", info.initialized ? info.label : "(not initialised)");
  fields.add("URI", info.uri);
  fields.add("Slot", fmt::format("{} ({})", info.slot, info.slot_description));
  fields.add("Model", fmt::format("{}, {}", info.model, info.manufacturer));
  fields.add("Serial", info.serial);
  fields.add("Hardware", info.hardware_version);
  fields.add("Firmware", info.firmware_version);
  fields.add("User PIN", std::string(workflow::to_string(info.user_pin)));
  fields.add("SO PIN", std::string(workflow::to_string(info.so_pin)));
  fields.add("Flags", joined(info.flags));
  return fields.text();
}

std::string mechanisms_text(const std::vector<workflow::MechanismInfo>& mechanisms) {
  Table table({"MECHANISM", "BITS", "CAN"});
  for (const workflow::MechanismInfo& mechanism : mechanisms) {
    table.row({mechanism.name, bits_text(mechanism), joined(mechanism.flags, " ")});
  }
  return table.text();
}

}  // namespace hsmbridge::cli
