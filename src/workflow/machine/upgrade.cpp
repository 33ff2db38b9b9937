#include "workflow/machine/upgrade.h"

#include "base/error.h"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
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

// ---- version 3 of the store -----------------------------------------------------------------------------------------
// The attempt that the event says what became of; 0 for none.
unsigned answered(const EventBody& body) {
  if (const auto* answered = std::get_if<SubmissionAnswered>(&body)) return answered->attempt;
  if (const auto* found = std::get_if<FoundAtProvider>(&body)) return found->attempt;
  if (const auto* received = std::get_if<ResultReceived>(&body)) return received->attempt;
  return 0;
}

// Gathers, event by event, what the states in between held.
class Gathering {
 public:
  void take(const JournalEntry& entry) {
    const EventBody& body = entry.event.body;
    if (const auto* ready = std::get_if<KeyReady>(&body)) key_ = ready->key;
    if (const auto* frozen = std::get_if<DraftFrozen>(&body)) draft_ = frozen->draft;
    if (const auto* begun = std::get_if<AttemptStarted>(&body)) begin(begun->attempt, entry.event.at);
    if (const unsigned attempt = answered(body); attempt != 0) begin(attempt, submission_.submitted_at);
    if (const auto* there = std::get_if<ResolvedAsThere>(&body)) submission_.reference = there->reference;
    if (const auto* received = std::get_if<ResultReceived>(&body)) result_ = received->result;
    if (const auto* brought = std::get_if<ResolvedAsCertificate>(&body)) result_ = brought->result;
    if (const StatusReport* report = report_of(body)) {
      if (!report->reference.empty()) submission_.reference = report->reference;
      if (!report->provider_state.empty()) submission_.provider_state = report->provider_state;
    }
    // Given up while it may have been at the provider: what comes then is late.
    late_ = late_ || std::holds_alternative<CancelAsked>(body) || std::holds_alternative<DeadlinePassed>(body) ||
            (std::holds_alternative<DraftTooOld>(body) && entry.after == StateName::withdrawing);
  }
  bool is_complete() const { return key_ && result_ && sent_.count(submission_.attempt) != 0; }
  Quarantined complete(Quarantined bare) const {
    bare.prepared = {*key_, sent_.at(submission_.attempt), sent_.rbegin()->first};
    bare.submission = submission_;
    bare.result = *result_;
    bare.late = late_;
    return bare;
  }

 private:
  void begin(unsigned attempt, Instant at) {
    if (attempt != submission_.attempt || sent_.count(attempt) == 0) {
      submission_ = Submission{attempt, {}, {}, at};
    }
    if (draft_) sent_.try_emplace(attempt, *draft_);
  }

  std::optional<Key> key_;
  std::optional<Draft> draft_;      // the newest
  std::map<unsigned, Draft> sent_;  // by attempt
  Submission submission_{0, {}, {}, {}};
  std::optional<IssuedResult> result_;
  bool late_ = false;
};

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

Quarantined completed_from(const Quarantined& bare, const std::vector<JournalEntry>& history) {
  Gathering gathering;
  for (const JournalEntry& entry : history) gathering.take(entry);
  return gathering.is_complete() ? gathering.complete(bare) : bare;
}

}  // namespace hsmbridge::workflow
