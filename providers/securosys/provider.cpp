#include "providers/securosys/provider.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "providers/securosys/certificate_mode.h"
#include "providers/securosys/raw_signature.h"
#include "x509/csr.h"
#include "x509/pem.h"
#include "x509/spki.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::securosys {
namespace {

using namespace workflow;

// How long a policy read from the key is taken for current.
constexpr Duration kPolicyAge = std::chrono::minutes{10};

std::optional<approval::Policy> pinned_policy(const std::string& provider_state) {
  if (provider_state.empty()) return std::nullopt;
  try {
    const Json json = Json::parse(provider_state);
    const Json* policy = json.find("policy");
    if (policy == nullptr) return std::nullopt;
    return approval::policy_from(*policy);
  } catch (const Error& error) {
    throw Error(ErrorKind::corrupt, "the stored state of this provider cannot be read: " + error.message());
  }
}

std::string state_of(const std::optional<approval::Policy>& policy) {
  Json json = Json::object();
  if (policy) json.set("policy", approval::to_json(*policy));
  return json.dump();
}

const Submission& submission_of(const ProviderCall& call) {
  if (call.submission == nullptr || call.submission->reference.empty())
    throw Error(ErrorKind::internal, "the TSB was asked about a request without its signRequestId");
  return *call.submission;
}

// UUIDs are compared without regard to letter case (RFC 4122 §3): a person may have typed one.
bool same_id(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool has_member(const approval::Policy& policy, const SpkiHash& key) {
  const std::vector<approval::Member> everybody = approval::members(policy);
  return std::any_of(everybody.begin(), everybody.end(),
                     [&](const approval::Member& member) { return member.person.key == key; });
}

// What a person does next when nobody can look a lost submission up.
const char* const kByHand =
    "look into the TSB's own request list, then `hsmbridge request resolve ID --reference SIGNREQUESTID` or "
    "--not-there";

}  // namespace

SecurosysProvider::SecurosysProvider(Settings settings, std::shared_ptr<Client> client, Keys keys, const Clock& clock,
                                     config::Prompter prompter)
    : settings_(std::move(settings)),
      client_(std::move(client)),
      keys_(std::move(keys)),
      clock_(clock),
      prompter_(std::move(prompter)) {
  if (settings_.issuer) issuer_file_ = x509::read_certificate(read_file(*settings_.issuer));
  if (settings_.chain) chain_ = x509::read_certificates(read_file(*settings_.chain));
  if (settings_.task_reader && keys_.task_reader)
    reader_.emplace(*keys_.task_reader,
                    Identity::timestamp_certificate(
                        *keys_.task_reader, x509::read_certificate(read_file(settings_.task_reader->certificate))),
                    clock_);
}

Capabilities SecurosysProvider::capabilities() const {
  Capabilities can;
  can.cancel = true;
  can.complete_look_up = false;
  can.shows_approvers = true;
  can.shows_quorum = settings_.policy.has_value() || client_->has_keys_for(client_->role_of(Endpoint::key_attributes));
  can.result_once = settings_.result_once;
  can.full_profile = settings_.mode == Mode::raw_signature;
  return can;
}

// ---- what is learnt from the server, once ---------------------------------------------------------------------------

x509::Certificate SecurosysProvider::issuer(Duration limit) {
  if (issuer_file_) return x509::parse_certificate(*issuer_file_);
  {
    const std::lock_guard lock(mutex_);
    if (issuer_) return *issuer_;
  }
  x509::Certificate read = x509::parse_certificate(client_->certificate(settings_.sign_key, limit));
  const std::lock_guard lock(mutex_);
  issuer_ = read;
  return read;
}

Generation SecurosysProvider::generation(Duration limit) {
  if (settings_.generation) return *settings_.generation;
  {
    const std::lock_guard lock(mutex_);
    if (generation_) return *generation_;
  }
  const Generation learnt = [&] {
    try {
      return generation_of(client_->version_info(limit).version);
    } catch (Error& error) {
      if (error.kind() == ErrorKind::denied)
        error.hint("give a service API key (api_keys: {service: …}), or state `generation: classic` or `modern`");
      throw;
    }
  }();
  const std::lock_guard lock(mutex_);
  generation_ = learnt;
  return learnt;
}

// Never stands in the way: who may not read the key's attributes sees the three lists and "quorum unknown".
std::optional<approval::Policy> SecurosysProvider::policy(Duration limit) {
  if (settings_.policy) return settings_.policy;
  if (!client_->has_keys_for(client_->role_of(Endpoint::key_attributes))) return std::nullopt;
  {
    const std::lock_guard lock(mutex_);
    if (policy_ && clock_.since_boot() - policy_read_at_ < kPolicyAge) return policy_;
  }
  try {
    std::optional<approval::Policy> read = client_->key_attributes(settings_.sign_key, key_password(), limit).rule_use;
    if (read) approval::validate(*read);
    const std::lock_guard lock(mutex_);
    policy_ = std::move(read);
    policy_read_at_ = clock_.since_boot();
    return policy_;
  } catch (const Error& error) {
    log::debug(fmt::format("provider {}: the approval policy of {} cannot be read: {}", settings_.name,
                           settings_.sign_key, error.message()));
    return std::nullopt;
  }
}

Secret SecurosysProvider::key_password() const {
  if (!settings_.key_password) return {};
  return settings_.key_password->fetch(prompter_, "the password of key " + settings_.sign_key);
}

// ---- draft and check ------------------------------------------------------------------------------------------------

ProviderDraft SecurosysProvider::draft(const Order& order, ByteView csr, Instant now) {
  if (order.kind != Kind::enroll && order.kind != Kind::renew)
    throw Error(ErrorKind::refused,
                fmt::format("provider {} issues certificates and does nothing else", settings_.name));
  if (settings_.mode == Mode::raw_signature)
    return draft_to_be_signed(settings_, issuer(settings_.time_limit), order, csr, now);
  ProviderDraft draft;
  if (issuer_file_) draft.issuer = *issuer_file_;
  return draft;
}

std::vector<std::string> SecurosysProvider::check(const ProviderCall& call) {
  policy(call.time_limit / 4);  // learnt here, so that submitting need not ask first
  if (settings_.mode == Mode::raw_signature) {
    const x509::Certificate now = issuer(call.time_limit / 2);
    return check_to_be_signed(settings_, now, call);
  }
  const x509::Csr csr = x509::parse_csr(call.draft.csr);
  return check_certificate_request(settings_, generation(call.time_limit / 2), ask_of(call.order), csr);
}

// ---- submit ---------------------------------------------------------------------------------------------------------

SignedMetaData SecurosysProvider::meta_data(const ProviderCall& call) {
  const Bytes& payload = call.draft.to_be_signed;
  SignedMetaData result;
  result.octets = meta_data_octets({call.draft.summary, payload.empty() ? "" : hex(sha256(payload)),
                                    hex(sha256(call.draft.csr)), call.order.id.str(), call.attempt});
  if (!keys_.application) return result;
  const std::lock_guard lock(application_mutex_);
  result.signature = keys_.application->sign(result.octets, *approver_algorithm(*keys_.application).algorithm);
  return result;
}

std::string SecurosysProvider::body(const ProviderCall& call) {
  std::string name;
  std::string inner;
  if (settings_.mode == Mode::raw_signature) {
    const std::string_view algorithm = x509::signature_algorithm(call.draft.algorithm).tsb_name;
    name = "signRequest";
    inner = inner_text(SignRequest{settings_.sign_key, key_password(), call.draft.to_be_signed, std::string(algorithm),
                                   meta_data(call)});
  } else {
    CertificateSignRequest request =
        certificate_sign_request(generation(call.time_limit / 4), ask_of(call.order), x509::parse_csr(call.draft.csr));
    request.key = settings_.sign_key;
    request.key_password = key_password();
    const x509::SignatureAlgorithm& algorithm = settings_.algorithm.empty()
                                                    ? issuing_algorithm(settings_, issuer(call.time_limit / 4))
                                                    : x509::signature_algorithm(settings_.algorithm);
    request.algorithm = algorithm.tsb_name;
    request.meta_data = meta_data(call);
    name = "signCertificateRequest";
    inner = inner_text(request);
  }
  std::optional<RequestSignature> signature;
  if (settings_.request_signature && keys_.application) {
    const std::lock_guard lock(application_mutex_);
    signature =
        RequestSignature{keys_.application->sign(as_bytes(inner), *approver_algorithm(*keys_.application).algorithm),
                         keys_.application->subject_public_key_info()};
  }
  return outer_text(name, inner, signature);
}

SubmitAnswer SecurosysProvider::submit(const ProviderCall& call) {
  // Everything before the one POST: whatever fails here, nothing was sent.
  std::string text;
  std::string state;
  std::optional<approval::Policy> pinned;
  const Duration begin = clock_.since_boot();
  try {
    text = body(call);
    pinned = policy(call.time_limit / 4);
    state = state_of(pinned);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_input || error.kind() == ErrorKind::refused) return RefusedForGood{error};
    return NotAccepted{error, std::nullopt};
  }
  const Duration left = call.time_limit - (clock_.since_boot() - begin);

