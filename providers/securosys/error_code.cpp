#include "providers/securosys/error_code.h"

#include "base/unicode.h"
#include "providers/securosys/wire/wire.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace hsmbridge::securosys {
namespace {

using enum ErrorKind;
using enum Repeating;

constexpr std::string_view kServer = "look into the TSB's own log; its operator must act";
constexpr std::string_view kBug =
    "this is a mistake of hsmbridge or a server of another generation; check `generation`";
constexpr std::string_view kHsm = "the HSM behind the TSB refused or could not be reached; look into its log";

// code, reason, what the caller may do next, whether repeating may help, what to do
constexpr auto kTable = std::to_array<ErrorCode>({
    {1, "technical", unavailable, may_help, kServer},
    {2, "connectivity", unavailable, may_help, "the TSB cannot reach its HSM; try later"},
    {100, "impl", internal, cannot_help, kServer},
    {101, "not.implemented", invalid_input, cannot_help, "this TSB does not support that; check its version"},
    {102, "operation.unreachable", internal, cannot_help, kServer},
    {103, "general", unavailable, may_help, kServer},
    {200, "init", unavailable, may_help, kServer},
    {300, "config.not.existent", unavailable, may_help, kServer},
    {301, "config.not.valid", unavailable, may_help, kServer},
    {302, "invalid.config.input", unavailable, may_help, kServer},
    {400, "security.not.allowed", denied, cannot_help, "the credentials do not permit this; check the API key's role"},
    {401, "missing.approval", denied, cannot_help,
     "the key's policy requires approvals that this call cannot carry, or a group in it is empty"},
    {402, "invalid.certificate", invalid_input, cannot_help,
     "attach a CA certificate to the signing key (certificate/selfsign or certificate/import/plain), then submit "
     "again"},
    {403, "input.invalid.signature", denied, cannot_help,
     "a signature in the call did not verify: check that the key is the one in the policy and its form (public key or "
     "certificate) too"},
    {404, "input.timestamp.off", unavailable, may_help,
     "the clocks differ: the TSB does not accept time stamps from its future; set this machine's clock"},
    {405, "timestamp.signer.not.allowed", denied, cannot_help,
     "the task_reader certificate is not among the TSB's allowed timestamp signing certificates"},
    {406, "missing.access.token", denied, with_another_token,
     "this TSB requires a bearer token: configure `bearer_token`"},
    {407, "parsing.key", invalid_input, cannot_help, "the public key sent is not in a form the TSB reads"},
    {408, "reading.pem", invalid_input, cannot_help, "the PEM text sent could not be read by the TSB"},
    {409, "parsing.certificate", invalid_input, cannot_help, "the certificate sent could not be read by the TSB"},
    {410, "decrypt.failed", denied, cannot_help, kHsm},
    {411, "invalid.certificate.request", invalid_input, cannot_help,
     "the TSB does not accept this certificate request; check its common name and key"},
    {412, "invalid.onetimepassword", denied, cannot_help, "ask for a new one-time code"},
    {413, "approver.not.existent", not_found, cannot_help, "the TSB does not know an approver of that name"},
    {414, "approver.not.onboarded", conflict, cannot_help, "the approver must finish the onboarding first"},
    {415, "request.signer.not.allowed", denied, cannot_help,
     "this TSB requires requests signed by a listed application key: configure `application_key` and "
     "`request_signature`"},
    {416, "missing.api.key", denied, with_another_key,
     "this TSB requires an API key for this endpoint: configure `api_key`"},
    {450, "client.subscription", denied, cannot_help, "the subscription does not cover this; ask Securosys"},
    {451, "client.endpoint.not.licensed", denied, cannot_help,
     "the TSB's licence does not cover this endpoint (TSB_ENGINE for approvals, REST_API for synchronous calls)"},
    {500, "data.invalid.constellation", invalid_input, cannot_help, kBug},
    {501, "invalid.value.for.enum", invalid_input, cannot_help, kBug},
    {600, "input.validation.failed", invalid_input, cannot_help, kBug},
    {601, "unsupported.approver.key.type", invalid_input, cannot_help, "approver keys are RSA, EC, Ed25519 or DSA"},
    {602, "unsupported.combination.of.approval.types", invalid_input, cannot_help,
     "a policy holds either public keys or certificates"},
    {603, "input.keysize", invalid_input, cannot_help, "RSA keys of a TSB have 2048, 3072, 4096 or 8192 bits"},
    {604, "input.no.name.for.certificate.approver", invalid_input, cannot_help, "leave the name of the approver out"},
    {605, "unsupported.cryptocurrency", invalid_input, cannot_help, kBug},
    {606, "key.attributes.invalid", invalid_input, cannot_help, "the key's attributes do not permit this"},
    {607, "algorithm.not.supported.by.key", invalid_input, cannot_help,
     "choose a signature algorithm that fits the signing key (`algorithm`)"},
    {608, "key.already.existing", conflict, cannot_help, "choose another label"},
    {609, "invalid.uuid", invalid_input, cannot_help, "a request id of the TSB is a UUID"},
    {610, "invalid.key.name", invalid_input, cannot_help, "check `sign_key`: the TSB does not accept this label"},
    {611, "unsupported.operation", invalid_input, cannot_help, "this key cannot do that operation"},
    {612, "invalid.payload", invalid_input, cannot_help, "the TSB does not accept these bytes for this key"},
    {613, "invalid.key.type", invalid_input, cannot_help, "check `sign_key`: this key is of another type"},
    {614, "operation.forbidden.for.key", denied, cannot_help, "the key's attributes or policy forbid this operation"},
    {615, "data.object.already.existing", conflict, cannot_help, "choose another label"},
    {616, "data.object.invalid.value", invalid_input, cannot_help, kBug},
    {617, "invalid.access.token", denied, with_another_token, "the bearer token is refused: renew `bearer_token`"},
    {618, "insufficient.login.information", denied, with_another_token,
     "check `bearer_token`: it does not name a partition"},
    {619, "invalid.number.range", invalid_input, cannot_help, kBug},
    {620, "key.password.mismatch", denied, cannot_help, "the signing key has another password: check `key_password`"},
    {621, "invalid.json", invalid_input, cannot_help, kBug},
    {622, "unused", internal, cannot_help, kServer},
    {623, "invalid.file.header", invalid_input, cannot_help, kBug},
    {624, "key.invalid.tagLength", invalid_input, cannot_help, kBug},
    {625, "key.invalid.encoding", invalid_input, cannot_help, "the key sent is not in a form the TSB reads"},
    {626, "certificate.invalid.encoding", invalid_input, cannot_help, "the certificate sent could not be read"},
    {627, "invalid.key.id", invalid_input, cannot_help, "the TSB does not accept this key id"},
    {628, "csr.invalid.format", invalid_input, cannot_help, "the TSB cannot read this certificate request"},
    {629, "unsupported.cipher", invalid_input, cannot_help, kBug},
    {630, "invalid.address.on.non.ska.key", invalid_input, cannot_help, kBug},
    {631, "invalid.api.key", denied, with_another_key,
     "every configured API key of this role is refused: renew `api_keys`"},
    {632, "approver.already.existing", conflict, cannot_help, "choose another approver name"},
    {633, "input.no.value.for.approver.mgmt", invalid_input, cannot_help, kBug},
    {634, "derivation.not.supported.by.algorithm", invalid_input, cannot_help,
     "check `sign_key`: a `/` in a label asks for a derived key"},
    {635, "encoding.exception", invalid_input, cannot_help, kBug},
    {650, "key.not.existent", not_found, cannot_help, "check `sign_key`: the TSB's partition has no key of that label"},
    {651, "request.not.existent", not_found, cannot_help, "the TSB does not know this request (any more)"},
    {652, "task.not.existent", not_found, cannot_help,
     "the task is gone: approved or rejected already, expired, or withdrawn"},
    {653, "data.object.not.existent", not_found, cannot_help, "check the label"},
    {654, "approver.not.existent", not_found, cannot_help, "the TSB does not know an approver of that name"},
    {700, "in.subystem", unavailable, may_help, kHsm},
    {701, "in.hsm", unavailable, may_help, kHsm},
    {702, "creation.integrity.key", unavailable, may_help, kServer},
    {703, "io", unavailable, may_help, kServer},
    {704, "file.not.found", unavailable, may_help, kServer},
});

bool no_handler(const net::Response& answer) {
  return (answer.status == 404 || answer.status == 405 || answer.status == 406 || answer.status == 415) &&
         is_framework_error(answer.body, answer.status);
}

std::optional<providers::Refused> refusal_in(std::string_view what, const net::Response& answer) {
  using Fate = providers::Refused::Fate;
  if (const std::optional<Refusal> refusal = refusal_from(answer.body)) {
    Error error = business_error(what, answer.status, refusal->code, refusal->reason, refusal->message);
    if (answer.status >= 500) {
      error = error.restated(error.kind(), fmt::format("{}, HTTP {}", error.message(), answer.status));
    }
    const ErrorCode* row = find_error_code(refusal->code);
    const Repeating repeating = row == nullptr ? may_help : row->repeating;
    providers::Refused refused{std::move(error), repeating == cannot_help ? Fate::for_good : Fate::not_accepted};
    if (repeating == with_another_key) refused.credential = kKeyHeader;
    if (repeating == with_another_token) refused.credential = kTokenHeader;
    return refused;
  }
  if (!no_handler(answer)) return std::nullopt;
  return providers::Refused{
      Error{ErrorKind::not_found, fmt::format("{}: this server has no such endpoint (HTTP {})", what, answer.status)}
          .with("http", std::to_string(answer.status))
          .with("no-handler", "yes")
          .hint("check `url` and the version of the TSB")};
}

// A 202 was never seen, and would say that nothing is known yet. No Accept: what its handlers offer differs, and one that offers something else would answer 406. Its own clients send
// a Content-Type even with GET.
constexpr providers::Dialect kDialect{"the TSB", &refusal_in, 201, "", true};

}  // namespace

