#include "providers/securosys/provider.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "providers/securosys/approval_bytes.h"
#include "providers/securosys/certificate_mode.h"
#include "providers/securosys/error_code.h"
#include "providers/securosys/meta_data_proof.h"
#include "providers/securosys/raw_signature.h"
#include "providers/securosys/task_walk.h"
#include "x509/crl.h"
#include "x509/csr.h"
#include "x509/pem.h"
#include "x509/spki.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace hsmbridge::securosys {
namespace {

using namespace workflow;

// How long what was read from the server is taken for current.
constexpr Duration kLearntAge = std::chrono::minutes{10};
// How long a server that executed a request may owe its result: another node of it may be slower.
constexpr Duration kResultPatience = std::chrono::hours{1};

// What provider_state holds.
struct Pinned {
  std::optional<approval::Policy> policy;
  std::optional<Instant> result_owed_since;
};

Pinned pinned_from(const std::string& provider_state) {
  if (provider_state.empty()) return {};
  try {
    const Json json = Json::parse(provider_state);
    Pinned pinned;
    if (const Json* policy = json.find("policy"); policy != nullptr) pinned.policy = approval::policy_from(*policy);
    if (const std::string since = json.string_or("result_owed_since", ""); !since.empty())
      pinned.result_owed_since = parse_rfc3339(since);
    return pinned;
  } catch (const Error& error) {
    throw Error(ErrorKind::corrupt, "the stored state of this provider cannot be read: " + error.message());
  }
}

std::string state_of(const Pinned& pinned) {
  Json json = Json::object();
  if (pinned.policy) json.set("policy", approval::to_json(*pinned.policy));
  if (pinned.result_owed_since) json.set("result_owed_since", rfc3339(*pinned.result_owed_since));
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

std::optional<Instant> created(const Submission& submission) {
  return submission.submitted_at == Instant{} ? std::nullopt : std::optional(submission.submitted_at);
}

// An answer with a result that is about something else, or does not say what it is about: kept whole, and no
// certificate is made of it.
Handout unreadable_handout(const std::string& body) {
  Handout kept;
  kept.content = Handout::Content::signature;
  kept.raw = to_bytes(body);
  return kept;
}

// What a task's approval would sign; nothing when it is no signature, or cannot be read.
std::optional<Bytes> payload_of(const Task& task) {
  if (!task.fault.empty()) return std::nullopt;
  try {
    return parse_approval_to_be_signed(task.approval_to_be_signed).payload;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The task with its metaData and its request's id, as far as this server has levels of detail. Nothing when it is gone.
std::optional<Task> in_detail(const FetchTasks& fetch, const std::string& id) {
  // The id of a request comes with the highest level, which not every server has; the mark with the second.
  for (const unsigned level : {6U, 2U}) {
    try {
      for (Task& task : fetch({id, level, 0, 1}))
        if (task.id == id) return std::move(task);
      return std::nullopt;
    } catch (const Error& error) {
      if (error.detail("errorCode") == "652") return std::nullopt;
      if (level == 2 || (error.kind() == ErrorKind::unavailable && error.detail("too-large").empty())) throw;
    }
  }
  return std::nullopt;
}

// Whether asking the same again can never help. Credentials can be renewed, and what is not in the TSB's own form (a
// gateway's bare 401) or has a code without a row says nothing for good.
bool refuses_for_good(const Error& error) {
  if (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::internal) return false;
  if (!error.detail("no-handler").empty()) return true;  // this server has no such endpoint
  const auto rows = error_codes();
  const auto row = std::find_if(rows.begin(), rows.end(), [code = error.detail("errorCode")](const ErrorCode& entry) {
    return std::to_string(entry.code) == code;
  });
  return row != rows.end() && row->repeating == Repeating::cannot_help;
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

Capabilities capabilities_of(Mode mode) {
  Capabilities can;
  can.cancel = true;
  can.shows_approvers = true;
  can.shows_quorum = true;
  can.full_profile = mode == Mode::raw_signature;
  return can;
}

Capabilities SecurosysProvider::capabilities() const {
  Capabilities can = capabilities_of(settings_.mode);
  can.shows_quorum = settings_.policy.has_value() || client_->may_call(Endpoint::key_attributes);
  can.result_once = settings_.result_once;
  return can;
}

// ---- what is learnt from the server ---------------------------------------------------------------------------------

template <class Value>
std::optional<Value> SecurosysProvider::recent(const Learnt<Value>& learnt) {
  const std::lock_guard lock(mutex_);
  if (!learnt.value || clock_.since_boot() - learnt.at >= kLearntAge) return std::nullopt;
  return learnt.value;
}

template <class Value>
void SecurosysProvider::keep(Learnt<Value>& learnt, Value value) {
  const std::lock_guard lock(mutex_);
  learnt = {std::move(value), clock_.since_boot()};
}

x509::Certificate SecurosysProvider::issuer(Duration limit, Freshness freshness) {
  if (issuer_file_) return x509::parse_certificate(*issuer_file_);
  if (freshness == Freshness::recent)
    if (auto known = recent(issuer_)) return *known;
  x509::Certificate read = x509::parse_certificate(client_->certificate(settings_.sign_key, limit));
  keep(issuer_, read);
  return read;
}

Generation SecurosysProvider::generation(Duration limit) {
  if (settings_.generation) return *settings_.generation;
  if (const auto known = recent(generation_)) return *known;
  try {
    const Generation learnt = generation_of(client_->version_info(limit).version);
    keep(generation_, learnt);
    return learnt;
  } catch (Error& error) {
    if (error.kind() == ErrorKind::denied)
      error.hint("give a service API key (api_keys: {service: …}), or state `generation: classic` or `modern`");
    throw;
  }
}

// Never stands in the way: who may not read them knows less.
std::optional<KeyAttributes> SecurosysProvider::attributes(Duration limit) {
  if (!client_->may_call(Endpoint::key_attributes)) return std::nullopt;
  if (auto known = recent(attributes_)) return known;
  try {
    KeyAttributes read = client_->key_attributes(settings_.sign_key, key_password(), limit);
    if (read.rule_use) approval::validate(*read.rule_use);
    // A key that is unblocked must not be called blocked for minutes.
    if (!read.blocked) keep(attributes_, read);
    return read;
  } catch (const Error& error) {
    log::debug(fmt::format("provider {}: the attributes of key {} cannot be read: {}", settings_.name,
                           settings_.sign_key, error.message()));
    return std::nullopt;
  }
}

// Without one the three lists are shown, and "quorum unknown".
std::optional<approval::Policy> SecurosysProvider::policy(Duration limit) {
  if (settings_.policy) return settings_.policy;
  const std::optional<KeyAttributes> known = attributes(limit);
  return known ? known->rule_use : std::nullopt;
}

Secret SecurosysProvider::key_password() const {
  if (!settings_.key_password) return {};
  Secret password = settings_.key_password->fetch(prompter_, "the password of key " + settings_.sign_key);
  client_->leave_out(password);
  return password;
}

// ---- draft and check ------------------------------------------------------------------------------------------------

ProviderDraft SecurosysProvider::draft(const Order& order, ByteView csr, Instant now) {
  if (order.kind != Kind::enroll && order.kind != Kind::renew)
    throw Error(ErrorKind::refused,
                fmt::format("provider {} issues certificates and does nothing else", settings_.name));
  if (settings_.mode == Mode::raw_signature)
    return draft_to_be_signed(settings_, issuer(settings_.time_limit, Freshness::recent), order, csr, now);
  ProviderDraft draft;
  if (issuer_file_) draft.issuer = *issuer_file_;
  return draft;
}

// The certificate attached to the signing key at the TSB; nothing when it cannot be had. Then a reason not to submit is
// added where the request could not be carried out: a TSB signs bytes with a key that has no certificate attached, and
// with one whose certificate may not be asked for.
std::optional<x509::Certificate> SecurosysProvider::attached(Duration limit, std::vector<std::string>& reasons) {
  try {
    return x509::parse_certificate(client_->certificate(settings_.sign_key, limit));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    const std::string_view code = error.detail("errorCode");
    const bool builds_it = settings_.mode == Mode::certificate;
    const bool algorithm_unknown = builds_it && !issuer_file_ && settings_.algorithm.empty();
    if (code == "650" || (builds_it && code == "402") || algorithm_unknown)
      reasons.push_back(error.hint().empty() ? error.message() : error.message() + ": " + error.hint());
    else
      log::debug(fmt::format("provider {}: {}", settings_.name, error.message()));
    return std::nullopt;
  }
}

// Why the signing key cannot do what is asked of it. Found out here, before anybody is asked to approve.
std::vector<std::string> SecurosysProvider::signing_key_objections(Duration limit) {
  std::vector<std::string> reasons;
  if (const auto known = attributes(limit); known && known->blocked)
    reasons.push_back(fmt::format("the key {} is blocked at the TSB: it signs nothing until it is unblocked there",
                                  settings_.sign_key));
  if (!issuer_file_ || recent(attached_)) return reasons;
  const auto there = attached(limit, reasons);
  if (!there) return reasons;
  const x509::Certificate ours = x509::parse_certificate(*issuer_file_);
  if (there->spki() != ours.spki())
    reasons.push_back(
        fmt::format("the certificate of key {} at the TSB ({}) is of another key than the configured "
                    "issuer ({}): correct `issuer` or `sign_key`",
                    settings_.sign_key, there->subject().to_string(), ours.subject().to_string()));
  else if (!(there->subject() == ours.subject()))
    reasons.push_back(
        fmt::format("the key {} issues as {} at the TSB, and the configured issuer is {}: correct "
                    "`issuer` or `sign_key`",
                    settings_.sign_key, there->subject().to_string(), ours.subject().to_string()));
  else
    keep(attached_, *there);
  return reasons;
}

std::vector<std::string> SecurosysProvider::check(const ProviderCall& call) {
  const Duration limit = call.time_limit / 4;
  std::vector<std::string> reasons = signing_key_objections(limit);
  policy(limit);  // learnt here, so that submitting need not ask first
  const auto add = [&reasons](std::vector<std::string> more) {
    for (std::string& reason : more) reasons.push_back(std::move(reason));
  };
  if (settings_.mode == Mode::raw_signature) {
    add(check_to_be_signed(settings_, issuer(limit, Freshness::now), call));
    return reasons;
  }
  std::optional<x509::Certificate> signs;
  if (issuer_file_)
    signs = x509::parse_certificate(*issuer_file_);
  else if ((signs = attached(limit, reasons)))
    keep(issuer_, *signs);
  add(check_certificate_request(settings_, generation(limit), ask_of(call.order), x509::parse_csr(call.draft.csr),
                                signs));
  return reasons;
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

Secret SecurosysProvider::body(const ProviderCall& call) {
  std::string name;
  Secret inner;
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
    const x509::SignatureAlgorithm& algorithm =
        settings_.algorithm.empty() ? issuing_algorithm(settings_, issuer(call.time_limit / 4, Freshness::recent))
                                    : x509::signature_algorithm(settings_.algorithm);
    request.algorithm = algorithm.tsb_name;
    request.meta_data = meta_data(call);
    name = "signCertificateRequest";
    inner = inner_text(request);
  }
  std::optional<RequestSignature> signature;
  if (settings_.request_signature && keys_.application) {
    const std::lock_guard lock(application_mutex_);
    signature = RequestSignature{
        keys_.application->sign(as_bytes(inner.reveal()), *approver_algorithm(*keys_.application).algorithm),
        keys_.application->subject_public_key_info()};
  }
  return outer_text(name, inner, signature);
}

SubmitAnswer SecurosysProvider::submit(const ProviderCall& call) {
  // Everything before the one POST: whatever fails here, nothing was sent.
  Secret text;
  std::string state;
  std::optional<approval::Policy> pinned;
  const Duration begin = clock_.since_boot();
  try {
    text = body(call);
    pinned = policy(call.time_limit / 4);
    state = state_of({pinned, std::nullopt});
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_input || error.kind() == ErrorKind::refused) return RefusedForGood{error};
    return NotAccepted{error, std::nullopt};
  }
  const Duration left = call.time_limit - (clock_.since_boot() - begin);

  Verdict verdict = [&]() -> Verdict {
    try {
      return settings_.mode == Mode::raw_signature ? client_->sign(text.reveal(), left, call.call_until)
                                                   : client_->certificate_sign(text.reveal(), left, call.call_until);
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

// By what would be signed, which nobody else can choose.
bool SecurosysProvider::may_be_ours(const Task& task, const ProviderCall& call) const {
  const std::optional<Bytes> payload = payload_of(task);
  if (!payload) return false;
  if (settings_.mode == Mode::raw_signature) return equal(*payload, call.draft.to_be_signed);
  // The TSB's own TBSCertificate: its bytes cannot be known, its key can.
  const x509::ToBeSigned content = x509::what_is_to_be_signed(*payload);
  const auto* certificate = std::get_if<x509::TbsCertificate>(&content);
  return certificate != nullptr && certificate->spki == x509::parse_csr(call.draft.csr).spki;
}

bool SecurosysProvider::is_ours(const Task& task, const ProviderCall& call) const {
  if (!may_be_ours(task, call) || !task.meta_data) return false;
  const std::optional<MetaData> meta = meta_data_from(*task.meta_data);
  if (!meta || meta->request != call.order.id.str() || meta->attempt != call.attempt) return false;
  if (settings_.mode == Mode::certificate && meta->csr_sha256 != hex(sha256(call.draft.csr))) return false;
  // Anybody may write any metaData; with an application key only we can sign it.
  return !keys_.application ||
         meta_data_signed_by({*task.meta_data, task.meta_data_signature}, keys_.application->subject_public_key_info());
}

// Waits for whoever uses the task reader, `limit` at most.
std::unique_lock<std::timed_mutex> SecurosysProvider::reader_turn(Duration limit) {
  std::unique_lock lock(reader_mutex_, std::defer_lock);
  if (limit <= Duration::zero() || !lock.try_lock_for(limit))
    throw Error(ErrorKind::unavailable,
                fmt::format("the task_reader of provider {} was busy with other look-ups until the time was over",
                            settings_.name));
  return lock;
}

SecurosysProvider::Search SecurosysProvider::find_task(const ProviderCall& call, Duration end) {
  const auto turn = reader_turn(end - clock_.since_boot());
  const FetchTasks fetch = [&](const TaskFilter& filter) {
    return reader_->with_proof([&](const TimestampProof& proof) {
      const Duration left = end - clock_.since_boot();
      if (left <= Duration::zero())
        throw Error(ErrorKind::unavailable, "the time limit was over before every approval task was seen");
      return client_->tasks(proof, filter, left);
    });
  };
  std::optional<Task> found;
  const Extent extent = walk_tasks(fetch, [&](const Task& task) {
    if (!may_be_ours(task, call)) return Walk::on;
    // Only now is more asked than what is open.
    std::optional<Task> full = in_detail(fetch, task.id);
    if (!full || !is_ours(*full, call)) return Walk::on;
    found = std::move(full);
    return Walk::stop;
  });
  return {std::move(found), extent};
}

// Why the task reader may not be used; "" when it may. What looks things up by itself must not be able to approve, and
// where nobody knows who may approve, nobody knows that.
std::string SecurosysProvider::reader_objection(Duration limit) {
  std::set<SpkiHash> approvers(keys_.people.begin(), keys_.people.end());
  for (const auto& [key, name] : settings_.names) approvers.insert(key);
  if (const std::optional<approval::Policy> now = policy(limit))
    for (const approval::Member& member : approval::members(*now)) approvers.insert(member.person.key);
  approvers.erase(SpkiHash{});
  if (approvers.empty())
    return fmt::format(
        "the task_reader of provider {} is not used: no approver's key is known here to compare its own with (name "
        "them in `approvers`, `approval_policy` or `people`, or give a key_management API key)",
        settings_.name);
  if (approvers.count(x509::spki_hash(keys_.task_reader->subject_public_key_info())) != 0)
    return fmt::format(
        "the task_reader of provider {} has the key of an approver: it must not be able to approve, so it is not used",
        settings_.name);
  return "";
}

LookUpAnswer SecurosysProvider::look_up(const ProviderCall& call) {
  if (!reader_)
    return CannotTell{
        fmt::format("the TSB has no search for a submission whose answer was lost, and provider {} has no "
                    "task_reader that could look for it among the open approval tasks; {}",
                    settings_.name, kByHand)};
  try {
    return search(call, clock_.since_boot() + call.time_limit);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    // Asked again it would be refused again: a person must know.
    return CannotTell{fmt::format("looking for it failed: {}{}; {}", error.message(),
                                  error.hint().empty() ? "" : " (" + error.hint() + ")", kByHand)};
  }
}

// `end`: on CLOCK_BOOTTIME, for everything together.
LookUpAnswer SecurosysProvider::search(const ProviderCall& call, Duration end) {
  const auto share = [&] { return std::min(call.time_limit / 4, end - clock_.since_boot()); };
  if (const std::string objection = reader_objection(share()); !objection.empty())
    return CannotTell{objection + "; " + kByHand};
  const std::optional<approval::Policy> now = policy(share());
  const auto [task, extent] = find_task(call, end);
  if (!task)
    return CannotTell{
        fmt::format("no open approval task carries this request's mark{}; that proves nothing, since a task "
                    "disappears once it is decided; {}",
                    extent == Extent::cut ? ", and not all tasks could be listed" : "", kByHand)};
  if (!task->request_id)
    return CannotTell{
        fmt::format("the approval task {} carries this request's mark: the submission arrived, but the "
                    "server does not show its signRequestId; {}",
                    task->id, kByHand)};
  Report report;
  report.standing = Standing::awaiting_approval;
  report.provider_status = "PENDING";
  report.reference = ProviderReference(*task->request_id);
  report.provider_state = state_of({now, std::nullopt});
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

// Who decided how, as far as it can be told from what is at hand.
Progress SecurosysProvider::progress_without_asking(const RequestStatus& now, const Submission& submission) const {
  std::optional<approval::Policy> pinned = settings_.policy;
  try {
    if (!submission.provider_state.empty()) pinned = pinned_from(submission.provider_state).policy;
    return progress_of(now, {pinned, settings_.names, created(submission)});
  } catch (const Error&) {
    return {};  // what stands beside a result never costs it
  }
}

Report SecurosysProvider::status(const ProviderCall& call) {
  const Submission& submission = submission_of(call);
  const Duration end = clock_.since_boot() + call.time_limit;
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
  const bool about_ours = same_id(now.id, submission.reference.str());
  report.standing = standing_of(now.status);
  report.provider_status = now.status;
  // Before anything that may fail or take time: a result may be given only once.
  if (now.result && (!about_ours || report.standing == Standing::ready || report.standing == Standing::unrecognised)) {
    report.standing = Standing::handed_out;
    report.handout = about_ours ? handout(*now.result, std::move(answer.body)) : unreadable_handout(answer.body);
    if (about_ours) report.progress = progress_without_asking(now, submission);
    return report;
  }
  if (!about_ours)
    throw Error(ErrorKind::corrupt, fmt::format("the TSB was asked about request {} and answered about {}",
                                                submission.reference.str(), x509::printable(now.id)));
  // Without a state of ours (a person resolved it by its reference) the policy as it is now must do.
  const std::optional<approval::Policy> pinned = submission.provider_state.empty()
                                                     ? policy(std::min(call.time_limit / 4, end - clock_.since_boot()))
                                                     : pinned_from(submission.provider_state).policy;
  report.progress = progress_of(now, {pinned, settings_.names, created(submission)});
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
  if (report.standing != Standing::ready) return report;
  const Submission& submission = submission_of(call);
  Pinned pinned = pinned_from(submission.provider_state);
  const bool overdue = pinned.result_owed_since && call.now - *pinned.result_owed_since >= kResultPatience;
  // A server that gives a result once gave it already: no third look will bring it.
  if (settings_.result_once || overdue) {
    report.standing = Standing::handed_out;
    report.message = fmt::format(
        "the TSB executed request {} and hands out no result{}: a server set to give results once gave it to somebody "
        "else, or the answer that carried it was lost",
        submission.reference.str(), overdue ? " since " + rfc3339(*pinned.result_owed_since) : "");
    return report;
  }
  if (!pinned.result_owed_since) {
    // A request that a person resolved by its reference has no state of ours: what is pinned now stays so.
    if (submission.provider_state.empty()) pinned.policy = policy(call.time_limit / 4);
    pinned.result_owed_since = call.now;
    report.provider_state = state_of(pinned);
  }
  report.message = fmt::format("executed, and its result is not there yet; it is looked for until about {}",
                               rfc3339(*pinned.result_owed_since + kResultPatience));
  report.provider_status += " (" + report.message + ")";  // what `request explain` shows
  return report;
}

CancelAnswer SecurosysProvider::cancel(const ProviderCall& call) {
  const Duration end = clock_.since_boot() + call.time_limit;
  ProviderCall part = call;
  part.time_limit = call.time_limit / 3;
  // Looked at first: what deleting does to a finished request is nowhere written down, and a server that forgets it
  // would lose the result of one that was executed meanwhile.
  Report before = status(part);
  if (before.standing != Standing::awaiting_approval && before.standing != Standing::awaiting_issuance) return before;
  try {
    client_->delete_request(submission_of(call).reference.str(), (end - clock_.since_boot()) / 2);
  } catch (const Error& error) {
    // Unknown there since the look: the status below says so.
    if (error.detail("errorCode") != "651") {
      if (!refuses_for_good(error)) throw;
      return CancelNotPossible{error.message()};
    }
  }
  // It may have been executed between the look and the deletion: only its status tells.
  part.time_limit = end - clock_.since_boot();
  return status(part);
}

// ---- read, confirm, test --------------------------------------------------------------------------------------------

Issued SecurosysProvider::read(const ProviderCall& call, const Handout& handout) {
  if (handout.result.empty())
    throw Error(ErrorKind::corrupt,
                "the TSB's answer that held a result is not about this request; the whole answer is kept");
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
    issued.chain.push_back(issuer(call.time_limit, Freshness::recent).der);
  issued.chain.insert(issued.chain.end(), chain_.begin(), chain_.end());
  return issued;
}

// The public key of a key at the TSB; nothing when it may not be read (its password is not ours to know).
std::optional<Bytes> SecurosysProvider::public_key_at(const std::string& label, Duration limit) {
  if (!client_->may_call(Endpoint::key_attributes)) return std::nullopt;
  try {
    Bytes key = client_->key_attributes(label, {}, limit).public_key;
    return key.empty() ? std::nullopt : std::optional(std::move(key));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable || error.detail("errorCode") == "650") throw;
    log::debug(fmt::format("provider {}: the attributes of key {} cannot be read: {}", settings_.name, label,
                           error.message()));
    return std::nullopt;
  }
}

// The certificate at a key of the TSB; nothing when none is attached. Who may not look must not import either.
std::optional<Bytes> SecurosysProvider::attached_to(const std::string& label, Duration limit) {
  try {
    return client_->certificate(label, limit);
  } catch (Error& error) {
    if (error.detail("errorCode") == "402") return std::nullopt;
    if (error.detail("errorCode") == "650") error.hint("check `import_label`: the TSB has no key of that label");
    throw;
  }
}

void SecurosysProvider::confirm(const ProviderCall& call, const Issued& issued) {
  std::string label = settings_.import_label;
  if (label.empty())
    throw Error(ErrorKind::invalid_input,
                fmt::format("provider {} has no import_label: it does not say to which key at the TSB the certificate "
                            "belongs",
                            settings_.name));
  if (const std::size_t at = label.find("{key}"); at != std::string::npos) label.replace(at, 5, call.key.label);
  // Importing overwrites without a question: the certificate that this CA key signs with would be gone.
  if (label == settings_.sign_key)
    throw Error(ErrorKind::conflict, fmt::format("the certificate is not imported: {} is the signing key of provider "
                                                 "{}, whose own certificate it would overwrite",
                                                 label, settings_.name))
        .hint("correct `import_label`");
  const Duration end = clock_.since_boot() + call.time_limit;
  const x509::Certificate ours = x509::parse_certificate(issued.certificate);
  if (const std::optional<Bytes> there = public_key_at(label, call.time_limit / 3); there && *there != ours.spki())
    throw Error(ErrorKind::conflict, fmt::format("the certificate is not imported: the key {} at the TSB is another "
                                                 "one than the certificate's",
                                                 label))
        .hint("correct `import_label`");
  // Looked at each time, and last before importing: this is tried again after a lost answer, perhaps days later, and an
  // import overwrites whatever was attached meanwhile. The TSB offers no way to look and import in one step.
  if (const std::optional<Bytes> there = attached_to(label, (end - clock_.since_boot()) / 2)) {
    if (equal(*there, issued.certificate)) return;
    const Instant since = x509::parse_certificate(*there).tbs.validity.not_before;
    // As late is not later: some servers date every certificate of a day to its midnight.
    if (since > ours.tbs.validity.not_before)
      throw Error(ErrorKind::conflict,
                  fmt::format("the certificate is not imported: the key {} at the TSB has a newer one (valid from {}, "
                              "ours from {}), which it would overwrite",
                              label, rfc3339(since), rfc3339(ours.tbs.validity.not_before)))
          .hint("if ours belongs there all the same, remove the other one at the TSB (DELETE /v1/certificate/" + label +
                "), then install again; else leave it as it is");
  }
  client_->import_certificate(label, issued.certificate, end - clock_.since_boot());
}

std::vector<std::string> SecurosysProvider::test() {
  std::vector<std::string> learnt;
  const Duration limit = settings_.time_limit;
  const bool may_ask = client_->may_call(Endpoint::version_info);
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
    if (const std::string objection = reader_objection(limit); !objection.empty())
      throw Error(ErrorKind::refused, objection).hint("a lost submission would have to be resolved by hand");
    const auto turn = reader_turn(limit);
    reader_->with_proof([&](const TimestampProof& proof) { return client_->tasks(proof, {"", 1, 0, 1}, limit); });
    learnt.emplace_back("task_reader: may list approval tasks");
  }
  return learnt;
}

}  // namespace hsmbridge::securosys