  Verdict verdict = [&]() -> Verdict {
    try {
      return settings_.mode == Mode::raw_signature ? client_->sign(text, left, call.call_until)
                                                   : client_->certificate_sign(text, left, call.call_until);
    } catch (const Error& error) {
      // Secrets are fetched before a byte leaves; a transport reports its own trouble without throwing.
      if (error.kind() == ErrorKind::internal) return OutcomeUnknown{error.message()};
      return NotAccepted{error, std::nullopt};
    }
  }();
  if (auto* refused = std::get_if<RefusedForGood>(&verdict)) return std::move(*refused);
  if (auto* again = std::get_if<NotAccepted>(&verdict)) return std::move(*again);
  if (auto* unknown = std::get_if<OutcomeUnknown>(&verdict)) return std::move(*unknown);

  Taken& taken = std::get<Taken>(verdict);
  Report report;
  report.provider_state = state;
  if (taken.created.request_id.empty()) {
    report.standing = Standing::handed_out;
    report.provider_status = "EXECUTED";
    report.handout = handout(taken.created.result, std::move(taken.body));
    return Accepted{std::move(report)};
  }
  report.standing = Standing::awaiting_approval;
  report.provider_status = "PENDING";
  report.reference = ProviderReference(taken.created.request_id);
  report.progress = progress_at_start({pinned, settings_.names, call.now});
  return Accepted{std::move(report)};
}

