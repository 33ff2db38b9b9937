#include "views/approvals.h"

#include "workflow/machine/codec.h"

namespace hsmbridge::views {

namespace {

Json task_json(const workflow::ApprovalTask& task) {
  Json json = Json::object({{"task", task.id},
                            {"title", task.title},
                            {"key_label", task.key_label},
                            {"payload_sha256", task.payload_sha256}});
  // What cannot be read asks for nothing that could be named.
  if (!task.fault.empty()) {
    json.set("fault", task.fault);
  } else if (!task.key_label.empty()) {
    json.set("operation", "sign");
  }
  if (task.asked_at) json.set(task.key_label.empty() ? "asked_at" : "hsm_time", rfc3339(*task.asked_at));
  if (task.origin) json.set("request", task.origin->request);
  if (!task.status.empty()) {
    json.set("status", task.status);
    json.set("quorum", task.progress.quorum);
    Json people = Json::array();
    for (const auto& person : task.progress.approvers) {
      people.push(Json::object(
          {{"name", person.name.empty() ? person.key : person.name}, {"decision", to_string(person.decision)}}));
    }
    json.set("approvers", people);
    if (task.progress.about_until) json.set("until", rfc3339(*task.progress.about_until));
  }
  return json;
}

}  // namespace

Json approvals(const std::string& person, const std::string& provider,
               const std::vector<workflow::ApprovalTask>& tasks) {
  return Json::object({{"person", person}, {"provider", provider}, {"tasks", Json::list(tasks, task_json)}});
}

Json approval(const service::ApprovalView& view) {
  Json json = task_json(view.task);
  json.set("text", view.task.text);
  json.set("meta_data", view.task.note);
  if (!view.task.summary.empty()) json.set("summary", view.task.summary);
  if (!view.task.note_signed.empty()) json.set("meta_data_signed", view.task.note_signed);
  if (view.judged) {
    json.set("compared_with", view.compared);
    json.set("objections", Json(view.judged->objections));
    json.set("deviations", Json(view.judged->deviations));
  }
  return json;
}

Json approval_decision(const std::string& person, const std::string& provider, const service::ApprovalView& view,
                       const std::string& decision, const std::string& reason) {
  Json json = approval(view);
  json.set("decision", decision);
  json.set("person", person);
  json.set("provider", provider);
  if (!reason.empty()) json.set("reason", reason);
  return json;
}

}  // namespace hsmbridge::views
