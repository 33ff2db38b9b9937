#include "tools/rig/server/uuid.h"
#include "tools/rig/tsb/business_error.h"
#include "tools/rig/tsb/fields.h"
#include "tools/rig/tsb/signature_words.h"
#include "tools/rig/tsb/tsb.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::rig {
namespace {

constexpr std::string_view kTimestampKeyName = "timestamp-key";

Bytes signed_by(const KeyRecord& key, const std::string& algorithm, const std::string& type, ByteView payload) {
  Bytes signature = key.key->sign(find_signature_word(algorithm)->scheme(), payload);
  const std::size_t field = (static_cast<std::size_t>(key.bits) + 7) / 8;
  return type == "RAW" && key.algorithm == "EC" ? raw_ecdsa(signature, field) : signature;
}

std::string seconds_text(Instant time) {
  return rfc3339(std::chrono::floor<std::chrono::seconds>(time));
}

// The index after the string that begins at `at`.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at + 1;
}

std::string compact(std::string_view json) {
  std::string text;
  for (std::size_t at = 0; at < json.size();) {
    if (json[at] == '"') {
      const std::size_t end = end_of_string(json, at);
      text += json.substr(at, end - at);
      at = end;
    } else {
      if (std::string_view(" \t\r\n").find(json[at]) == std::string_view::npos) text += json[at];
      ++at;
    }
  }
  return text;
}

// The index after the value that begins at `at`: the comma or brace that ends it.
std::size_t end_of_value(std::string_view json, std::size_t at) {
  for (int depth = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"') at = end_of_string(json, at) - 1;
    if (c == '{' || c == '[') ++depth;
    if (depth == 0 && (c == ',' || c == '}' || c == ']')) return at;
    if (c == '}' || c == ']') --depth;
  }
  return at;
}

// The text of the member `name` of the object `json`, without white space between tokens, everything else as it was
// sent: what an application signs as `requestSignature`. `json` must be well-formed. "" when there is no such member.
std::string compact_member(std::string_view json, std::string_view name) {
  const std::string text = compact(json);
  const std::string_view all = text;
  for (std::size_t at = 1; at < all.size() && all[at] == '"';) {
    const std::size_t colon = end_of_string(all, at);
    const std::size_t end = end_of_value(all, colon + 1);
    if (all.substr(at + 1, colon - at - 2) == name) return std::string(all.substr(colon + 1, end - colon - 1));
    at = end + 1;
  }
  return {};
}

}  // namespace

void Tsb::check_request_signature(const Json* signature, const std::string& original) const {
  const auto not_allowed = [] { return business_error(415, "The signer of the request is not allowed."); };
  if (signature == nullptr) {
    if (!options_.request_signers.empty()) throw not_allowed();
    return;
  }
  Validation validation;
  Fields fields(*signature, "requestSignature", validation);
  const Bytes value = fields.base64_bytes("signature");
  const std::string digest = digest_of(fields.text("digestAlgorithm"), "requestSignature");
  const Bytes public_key = fields.base64_bytes("publicKey");
  fields.done();
  validation.raise();
  if (!options_.request_signers.empty() && std::find(options_.request_signers.begin(), options_.request_signers.end(),
                                                     public_key) == options_.request_signers.end()) {
    throw not_allowed();
  }
  require_signature(public_key, digest, as_bytes(original), value);
}

Tsb::Inner Tsb::inner_of(const Asked& asked, const std::string& name, Validation& validation) const {
  Fields outer(asked.body, "", validation);
  const Json* inner = outer.required_member(name);
  const Json* signature = outer.member("requestSignature");
  outer.done();
  validation.raise();
  Inner found{*inner, compact_member(asked.call.body, name)};
  check_request_signature(signature, found.text);
  return found;
}

Answer Tsb::sign(const Asked& asked) {
  Validation validation;
  const Inner inner = inner_of(asked, "signRequest", validation);
  Fields fields(inner.json, "signRequest", validation);
  RequestRecord request;
  request.payload = fields.base64_bytes("payload");
  fields.word_or_null("payloadType", {"UNSPECIFIED", "ISO_20022", "PDF", "BTC", "ETH", "HEX"});
  const std::string label = fields.text("signKeyName");
  const std::string password = password_in(fields, "keyPassword");
  fields.base64_or_null("metaData");
  fields.base64_or_null("metaDataSignature");
  request.algorithm = fields.text("signatureAlgorithm");
  request.signature_type = fields.word_or_null("signatureType", {"DER", "ETH", "RAW"}).value_or("DER");
  fields.done();
  const SignatureWord* word = find_signature_word(request.algorithm);
  if (!request.algorithm.empty() && word == nullptr) validation.say(Flaw::wrong_word, "signRequest", request.algorithm);
  validation.raise();
  const KeyRecord& key = usable_key(label, password);
  if (!key.attributes.bool_or("sign", false)) {
    throw business_error(614, fmt::format("The key '{}' must not sign.", key.label));
  }
  if (word->key_type != public_key_type(key.key->public_key())) {
    throw business_error(607, fmt::format("The signature algorithm '{}' is not supported by the key '{}'.",
                                          request.algorithm, key.label));
  }
  if (request.signature_type == "ETH") throw business_error(611, "The rig does not support ETH signatures.");
  if (request.payload.size() > kLargestPayload) throw business_error(612, "The payload is too long.");
  return create_request(std::move(request), key, asked, inner.text);
}