// ---- look up --------------------------------------------------------------------------------------------------------

bool SecurosysProvider::is_ours(const Task& task, const ProviderCall& call) const {
  if (!task.meta_data) return false;
  const std::optional<MetaData> meta = meta_data_from(*task.meta_data);
  if (!meta || meta->request != call.order.id.str() || meta->attempt != call.attempt) return false;
  // Anybody may write any metaData: what would be signed must be ours too.
  if (settings_.mode == Mode::raw_signature) return task.payload && equal(*task.payload, call.draft.to_be_signed);
  return meta->csr_sha256 == hex(sha256(call.draft.csr));
}

std::optional<Task> SecurosysProvider::find_task(const ProviderCall& call) {
  constexpr unsigned kPageSize = 50;
  constexpr unsigned kMostPages = 400;
  const Duration end = clock_.since_boot() + call.time_limit;
  const std::lock_guard lock(reader_mutex_);
  const auto page_of = [&](const TaskFilter& filter) {
    return reader_->with_proof([&](const TimestampProof& proof) {
      return client_->tasks(proof, filter, std::max(end - clock_.since_boot(), Duration{1}));
    });
  };
  for (unsigned page = 0; page < kMostPages; ++page) {
    const std::vector<Task> tasks = page_of({"", "", 2, page, kPageSize});
    for (const Task& task : tasks) {
      if (!is_ours(task, call)) continue;
      // Only now that the task is known to be ours, its request's id.
      for (const Task& full : page_of({task.id, "", 6, 0, 1}))
        if (full.id == task.id && full.request_id && is_ours(full, call)) return full;
      return task;
    }
    if (tasks.size() < kPageSize) return std::nullopt;
  }
  return std::nullopt;
}

