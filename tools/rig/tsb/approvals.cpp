#include "tools/rig/tsb/business_error.h"
#include "tools/rig/tsb/fields.h"
#include "tools/rig/tsb/signature_words.h"
#include "tools/rig/tsb/tsb.h"

#include <fmt/core.h>

#include <algorithm>
#include <regex>

namespace hsmbridge::rig {

// Who speaks: an approver in the form the policy knows, or a whitelisted timestamp signer who speaks for everybody.
struct Tsb::Approving {
  std::optional<Approver> approver;
  bool everybody = false;

  bool is(const Approver& other) const {
    return everybody || (approver && approver->form == other.form && approver->value == other.value);
  }
};

namespace {

constexpr std::chrono::seconds kOldestTimestamp{600};

// How far ahead a timestamp may be. The real one allows none at all.
constexpr std::chrono::seconds kYoungestTimestamp{0};

Bytes key_of_certificate(const Bytes& certificate) {
  try {
    return read_certificate(certificate).public_key;
  } catch (const Error&) {
    throw business_error(409, "Could not parse the certificate.");
  }
}

std::optional<Approver> read_approver(Fields& fields) {
  const std::optional<Bytes> key = fields.base64_or_null("approverPublicKey");
  const std::optional<Bytes> certificate = fields.base64_or_null("approverCertificate");
  if (certificate) return Approver{ApproverForm::certificate, "", *certificate, {}};
  if (key) return Approver{ApproverForm::public_key, "", *key, *key};
  return std::nullopt;
}

// The inner object's name in level 3, by kind: the async body under one of the vendor's names.
std::string_view level_three_name(RequestKind kind) {
  switch (kind) {
    case RequestKind::sign:
      return "signedSignRequest";
    case RequestKind::csr:
      return "signedCertificateRequestRequest";
    case RequestKind::certificate:
      return "signedSignCertificateRequest";
    case RequestKind::self_signed:
      return "signedSelfSignCertificateRequestDto";
  }
  return {};
}

struct TimestampProof {
  std::string text;
  std::string digest;
  Bytes signature;
  std::optional<Approver> approver;
  std::optional<Bytes> signer;
};

TimestampProof read_proof(Fields& fields) {
  TimestampProof proof;
  proof.text = fields.text("timestamp");
  proof.signature = fields.base64_bytes("timestampSignature");
  proof.digest = fields.text("timestampDigestAlgorithm");
  proof.approver = read_approver(fields);
  proof.signer = fields.base64_or_null("timestampSigningCertificate");
  return proof;
}

Instant timestamp_of(const TimestampProof& proof) {
  // Seconds and the colon in the offset are needed.
  static const std::regex form(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))");
  try {
    if (std::regex_match(proof.text, form)) return parse_rfc3339(proof.text);
  } catch (const Error&) {
    // falls through to the same refusal
  }
  throw business_error(600, "'timestamp' is not a valid ISO-8601 timestamp");
}

// Checks the proof that the speaker holds the key. `server` is the clock that approvers are judged by.
bool speaks_for_everybody(const TimestampProof& proof, Instant server, const std::vector<Bytes>& signers) {
  const Instant time = timestamp_of(proof);
  const std::string digest = digest_of(proof.digest, "timestampDigestAlgorithm");
  Bytes public_key;
  if (proof.signer) {
    if (std::find(signers.begin(), signers.end(), *proof.signer) == signers.end()) {
      throw business_error(405, "The signer of the timestamp is not allowed.");
    }
    public_key = key_of_certificate(*proof.signer);
  } else if (proof.approver) {
    public_key = proof.approver->form == ApproverForm::certificate ? key_of_certificate(proof.approver->value)
                                                                   : proof.approver->value;
  } else {
    throw business_error(600, "'approverPublicKey' must not be empty");
  }
  require_signature(public_key, digest, as_bytes(proof.text), proof.signature);
  if (server - time > kOldestTimestamp || time - server > kYoungestTimestamp) {
    throw business_error(404, "The timestamp is off.");
  }
  return proof.signer && !proof.approver;
}

struct Paging {
  std::int64_t page = 0;
  std::int64_t size = 100;
  std::string order = "CREATION_DATE_ASC";
};

Paging read_paging(const Json* json, Validation& validation) {
  Paging paging;
  if (json == nullptr) return paging;
  Fields fields(*json, "paging", validation);
  paging.page = fields.number("pageNumber");
  paging.size = fields.number("pageSize");
  paging.order = fields
                     .word_or_null("sortOrder", {"CREATION_DATE_ASC", "CREATION_DATE_DESC", "LAST_FETCHED_DATE_ASC",
                                                 "LAST_FETCHED_DATE_DESC"})
                     .value_or(paging.order);
  fields.done();
  if (paging.page < 0) fields.complain("pageNumber", "must be greater than or equal to 0");
  if (paging.size < 1) fields.complain("pageSize", "must be greater than or equal to 1");
  return paging;
}

}  // namespace

