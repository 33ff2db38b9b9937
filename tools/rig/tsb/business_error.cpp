#include "tools/rig/tsb/business_error.h"

#include "base/json.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <utility>

namespace hsmbridge::rig {
namespace {

struct Row {
  int code;
  std::string_view reason;  // without the prefix "res.error."
};

// Code, reason: what this TSB says of the published table of business reasons.
constexpr std::array<Row, 29> kReasons{{
    {401, "missing.approval"},
    {402, "invalid.certificate"},
    {403, "input.invalid.signature"},
    {404, "input.timestamp.off"},
    {405, "timestamp.signer.not.allowed"},
    {406, "missing.access.token"},
    {407, "parsing.key"},
    {409, "parsing.certificate"},
    {413, "approver.not.existent"},
    {415, "request.signer.not.allowed"},
    {416, "missing.api.key"},
    {600, "input.validation.failed"},
    {601, "unsupported.approver.key.type"},
    {603, "input.keysize"},
    {606, "key.attributes.invalid"},
    {607, "algorithm.not.supported.by.key"},
    {608, "key.already.existing"},
    {609, "invalid.uuid"},
    {611, "unsupported.operation"},
    {612, "invalid.payload"},
    {614, "operation.forbidden.for.key"},
    {617, "invalid.access.token"},
    {620, "key.password.mismatch"},
    {628, "csr.invalid.format"},
    {631, "invalid.api.key"},
    {650, "key.not.existent"},
    {651, "request.not.existent"},
    {652, "task.not.existent"},
    {701, "in.hsm"},
}};

struct StatusRow {
  std::string_view prefix;  // of the decimal code
  int status;
};

// Order matters: the first prefix that fits decides.
constexpr std::array<StatusRow, 12> kStatuses{{
    {"631", 401},
    {"416", 401},
    {"45", 403},
    {"65", 404},
    {"4", 400},
    {"6", 400},
    {"2", 500},
    {"3", 500},
    {"5", 500},
    {"7", 500},
    {"10", 501},
    {"1", 500},
}};

std::string_view status_phrase(int status) {
  switch (status) {
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 415:
      return "Unsupported Media Type";
    default:
      return "Internal Server Error";
  }
}

}  // namespace

Error business_error(int code, std::string message) {
  return Error{ErrorKind::refused, std::move(message)}.with("errorCode", std::to_string(code));
}

int business_code(const Error& error) {
  const std::string_view text = error.detail("errorCode");
  int code = 0;
  std::from_chars(text.data(), text.data() + text.size(), code);
  return code;
}

std::string_view reason_of(int code) {
  static const std::array<std::string, kReasons.size()> full = [] {
    std::array<std::string, kReasons.size()> texts;
    for (std::size_t i = 0; i < kReasons.size(); ++i) texts[i] = fmt::format("res.error.{}", kReasons[i].reason);
    return texts;
  }();
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (kReasons[i].code == code) return full[i];
  }
  return "res.error.general";
}

int http_status_of(int code) {
  const std::string text = std::to_string(code);
  for (const StatusRow& row : kStatuses) {
    if (text.substr(0, row.prefix.size()) == row.prefix) return row.status;
  }
  return 500;
}

std::string business_body(int code, std::string_view message) {
  return Json::object({{"errorCode", code}, {"reason", reason_of(code)}, {"message", message}}).dump();
}

std::string spring_body(int status, std::string_view path, std::string_view timestamp) {
  return Json::object({{"timestamp", timestamp}, {"status", status}, {"error", status_phrase(status)}, {"path", path}})
      .dump();
}

}  // namespace hsmbridge::rig