const providers::Dialect& dialect() {
  return kDialect;
}

std::span<const ErrorCode> error_codes() {
  return kTable;
}

const ErrorCode* find_error_code(int code) {
  const auto row = std::lower_bound(kTable.begin(), kTable.end(), code,
                                    [](const ErrorCode& entry, int wanted) { return entry.code < wanted; });
  return row != kTable.end() && row->code == code ? &*row : nullptr;
}

Error business_error(std::string_view what, long http_status, int code, std::string_view reason,
                     std::string_view message) {
  const ErrorCode* row = find_error_code(code);
  // A code without a row is judged by the HTTP status alone.
  const ErrorKind kind = row ? row->kind : http_status >= 500 ? unavailable : invalid_input;
  // Cut: it is journalled with every attempt.
  constexpr std::size_t kLongest = 1000;
  const std::string words = printable((message.empty() ? reason : message).substr(0, kLongest));
  Error error(kind, fmt::format("{}: the TSB answers {} ({})", what, words, code));
  error.with("errorCode", std::to_string(code));
  if (!reason.empty()) error.with("reason", printable(reason.substr(0, kLongest)));
  error.with("http", std::to_string(http_status));
  if (row) error.hint(std::string(row->advice));
  return error;
}

}  // namespace hsmbridge::securosys