LookUpAnswer SecurosysProvider::look_up(const ProviderCall& call) {
  if (!reader_)
    return CannotTell{
        fmt::format("the TSB has no search for a submission whose answer was lost, and provider {} has no "
                    "task_reader that could look for it among the open approval tasks; {}",
                    settings_.name, kByHand)};
  const std::optional<approval::Policy> now = policy(call.time_limit / 4);
  if (now && has_member(*now, x509::spki_hash(keys_.task_reader->subject_public_key_info())))
    return CannotTell{
        fmt::format("the task_reader of provider {} has the key of an approver: it must not be able to "
                    "approve, so it is not used; {}",
                    settings_.name, kByHand)};
  const std::optional<Task> task = find_task(call);
  if (!task)
    return CannotTell{
        fmt::format("no open approval task carries this request's mark; that proves nothing, since a task "
                    "disappears once it is decided; {}",
                    kByHand)};
  if (!task->request_id)
    return CannotTell{
        fmt::format("the approval task {} carries this request's mark: the submission arrived, but the "
                    "server does not show its signRequestId; {}",
                    task->id, kByHand)};
  Report report;
  report.standing = Standing::awaiting_approval;
  report.provider_status = "PENDING";
  report.reference = ProviderReference(*task->request_id);
  report.provider_state = state_of(now);
  report.message = "found by the approval task " + task->id;
  report.progress = progress_at_start({now, settings_.names, std::nullopt});
  return Found{std::move(report)};
}

// ---- poll, retrieve, cancel -----------------------------------------------------------------------------------------

Handout SecurosysProvider::handout(const std::string& result, std::string body) const {
  Handout out;
  out.raw = to_bytes(body);
  if (settings_.mode == Mode::certificate) {
    out.content = Handout::Content::certificate;
    out.result = to_bytes(result);
    return out;
  }
  out.content = Handout::Content::signature;
  try {
    out.result = from_base64(result);
  } catch (const Error&) {
    out.result = to_bytes(result);  // kept as it came: reading it will say what is wrong with it
  }
  return out;
}

Report SecurosysProvider::status(const ProviderCall& call) {
  const Submission& submission = submission_of(call);
  RequestAnswer answer = client_->request(submission.reference.str(), call.time_limit);
  Report report;
  report.retry_after = answer.retry_after;
  if (!answer.status) {
    report.standing = Standing::gone;
    report.provider_status = "unknown there";
    report.message = answer.unknown_why;
    return report;
  }
  const RequestStatus& now = *answer.status;
  if (!same_id(now.id, submission.reference.str()))
    throw Error(ErrorKind::corrupt, fmt::format("the TSB was asked about request {} and answered about {}",
                                                submission.reference.str(), now.id));
  report.standing = standing_of(now.status);
  report.provider_status = now.status;
  // Taken before anything beside it is read: a result may be given only once.
  if (report.standing == Standing::ready && now.result) {
    report.standing = Standing::handed_out;
    report.handout = handout(*now.result, std::move(answer.body));
  }
  try {
    // Without a state of ours (a person resolved it by its reference) the policy as it is now must do.
    const std::optional<approval::Policy> pinned =
        submission.provider_state.empty() ? policy(call.time_limit / 4) : pinned_policy(submission.provider_state);
    std::optional<Instant> created;
    if (submission.submitted_at != Instant{}) created = submission.submitted_at;
    report.progress = progress_of(now, {pinned, settings_.names, created});
  } catch (const Error&) {
    if (!report.handout) throw;
  }
  if (report.standing == Standing::rejected) report.by = rejected_by(report.progress);
  if (report.standing == Standing::failed)
    report.message = "the HSM or the TSB failed while executing it (key blocked or policy changed meanwhile?)";
  if (report.standing == Standing::expired) report.message = "not enough people approved in time";
  return report;
}

Report SecurosysProvider::poll(const ProviderCall& call) {
  return status(call);
}

Report SecurosysProvider::retrieve(const ProviderCall& call) {
  Report report = status(call);
  if (report.standing == Standing::ready) {
    // Executed, asked for again, and still without its result: no third look will bring it.
    report.standing = Standing::handed_out;
    report.message = fmt::format(
        "the TSB executed request {} and hands out no result: a server set to give results once gave it to somebody "
        "else, or the answer that carried it was lost",
        submission_of(call).reference.str());
  }
  return report;
}

