#include "views/providers.h"

#include <cstdint>
#include <utility>

namespace hsmbridge::views {

namespace {

Json abilities(const workflow::Capabilities& can) {
  Json able = Json::object();
  for (const auto& row : service::kCapabilities) able.set(std::string(row.name), can.*row.member);
  return able;
}

Json object_of(const workflow::Facts& facts) {
  Json object = Json::object();
  for (const auto& [name, value] : facts) object.set(name, value);
  return object;
}

}  // namespace

Json providers(const config::Settings& settings) {
  Json rows = Json::array();
  for (const auto& provider : settings.providers) {
    rows.push(Json::object({{"name", provider.name},
                            {"type", provider.type},
                            {"concurrency", static_cast<std::int64_t>(provider.concurrency)}}));
  }
  return Json::object({{"providers", rows}});
}

Json provider(const config::ProviderSettings& settings, const workflow::Capabilities& can) {
  return Json::object({{"name", settings.name}, {"type", settings.type}, {"capabilities", abilities(can)}});
}

Json provider_types(const std::vector<service::ProviderWay>& ways) {
  Json rows = Json::array();
  for (const auto& way : ways) {
    Json able = abilities(way.can);
    for (const auto& row : service::kExtras) able.set(std::string(row.name), way.*row.member);
    rows.push(Json::object({{"type", way.name}, {"capabilities", able}}));
  }
  return Json::object({{"types", rows}});
}

Json provider_profiles(const std::string& name, const std::vector<workflow::ProfileCatalogue::Entry>& entries) {
  Json rows = Json::array();
  for (const auto& entry : entries) {
    rows.push(Json::object({{"id", entry.id},
                            {"name", entry.name},
                            {"usable", entry.obstacles.empty()},
                            {"obstacles", Json(entry.obstacles)},
                            {"facts", object_of(entry.facts)}}));
  }
  return Json::object({{"name", name}, {"profiles", rows}});
}

Json provider_policy(const std::string& name, const workflow::Facts& facts) {
  return Json::object({{"name", name}, {"policy", object_of(facts)}});
}

}  // namespace hsmbridge::views
