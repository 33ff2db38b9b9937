#include "audit/leaf.h"

#include "base/bytes.h"

#include <algorithm>
#include <utility>

namespace hsmbridge::audit {

Json canonical(const Json& json) {
  if (json.is_array()) {
    Json::Array elements;
    for (const Json& element : json.as_array()) elements.push_back(canonical(element));
    return Json(std::move(elements));
  }
  if (!json.is_object()) return json;
  Json::Object members;
  for (const auto& [name, value] : json.as_object()) members.emplace_back(name, canonical(value));
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return Json(std::move(members));
}

std::string event_leaf(std::string_view request, std::uint64_t sequence, std::string_view event, std::string_view body,
                       std::string_view actor, Instant at) {
  return Json::object({{"actor", actor},
                       {"at", rfc3339(at)},
                       {"body_sha256", hex(sha256(as_bytes(body)))},
                       {"event", event},
                       {"request", request},
                       {"sequence", sequence}})
      .dump();
}

std::string fact_leaf(std::string_view kind, const Json& fact, std::string_view actor, Instant at) {
  return Json::object({{"actor", actor}, {"at", rfc3339(at)}, {"fact", canonical(fact)}, {"kind", kind}}).dump();
}

}  // namespace hsmbridge::audit