Json Tsb::task_view(const RequestRecord& request, const TaskRecord& task, int level) {
  Json view = Json::object({{"detailLevel", fmt::format("level{}", level)},
                            {"id", task.id},
                            {"approvalToBeSigned", base64(request.approval_bytes)}});
  if (task.approver.form == ApproverForm::public_key) view.set("approverPublicKey", base64(task.approver.value));
  const Json& inner = request.inner();
  if (level >= 2) {
    for (const char* name : {"metaData", "metaDataSignature"}) {
      const Json* value = inner.find(name);
      view.set(name, value == nullptr ? Json() : *value);
    }
    view.set("payload", base64(request.payload));
    view.set("payloadType", inner.string_or("payloadType", "UNSPECIFIED"));
  }
  if (level >= 3) {
    view.set("requestBase64", base64(as_bytes(request.original)));
    view.set(std::string(level_three_name(request.kind)), request.body);
  }
  if (level >= 4 && !request.timestamp.empty()) {
    // The inner BIT STRING without the AlgorithmIdentifier in front: 2 + 14 + 3 octets.
    const ByteView bare = ByteView(request.timestamp_signature).subspan(19);
    view.set("timestamp", base64(request.timestamp));
    view.set("timestampSignature", base64(bare));
    view.set("timestampSignatureAlgorithm", "SHA256_WITH_ECDSA");
    view.set("timestampSignatureWithAlgorithm", base64(request.timestamp_signature));
  }
  if (level >= 5) {
    const Json attributes = signed_attributes(find_key(request.key_label));
    view.set("keyAttributes", attributes.at("xml"));
    view.set("keyAttributesSignature", attributes.at("xmlSignature"));
  }
  if (level >= 6) view.set("requestStatus", status_of(request, false));
  return view;
}

Answer Tsb::list_tasks(const Asked& asked, TaskFilter filter) {
  Validation validation;
  Fields fields(asked.body, "", validation);
  const TimestampProof proof = read_proof(fields);
  const std::optional<std::string> id = fields.text_or_null("id");
  const std::optional<std::string> request_id = fields.text_or_null("requestId");
  const bool before_2_0_1 = options_.generation == Generation::v2_0;
  std::vector<std::string_view> levels{"level1", "level2", "level3", "level4", "level5"};
  if (!before_2_0_1) levels.push_back("level6");
  const std::string level_word = fields.word_or_null("detailLevel", levels).value_or("level1");
  const Json* paging_json = fields.member("paging");
  fields.done();
  const Paging paging = read_paging(paging_json, validation);
  validation.raise();
  const Approving speaker{proof.approver,
                          speaks_for_everybody(proof, clock_.now() + skew_, options_.timestamp_signers)};

  std::vector<FoundTask> found;
  if (filter != TaskFilter::none) {
    for (RequestRecord& request : requests_) {
      // Before there was a filter for all kinds, this one served for everything that signs.
      if (filter == TaskFilter::sign && request.kind != RequestKind::sign && !before_2_0_1) continue;
      if (!id && request_id && *request_id != request.id) continue;
      for (TaskRecord& task : request.tasks) {
        if (speaker.is(task.approver) && (!id || *id == task.id)) found.push_back({&request, &task});
      }
    }
  }
  if (id && found.empty()) throw business_error(652, fmt::format("A task with the id '{}' does not exist.", *id));
  if (paging.order.substr(0, 4) == "LAST") {
    std::stable_sort(found.begin(), found.end(), [](const FoundTask& a, const FoundTask& b) {
      return a.task->last_fetched < b.task->last_fetched;
    });
  }
  if (paging.order.substr(paging.order.size() - 4) == "DESC") std::reverse(found.begin(), found.end());
  Json tasks = Json::array();
  const auto begin = static_cast<std::size_t>(paging.page) * static_cast<std::size_t>(paging.size);
  for (std::size_t i = begin; i < std::min(found.size(), begin + static_cast<std::size_t>(paging.size)); ++i) {
    found[i].task->last_fetched = now();
    tasks.push(task_view(*found[i].request, *found[i].task, level_word.back() - '0'));
  }
  return {200, Json::object({{"tasks", tasks}})};
}

