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

// Code, reason: the published table of business reasons, spelling mistakes included.
constexpr std::array<Row, 76> kReasons{{
    {100, "impl"},
    {101, "not.implemented"},
    {102, "operation.unreachable"},
    {103, "general"},
    {200, "init"},
    {300, "config.not.existent"},
    {301, "config.not.valid"},
    {302, "invalid.config.input"},
    {400, "security.not.allowed"},
    {401, "missing.approval"},
    {402, "invalid.certificate"},
    {403, "input.invalid.signature"},
    {404, "input.timestamp.off"},
    {405, "timestamp.signer.not.allowed"},
    {406, "missing.access.token"},
    {407, "parsing.key"},
    {408, "reading.pem"},
    {409, "parsing.certificate"},
    {410, "decrypt.failed"},
    {411, "invalid.certificate.request"},
    {412, "invalid.onetimepassword"},
    {413, "approver.not.existent"},
    {414, "approver.not.onboarded"},
    {415, "request.signer.not.allowed"},
    {416, "missing.api.key"},
    {450, "client.subscription"},
    {451, "client.endpoint.not.licensed"},
    {500, "data.invalid.constellation"},
    {501, "invalid.value.for.enum"},
    {600, "input.validation.failed"},
    {601, "unsupported.approver.key.type"},
    {602, "unsupported.combination.of.approval.types"},
    {603, "input.keysize"},
    {604, "input.no.name.for.certificate.approver"},
    {605, "unsupported.cryptocurrency"},
    {606, "key.attributes.invalid"},
    {607, "algorithm.not.supported.by.key"},
    {608, "key.already.existing"},
    {609, "invalid.uuid"},
    {610, "invalid.key.name"},
    {611, "unsupported.operation"},
    {612, "invalid.payload"},
    {613, "invalid.key.type"},
    {614, "operation.forbidden.for.key"},
    {615, "data.object.already.existing"},
    {616, "data.object.invalid.value"},
    {617, "invalid.access.token"},
    {618, "insufficient.login.information"},
    {619, "invalid.number.range"},
    {620, "key.password.mismatch"},
    {621, "invalid.json"},
    {623, "invalid.file.header"},
    {624, "key.invalid.tagLength"},
    {625, "key.invalid.encoding"},
    {626, "certificate.invalid.encoding"},
    {627, "invalid.key.id"},
    {628, "csr.invalid.format"},
    {629, "unsupported.cipher"},
    {630, "invalid.address.on.non.ska.key"},
    {631, "invalid.api.key"},
    {632, "approver.already.existing"},
    {633, "input.no.value.for.approver.mgmt"},
    {634, "derivation.not.supported.by.algorithm"},
    {635, "encoding.exception"},
    {650, "key.not.existent"},
    {651, "request.not.existent"},
    {652, "task.not.existent"},
    {653, "data.object.not.existent"},
    {654, "approver.not.existent"},
    {700, "in.subystem"},
    {701, "in.hsm"},
    {702, "creation.integrity.key"},
    {703, "io"},
    {704, "file.not.found"},
    {1, "technical"},
    {2, "connectivity"},
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
