#include "workflow/machine/upgrade.h"

#include "base/error.h"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace hsmbridge::workflow {
namespace {

Json without(const Json& json, std::initializer_list<std::string_view> names) {
  Json rest = Json::object();
  for (const auto& [name, value] : json.as_object()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) rest.set(name, value);
  }
  return rest;
}

// ---- schema 1 ---------------------------------------------------------------------------------------------------
// An order had the members of every kind; what was asked of its certificate was JSON in a text.
Json order_of_1(const Json& old) {
  const std::string& kind = old.at("kind").as_string();
  if (kind == "revoke") return without(old, {"token", "key", "ask", "targets"});
  Json order = kind == "renew" ? without(old, {"ask", "reason"}) : without(old, {"ask", "predecessor", "reason"});
  const std::string& asked = old.at("ask").as_string();
  return order.set("content", asked.empty() ? Json::object() : Json::parse(asked));
}

// A result came within the report of the call that brought it, or alone when it was fetched.
Json event_of_1(const Json& old) {
  const std::string& word = old.at("event").as_string();
  if (word == "HandoutUnreadable") return without(old, {}).set("event", "ResultUnreadable");
  if (word == "HandedOut") {
    const Json progress =
        Json::object({{"approvers", Json::array()}, {"quorum", ""}, {"about_until", nullptr}, {"note", ""}});
    const Json report = Json::object({{"standing", "handed_out"},
                                      {"provider_status", ""},
                                      {"message", ""},
                                      {"by", ""},
                                      {"reference", ""},
                                      {"provider_state", old.at("provider_state")},
                                      {"progress", progress},
                                      {"retry_after", nullptr}});
    return without(old, {"provider_state"}).set("event", "ResultReceived").set("attempt", 0).set("report", report);
  }
  const Json* report = old.find("report");
  if (report == nullptr) return old;
  Json event = without(old, {}).set("report", without(*report, {"handout"}));
  const Json& result = report->at("handout");
  if (result.is_null()) return event;
  if (event.find("attempt") == nullptr) event.set("attempt", 0);
  return event.set("event", "ResultReceived").set("handout", result);
}

}  // namespace

Json upgraded(Text what, const Json& json) {
  const std::int64_t schema = json.integer_or("schema", 1);
  if (schema > kJournalSchema) {
    throw Error{ErrorKind::corrupt,
                fmt::format("it is of journal schema {}, and this hsmbridge reads up to {}", schema, kJournalSchema)}
        .hint("a newer hsmbridge wrote it: use that one on this store");
  }
  if (schema != 1 || json.find("schema") != nullptr) {
    throw Error{ErrorKind::corrupt, fmt::format("there is no journal schema {}", schema)};
  }
  Json current = what == Text::order ? order_of_1(json) : what == Text::event ? event_of_1(json) : json;
  return current.set("schema", kJournalSchema);
}

}  // namespace hsmbridge::workflow