Answer Tsb::list_sign_tasks(const Asked& asked) {
  return list_tasks(asked, TaskFilter::sign);
}
Answer Tsb::list_all_tasks(const Asked& asked) {
  if (options_.generation == Generation::v2_0) {
    throw spring_error(404, asked.call.path(), rfc3339(clock_.now()));
  }
  return list_tasks(asked, TaskFilter::all);
}
Answer Tsb::list_no_tasks(const Asked& asked) {
  return list_tasks(asked, TaskFilter::none);
}

Tsb::FoundTask Tsb::find_task(const std::string& id) {
  for (RequestRecord& request : requests_) {
    for (TaskRecord& task : request.tasks) {
      if (task.id == id) return {&request, &task};
    }
  }
  throw business_error(652, fmt::format("A task with the id '{}' does not exist.", id));
}

void Tsb::decide(FoundTask found, std::vector<Bytes> RequestRecord::*list) {
  (found.request->*list).push_back(found.task->approver.public_key);
  std::erase_if(found.request->tasks, [id = found.task->id](const TaskRecord& task) { return task.id == id; });
  settle(*found.request);
}

Answer Tsb::approve(const Asked& asked) {
  Validation validation;
  Fields fields(asked.body, "", validation);
  const std::string id = fields.text("id");
  const Bytes bytes = fields.base64_bytes("approvalToBeSigned");
  const Bytes signature = fields.base64_bytes("signature");
  const std::string digest_word = fields.text("approvalDigestAlgorithm");
  const std::optional<Approver> approver = read_approver(fields);
  fields.done();
  if (!approver) fields.complain("approverPublicKey", "must not be empty");
  validation.raise();
  const std::string digest = digest_of(digest_word, "approvalDigestAlgorithm");

  const FoundTask found = find_task(id);
  const Approver& owner = found.task->approver;
  if (approver->form != owner.form || approver->value != owner.value) {
    throw business_error(403, "The task belongs to another approver.");
  }
  require_signature(owner.public_key, digest, bytes, signature);
  // A client may build the bytes itself: there is one way to write them, and the HSM's time stamp only exists here.
  if (bytes != found.request->approval_bytes) {
    throw business_error(612, "The approval is for another operation, key or payload.");
  }
  decide(found, &RequestRecord::approved);
  return {200, ""};
}

Answer Tsb::reject(const Asked& asked) {
  Validation validation;
  Fields fields(asked.body, "", validation);
  const std::string id = fields.text("id");
  const TimestampProof proof = read_proof(fields);
  fields.done();
  validation.raise();
  const Approving speaker{proof.approver,
                          speaks_for_everybody(proof, clock_.now() + skew_, options_.timestamp_signers)};

  const FoundTask found = find_task(id);
  // Listing for everybody is allowed to a timestamp signer; refusing for everybody is not.
  if (speaker.everybody || !speaker.is(found.task->approver)) {
    throw business_error(403, "The task belongs to another approver.");
  }
  decide(found, &RequestRecord::rejected);
  return {200, ""};
}

}  // namespace hsmbridge::rig
