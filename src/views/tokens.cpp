#include "views/tokens.h"

#include "base/json_text.h"
#include "views/error.h"

#include <cstdint>
#include <utility>

namespace hsmbridge::views {

Json token(const workflow::TokenInfo& info) {
  Json object = Json::object();
  set_text(object, "label", info.label);
  object.set("uri", info.uri);
  object.set("slot", static_cast<std::uint64_t>(info.slot));
  set_text(object, "slot_description", info.slot_description);
  set_text(object, "manufacturer", info.manufacturer);
  set_text(object, "model", info.model);
  set_text(object, "serial", info.serial);
  object.set("hardware_version", info.hardware_version);
  object.set("firmware_version", info.firmware_version);
  object.set("initialized", info.initialized);
  object.set("user_pin", workflow::to_string(info.user_pin));
  object.set("so_pin", workflow::to_string(info.so_pin));
  object.set("flags", Json(info.flags));
  return object;
}

Json token(const service::TokenView& view) {
  Json object = token(view.info);
  object.set("name", view.name);
  object.set("module", view.module.string());
  Json mechanisms = Json::array();
  for (const auto& mechanism : view.mechanisms) {
    mechanisms.push(Json::object({{"name", mechanism.name},
                                  {"type", static_cast<std::uint64_t>(mechanism.type)},
                                  {"least_bits", static_cast<std::uint64_t>(mechanism.least_bits)},
                                  {"most_bits", static_cast<std::uint64_t>(mechanism.most_bits)},
                                  {"flags", Json(mechanism.flags)}}));
  }
  object.set("mechanisms", std::move(mechanisms));
  return object;
}

Json tokens(const std::vector<service::ListedToken>& tokens) {
  Json rows = Json::array();
  for (const auto& one : tokens) {
    Json row = Json::object({{"name", one.name}, {"module", one.module.string()}});
    if (one.info) row.set("token", token(*one.info));
    if (one.error) row.set("error", error(*one.error));
    rows.push(std::move(row));
  }
  return Json::object({{"tokens", rows}});
}

Json tokens(const workflow::ModuleInfo& module, const std::vector<workflow::TokenInfo>& tokens) {
  Json rows = Json::array();
  for (const auto& info : tokens) rows.push(token(info));
  return Json::object({{"module", module.path.string()}, {"description", module.description}, {"tokens", rows}});
}

Json token_login(const workflow::TokenInfo& info) {
  return Json::object({{"token", info.label}, {"uri", info.uri}, {"logged_in", info.login_required}});
}

}  // namespace hsmbridge::views
