#include "views/requests.h"

#include "workflow/machine/codec.h"

#include <cstdint>

namespace hsmbridge::views {

namespace {

Json to_json_of(const workflow::Effect& effect) {
  return Json::object({{"effect", effect.identity()}, {"due", rfc3339(effect.due)}});
}

Json explanation_json(const workflow::Explanation& explanation) {
  Json json = Json::object({{"what_happened", explanation.what_happened}, {"awaited", explanation.awaited}});
  if (explanation.since) json.set("since", rfc3339(*explanation.since));
  if (explanation.until) json.set("until", rfc3339(*explanation.until));
  json.set("approvers", Json(explanation.approvers));
  json.set("next", explanation.next);
  json.set("commands", Json(explanation.commands));
  return json;
}

}  // namespace

Json request_row(const service::RequestRow& row) {
  Json json = Json::object({{"id", row.id.str()},
                            {"kind", workflow::to_string(row.kind)},
                            {"state", row.state},
                            {"names", row.what},
                            {"key", row.key},
                            {"provider", row.provider},
                            {"waits_for", row.waits_for},
                            {"created_at", rfc3339(row.created_at)},
                            {"changed_at", rfc3339(row.changed_at)}});
  if (!row.trouble.empty()) json.set("trouble", row.trouble);
  return json;
}

Json event(const workflow::JournalEntry& entry) {
  return Json::object({{"sequence", static_cast<std::int64_t>(entry.sequence)},
                       {"at", rfc3339(entry.event.at)},
                       {"actor", entry.event.actor},
                       {"event", workflow::to_string(workflow::name_of(entry.event.body))},
                       {"state", workflow::to_string(entry.after)},
                       {"detail", service::detail_of(entry.event.body)},
                       {"body", workflow::to_json(entry.event.body)}});
}

Json late_answer(const workflow::LateAnswer& answer) {
  return Json::object({{"at", rfc3339(answer.event.at)},
                       {"actor", answer.event.actor},
                       {"event", workflow::to_string(workflow::name_of(answer.event.body))},
                       {"detail", service::detail_of(answer.event.body)},
                       {"body", workflow::to_json(answer.event.body)},
                       {"not_taken", answer.why}});
}

Json request(const service::RequestView& view) {
  Json json = request_row(service::row_of(view.record));
  json.set("sequence", static_cast<std::int64_t>(view.record.sequence));
  json.set("order", workflow::to_json(view.record.order));
  json.set("current", workflow::to_json(view.record.state));
  json.set("explanation", explanation_json(view.explanation));
  Json effects = Json::array();
  for (const auto& effect : view.effects) effects.push(to_json_of(effect));
  json.set("effects", effects);
  Json late = Json::array();
  for (const auto& answer : view.late) late.push(late_answer(answer));
  json.set("late_answers", late);
  if (view.certificate) {
    json.set("certificate", Json::object({{"sha256", view.certificate->fingerprint},
                                          {"subject", view.certificate->subject},
                                          {"issuer", view.certificate->issuer},
                                          {"serial", view.certificate->serial},
                                          {"not_before", rfc3339(view.certificate->not_before)},
                                          {"not_after", rfc3339(view.certificate->not_after)},
                                          {"status", view.certificate->status}}));
  }
  return json;
}

Json requests(const std::vector<service::RequestRow>& rows) {
  Json json = Json::array();
  for (const auto& row : rows) json.push(request_row(row));
  return json;
}

Json end_of_requests(const service::ListEnd& end) {
  Json json = Json::object();
  if (end.more > 0) json.set("next", end.last);
  return json;
}

Json explanation(const service::RequestView& view) {
  Json json = request_row(service::row_of(view.record));
  json.set("explanation", explanation_json(view.explanation));
  return json;
}

Json history(const service::RequestHistory& history) {
  Json events = Json::array();
  for (const auto& entry : history.events) events.push(event(entry));
  Json late = Json::array();
  for (const auto& answer : history.late) late.push(late_answer(answer));
  return Json::object({{"id", history.id.str()}, {"events", events}, {"late_answers", late}});
}

Json enrolment_check(const service::EnrolmentCheck& check) {
  return Json::object({{"provider", check.provider},
                       {"profile", check.profile},
                       {"csr_faults", Json(check.csr_faults)},
                       {"reasons", Json(check.reasons)},
                       {"objections", Json(check.objections)},
                       {"notes", Json(check.notes)},
                       {"dry_run", check.dry_run}});
}

}  // namespace hsmbridge::views