void Tsb::make_approval_bytes(RequestRecord& request, const KeyRecord& key) const {
  ApprovalBytes approval;
  approval.label = key.label;
  approval.payload = request.payload;
  const bool has_times = std::any_of(key.rule.tokens.begin(), key.rule.tokens.end(), [](const PolicyToken& token) {
    return token.timelock.count() != 0 || token.timeout.count() != 0;
  });
  if (has_times) {
    ApprovalTimestamp timestamp;
    timestamp.payload = request.payload;
    timestamp.seconds = static_cast<std::uint64_t>(
        std::chrono::floor<std::chrono::seconds>(request.created).time_since_epoch().count());
    timestamp.key_name = kTimestampKeyName;
    request.timestamp = timestamp_list(timestamp);
    request.timestamp_signature = timestamp_signature(timestamp_key_.sign({}, request.timestamp));
    timestamp.signature = request.timestamp_signature;
    approval.timestamp = std::move(timestamp);
  }
  request.approval_bytes = encode(approval);
}

Answer Tsb::create_request(RequestRecord request, const KeyRecord& key, const Asked& asked, std::string original) {
  request.id = new_uuid();
  request.key_label = key.label;
  request.body = asked.body;
  request.original = std::move(original);
  request.created = now();
  make_approval_bytes(request, key);
  for (const Approver& approver : approvers_of(key.rule)) {
    request.tasks.push_back({new_uuid(), approver, std::nullopt});
  }
  RequestRecord& added = requests_.put(std::move(request));
  settle(added);
  return {201, Json::object({{"signRequestId", added.id}})};
}

void Tsb::finish(RequestRecord& request, RequestStatus status) {
  request.status = status;
  request.tasks.clear();
  save(request);
}

void Tsb::execute(RequestRecord& request, KeyRecord& key) {
  request.executed = now();
  if (key.blocked) {
    finish(request, RequestStatus::failed);
    return;
  }
  const SignatureScheme scheme = find_signature_word(request.algorithm)->scheme();
  const Bytes signature = signed_by(key, request.algorithm, request.signature_type, request.payload);
  switch (request.kind) {
    case RequestKind::sign:
      request.result = base64(signature);
      break;
    case RequestKind::csr:
      request.result = to_pem("NEW CERTIFICATE REQUEST", assemble(request.payload, *key.key, scheme, signature));
      break;
    case RequestKind::certificate:
      request.result =
          to_pem("CERTIFICATE", assemble(request.payload, *key.key, scheme, signature), PemLayout::single_line);
      break;
    case RequestKind::self_signed:
      key.certificate = assemble(request.payload, *key.key, scheme, signature);
      save(key);
      request.result = "true";
      break;
  }
  finish(request, RequestStatus::executed);
}

void Tsb::settle(RequestRecord& request) {
  KeyRecord& key = find_key(request.key_label);
  const RuleVerdict verdict = judge(key.rule, request.created, now(), request.approved, request.rejected);
  switch (verdict.state) {
    case RuleState::met:
      execute(request, key);
      return;
    case RuleState::timelocked:
      request.status = RequestStatus::approved;
      break;
    case RuleState::refused:
      finish(request, RequestStatus::rejected);
      return;
    case RuleState::waiting:
    case RuleState::expired:  // said by the cleanup job only
      break;
  }
  save(request);
}

RequestRecord& Tsb::find_request(const std::string& id) {
  if (!is_uuid(id)) throw business_error(609, fmt::format("'{}' is not a valid UUID.", id));
  if (RequestRecord* found = requests_.find(id)) return *found;
  throw business_error(651, fmt::format("A request with the id '{}' does not exist.", id));
}

Json Tsb::status_of(const RequestRecord& request, bool with_result) const {
  Json waiting = Json::array();
  const KeyRecord* key = keys_.find(request.key_label);
  if (is_open(request.status) && key != nullptr) {
    waiting = kept(judge(key->rule, request.created, now(), request.approved, request.rejected).could_still_approve);
  }
  return Json::object({{"id", request.id},
                       {"status", kept(request.status)},
                       {"executionTime", request.executed ? Json(seconds_text(*request.executed)) : Json()},
                       {"approvedBy", kept(request.approved)},
                       {"notYetApprovedBy", waiting},
                       {"rejectedBy", kept(request.rejected)},
                       {"result", with_result && request.result ? Json(*request.result) : Json()}});
}

Answer Tsb::get_request(const Asked& asked) {
  RequestRecord& request = find_request(asked.captured[0]);
  // As at the real one, asking is what executes a request whose timelock is over.
  if (request.status == RequestStatus::approved) settle(request);
  const bool gone = options_.hand_out == ResultHandOut::once && request.handed_out;
  const Json view = status_of(request, !gone);
  if (request.result && !request.handed_out) {
    request.handed_out = true;
    save(request);
  }
  return {200, view};
}

Answer Tsb::delete_request(const Asked& asked) {
  RequestRecord& request = find_request(asked.captured[0]);
  if (is_open(request.status)) finish(request, RequestStatus::cancelled);
  return {200, ""};
}

}  // namespace hsmbridge::rig