CancelAnswer SecurosysProvider::cancel(const ProviderCall& call) {
  try {
    client_->delete_request(submission_of(call).reference.str(), call.time_limit / 2);
  } catch (const Error& error) {
    const std::string_view code = error.detail("errorCode");
    if (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::internal) throw;
    // Unknown there: the status below says so. Anything else the server will not do.
    if (code != "651") return CancelNotPossible{error.message()};
  }
  // What deleting does to a finished request is nowhere written down: only its status tells.
  ProviderCall rest = call;
  rest.time_limit = call.time_limit / 2;
  return status(rest);
}

// ---- read, confirm, test --------------------------------------------------------------------------------------------

Issued SecurosysProvider::read(const ProviderCall& call, const Handout& handout) {
  Issued issued;
  if (handout.content == Handout::Content::signature) {
    issued.certificate = assemble(call.draft, handout);
  } else {
    try {
      std::vector<Bytes> certificates = x509::read_certificates(handout.result);
      issued.certificate = std::move(certificates.front());
      issued.chain.assign(certificates.begin() + 1, certificates.end());
    } catch (const Error& error) {
      throw Error(ErrorKind::corrupt, "the TSB's result is no certificate: " + error.message());
    }
  }
  if (!call.draft.issuer.empty())
    issued.chain.push_back(call.draft.issuer);
  else if (settings_.mode == Mode::certificate)
    issued.chain.push_back(issuer(call.time_limit).der);
  issued.chain.insert(issued.chain.end(), chain_.begin(), chain_.end());
  return issued;
}

void SecurosysProvider::confirm(const ProviderCall& call, const Issued& issued) {
  std::string label = settings_.import_label;
  if (label.empty())
    throw Error(ErrorKind::invalid_input,
                fmt::format("provider {} has no import_label: it does not say to which key at the TSB the certificate "
                            "belongs",
                            settings_.name));
  if (const std::size_t at = label.find("{key}"); at != std::string::npos) label.replace(at, 5, call.key.label);
  client_->import_certificate(label, issued.certificate, call.time_limit);
}

std::vector<std::string> SecurosysProvider::test() {
  std::vector<std::string> learnt;
  const Duration limit = settings_.time_limit;
  const bool may_ask = client_->has_keys_for(client_->role_of(Endpoint::version_info));
  const auto service = [&](const char* what, auto ask) {
    try {
      learnt.push_back(ask());
    } catch (const Error& error) {
      // A key-operation key alone is an ordinary set-up.
      if (may_ask || error.kind() != ErrorKind::denied) throw;
      learnt.push_back(fmt::format("{}: not shown without a service API key", what));
    }
  };
  service("version", [&] {
    const VersionInfo version = client_->version_info(limit);
    return fmt::format("TSB {}{}, {} generation", version.version,
                       version.vendor.empty() ? "" : " of " + version.vendor,
                       generation_of(version.version) == Generation::modern ? "modern" : "classic");
  });
  service("licence", [&] {
    std::string flags;
    for (const std::string& flag : client_->license_flags(limit)) flags += (flags.empty() ? "" : ", ") + flag;
    return fmt::format("licence: {} (the HSM answers)", flags);
  });
  const x509::Certificate certificate = x509::parse_certificate(client_->certificate(settings_.sign_key, limit));
  learnt.push_back(fmt::format("key {} issues as {} until {}", settings_.sign_key, certificate.subject().to_string(),
                               rfc3339(certificate.tbs.validity.not_after)));
  if (issuer_file_ && x509::parse_certificate(*issuer_file_).spki() != certificate.spki())
    throw Error(ErrorKind::conflict, fmt::format("the certificate of key {} at the TSB is of another key than the "
                                                 "configured issuer",
                                                 settings_.sign_key))
        .hint("correct `issuer` or `sign_key`");
  if (settings_.mode == Mode::raw_signature)
    learnt.push_back(fmt::format("signs with {}", issuing_algorithm(settings_, certificate).name));
  if (const std::optional<approval::Policy> rule = policy(limit))
    learnt.push_back("approval: " + approval::quorum_text(*rule));
  else
    learnt.emplace_back("approval: quorum unknown (no approval_policy and no key_management API key)");
  if (reader_) {
    const std::lock_guard lock(reader_mutex_);
    reader_->with_proof([&](const TimestampProof& proof) { return client_->tasks(proof, {"", "", 1, 0, 1}, limit); });
    learnt.emplace_back("task_reader: may list approval tasks");
  }
  return learnt;
}

}  // namespace hsmbridge::securosys
