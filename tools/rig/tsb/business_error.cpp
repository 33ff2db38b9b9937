#include "tools/rig/tsb/business_error.h"

#include "base/json.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/server/call.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hsmbridge::rig {
namespace {

struct ReasonRow {
  int code;
  int status;
  std::string_view reason;  // without the prefix "res.error."
};

// Code, HTTP status, reason: what this TSB says of the published table of business reasons.
constexpr std::array<ReasonRow, 29> kBusinessReasons{{
    {401, 400, "missing.approval"},
    {402, 400, "invalid.certificate"},
    {403, 400, "input.invalid.signature"},
    {404, 400, "input.timestamp.off"},
    {405, 400, "timestamp.signer.not.allowed"},
    {406, 400, "missing.access.token"},
    {407, 400, "parsing.key"},
    {409, 400, "parsing.certificate"},
    {413, 400, "approver.not.existent"},
    {415, 400, "request.signer.not.allowed"},
    {416, 401, "missing.api.key"},
    {600, 400, "input.validation.failed"},
    {601, 400, "unsupported.approver.key.type"},
    {603, 400, "input.keysize"},
    {606, 400, "key.attributes.invalid"},
    {607, 400, "algorithm.not.supported.by.key"},
    {608, 400, "key.already.existing"},
    {609, 400, "invalid.uuid"},
    {611, 400, "unsupported.operation"},
    {612, 400, "invalid.payload"},
    {614, 400, "operation.forbidden.for.key"},
    {617, 400, "invalid.access.token"},
    {620, 400, "key.password.mismatch"},
    {628, 400, "csr.invalid.format"},
    {631, 401, "invalid.api.key"},
    {650, 404, "key.not.existent"},
    {651, 404, "request.not.existent"},
    {652, 404, "task.not.existent"},
    {701, 500, "in.hsm"},
}};

}  // namespace

Error business_error(int code, std::string message) {
  const auto* row = std::find_if(kBusinessReasons.begin(), kBusinessReasons.end(),
                                 [&](const ReasonRow& one) { return one.code == code; });
  if (row == kBusinessReasons.end())
    throw Error{ErrorKind::internal, fmt::format("the rig does not know the code {}", code)};
  const Json body =
      Json::object({{"errorCode", code}, {"reason", fmt::format("res.error.{}", row->reason)}, {"message", message}});
  return refusal(std::move(message), {row->status, body});
}

void require_signature(const Bytes& public_key, const std::string& digest, ByteView message, ByteView signature) {
  bool good = false;
  try {
    good = verify_signature(public_key, digest, message, signature);
  } catch (const Error&) {
    throw business_error(407, "Could not parse the public key.");
  }
  if (!good) throw business_error(403, "The signature is not valid.");
}

Error spring_error(int status, std::string_view path, std::string_view timestamp) {
  const std::string_view phrase = status == 404   ? "Not Found"
                                  : status == 405 ? "Method Not Allowed"
                                                  : "Unsupported Media Type";
  return refusal(
      std::string(phrase),
      {status, Json::object({{"timestamp", timestamp}, {"status", status}, {"error", phrase}, {"path", path}})});
}

}  // namespace hsmbridge::rig
