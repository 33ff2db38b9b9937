#include "tools/rig/tsb/records.h"

#include "base/error.h"

#include <array>

namespace hsmbridge::rig {
namespace {

constexpr std::array<std::string_view, 7> kStatuses{"PENDING", "APPROVED", "EXECUTED", "FAILED",
                                                    "EXPIRED", "REJECTED", "CANCELLED"};
constexpr std::array<std::string_view, 4> kKinds{"sign", "csr", "certificate", "self_signed"};

Json base64_list(const std::vector<Bytes>& keys) {
  Json list = Json::array();
  for (const Bytes& key : keys) list.push(base64(key));
  return list;
}

std::vector<Bytes> bytes_list(const Json& json) {
  std::vector<Bytes> list;
  for (const Json& element : json.as_array()) list.push_back(from_base64(element.as_string()));
  return list;
}

Json time_or_null(const std::optional<Instant>& time) {
  return time ? Json(rfc3339(*time)) : Json();
}

std::optional<Instant> time_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return parse_rfc3339(json.as_string());
}

Json task_to_json(const TaskRecord& task) {
  return Json::object({{"id", task.id},
                       {"form", task.approver.form == ApproverForm::certificate ? "certificate" : "public_key"},
                       {"name", task.approver.name},
                       {"value", base64(task.approver.value)},
                       {"public_key", base64(task.approver.public_key)},
                       {"last_fetched", time_or_null(task.last_fetched)}});
}

TaskRecord task_from_json(const Json& json) {
  TaskRecord task;
  task.id = json.at("id").as_string();
  task.approver.form =
      json.at("form").as_string() == "certificate" ? ApproverForm::certificate : ApproverForm::public_key;
  task.approver.name = json.at("name").as_string();
  task.approver.value = from_base64(json.at("value").as_string());
  task.approver.public_key = from_base64(json.at("public_key").as_string());
  task.last_fetched = time_from(json.at("last_fetched"));
  return task;
}

}  // namespace

std::string_view to_string(RequestStatus status) {
  return kStatuses[static_cast<std::size_t>(status)];
}

std::optional<RequestStatus> request_status(std::string_view word) {
  for (std::size_t i = 0; i < kStatuses.size(); ++i) {
    if (kStatuses[i] == word) return static_cast<RequestStatus>(i);
  }
  return std::nullopt;
}

bool is_open(RequestStatus status) {
  return status == RequestStatus::pending || status == RequestStatus::approved;
}

const Json& RequestRecord::inner() const {
  const Json::Object& members = body.as_object();
  return members.front().first == "requestSignature" ? members.at(1).second : members.front().second;
}

Json to_json(const KeyRecord& key) {
  return Json::object({{"label", key.label},
                       {"id", key.id},
                       {"uuid", key.uuid},
                       {"algorithm", key.algorithm},
                       {"bits", key.bits},
                       {"algorithm_oid", key.algorithm_oid},
                       {"curve_oid", key.curve_oid},
                       {"password", key.password},
                       {"attributes", key.attributes},
                       {"policy", key.policy},
                       {"blocked", key.blocked},
                       {"created", rfc3339(key.created)},
                       {"certificate", base64(key.certificate)}});
}

KeyRecord key_from_json(const Json& json) {
  KeyRecord key;
  key.label = json.at("label").as_string();
  key.id = json.at("id");
  key.uuid = json.at("uuid").as_string();
  key.algorithm = json.at("algorithm").as_string();
  key.bits = static_cast<int>(json.at("bits").as_integer());
  key.algorithm_oid = json.at("algorithm_oid").as_string();
  key.curve_oid = json.at("curve_oid").as_string();
  key.password = json.at("password").as_string();
  key.attributes = json.at("attributes");
  key.policy = json.at("policy");
  if (!key.policy.is_null()) key.rule = stored_rule(key.policy);
  key.blocked = json.at("blocked").as_bool();
  key.created = parse_rfc3339(json.at("created").as_string());
  key.certificate = from_base64(json.at("certificate").as_string());
  return key;
}

Json to_json(const RequestRecord& request) {
  Json tasks = Json::array();
  for (const TaskRecord& task : request.tasks) tasks.push(task_to_json(task));
  return Json::object({{"id", request.id},
                       {"sequence", request.sequence},
                       {"kind", kKinds[static_cast<std::size_t>(request.kind)]},
                       {"key_label", request.key_label},
                       {"payload", base64(request.payload)},
                       {"algorithm", request.algorithm},
                       {"signature_type", request.signature_type},
                       {"body", request.body},
                       {"original", request.original},
                       {"approval_bytes", base64(request.approval_bytes)},
                       {"created", rfc3339(request.created)},
                       {"status", to_string(request.status)},
                       {"executed", time_or_null(request.executed)},
                       {"result", request.result ? Json(*request.result) : Json()},
                       {"handed_out", request.handed_out},
                       {"approved", base64_list(request.approved)},
                       {"rejected", base64_list(request.rejected)},
                       {"tasks", tasks}});
}

RequestRecord request_from_json(const Json& json) {
  RequestRecord request;
  request.id = json.at("id").as_string();
  request.sequence = json.at("sequence").as_integer();
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i] == json.at("kind").as_string()) request.kind = static_cast<RequestKind>(i);
  }
  request.key_label = json.at("key_label").as_string();
  request.payload = from_base64(json.at("payload").as_string());
  request.algorithm = json.at("algorithm").as_string();
  request.signature_type = json.at("signature_type").as_string();
  request.body = json.at("body");
  request.original = json.at("original").as_string();
  request.approval_bytes = from_base64(json.at("approval_bytes").as_string());
  request.created = parse_rfc3339(json.at("created").as_string());
  request.status = request_status(json.at("status").as_string()).value_or(RequestStatus::failed);
  request.executed = time_from(json.at("executed"));
  if (!json.at("result").is_null()) request.result = json.at("result").as_string();
  request.handed_out = json.at("handed_out").as_bool();
  request.approved = bytes_list(json.at("approved"));
  request.rejected = bytes_list(json.at("rejected"));
  for (const Json& task : json.at("tasks").as_array()) request.tasks.push_back(task_from_json(task));
  return request;
}

}  // namespace hsmbridge::rig
