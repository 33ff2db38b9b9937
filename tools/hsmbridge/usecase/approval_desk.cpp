#include "tools/hsmbridge/usecase/approval_desk.h"

#include "base/error.h"
#include "base/trust.h"
#include "providers/securosys/approver.h"
#include "service/effects/expectation.h"
#include "tools/hsmbridge/wiring/securosys.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "workflow/machine/state.h"
#include "x509/objects/pem.h"
#include "x509/objects/pem_file.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::cli {

using commandline::Option;

namespace {

constexpr const char* kUnsigned = "no";

Wiring& configured(CommandContext& context) {
  if (context.wiring() != nullptr) return *context.wiring();
  throw Error{ErrorKind::not_found, "there is no configuration, and approving needs one"}.hint(
      "name it with --config FILE or HSMBRIDGE_CONFIG");
}

const config::PersonSettings& person_of(const config::Settings& settings, const std::optional<std::string>& name) {
  const config::PersonSettings* found = nullptr;
  Error several{ErrorKind::ambiguous, "several people of the configuration have a key here"};
  unsigned count = 0;
  for (const auto& person : settings.people) {
    if (!person.token || (name && person.name != *name)) continue;
    found = &person;
    several.with("candidate", person.name);
    ++count;
  }
  if (count == 1) return *found;
  if (count > 1) throw several.hint("say who you are: --as NAME");
  throw Error{ErrorKind::not_found,
              name ? fmt::format("the configuration has no person {} with a token and a key", *name)
                   : std::string("the configuration has no person with a token and a key")}
      .hint("add  people: {NAME: {token: TOKEN, key: SELECTOR}}");
}

// In the form in which the TSB's policy names this person: with the certificate when that is what is configured.
securosys::Identity identity_of(const config::PersonSettings& person, const x509::Signer& signer) {
  const auto& spki = signer.subject_public_key_info();
  if (person.spki && *person.spki != base64(spki)) {
    throw Error{ErrorKind::conflict, fmt::format("the key {} in token {} is not the one that `spki` of {} names",
                                                 *person.key, *person.token, person.name)}
        .with("sha256 of the token's key", hex(sha256(spki)));
  }
  if (person.public_key) {
    const auto content = read_trusted(*person.public_key, kBelieved);
    bool certificate = true;
    Bytes der;
    try {
      der = x509::read_certificate(content);
    } catch (const Error&) {
      certificate = false;
    }
    if (certificate) return securosys::Identity::certificate(signer, der);
    if (!equal(x509::read_public_key(content), spki)) {
      throw Error{ErrorKind::conflict, fmt::format("the key {} in token {} is not the one of {}", *person.key,
                                                   *person.token, person.public_key->string())};
    }
  }
  return securosys::Identity::public_key(signer);
}

// Whose signature a note should carry: the application key's public half, or why it is not known here.
struct ApplicationKey {
  std::optional<Bytes> spki;
  std::string unknown_why;
};

ApplicationKey application_key(const securosys::Settings& provider, Wiring& wiring,
                               const workflow::RecordFact& record) {
  try {
    if (provider.application_public_key) {
      return {x509::key_of_person_in_file(*provider.application_public_key, x509::Given::to_be_believed), ""};
    }
    if (!provider.application_key) return {};
    const auto& token = wiring.settings().token(provider.application_key->token);
    // An approver is not asked for the PIN of somebody else's token.
    if (token.pin && token.pin->kind() == config::SecretSource::Kind::prompt) {
      return {{}, "its PIN would have to be typed; name its public half as application_public_key"};
    }
    const auto ring = wiring.key_ring(token.name);
    const auto opened = ring->signer(ring->find(provider.application_key->key),
                                     {workflow::Purpose::metadata, "telling whose notes are this bridge's",
                                      Json::object(), provider.application_key->accept},
                                     record);
    return {opened.key.spki, ""};
  } catch (const Error& error) {
    return {{}, error.message()};
  }
}

// Why a note that names our request cannot have been written for it: anybody may write any note.
std::vector<std::string> misfits(const workflow::Record& record, const securosys::MetaData& note,
                                 const std::string& provider) {
  std::vector<std::string> found;
  const auto& order = record.order;
  const auto& id = order.id.str();
  if (order.provider != provider) {
    found.push_back(fmt::format("its note names our request {}, which is for provider {} and not for {}", id,
                                order.provider, provider));
  }
  if (!workflow::needs_key(order)) {
    found.push_back(
        fmt::format("its note names our request {}, a {}, which asks for no signature", id, to_string(order.kind)));
  }
  const auto* submission = workflow::submission_of(record.state);
  const auto* submitting = std::get_if<workflow::Submitting>(&record.state);
  const unsigned attempt = submission != nullptr   ? submission->attempt
                           : submitting != nullptr ? submitting->attempt
                                                   : 0;
  if (attempt != 0 && attempt != note.attempt) {
    found.push_back(fmt::format("its note names attempt {} of our request {}, which waits for its attempt {}",
                                note.attempt, id, attempt));
  }
  const auto* draft = workflow::draft_of(record.state);
  if (draft != nullptr && !draft->csr.empty() && note.csr_sha256 != hex(sha256(draft->csr))) {
    found.push_back(fmt::format("its note names another certificate request (CSR) than that of our request {}", id));
  }
  return found;
}

// The states in which nothing may be issued for a request any more.
bool is_over(const workflow::State& state) {
  const auto name = workflow::name_of(state);
  return workflow::is_final(name) || name == workflow::StateName::withdrawing ||
         name == workflow::StateName::quarantined;
}

}  // namespace

std::vector<Option> desk_options() {
  return {{"--as", "NAME", "which person of the configuration approves; may be left out when there is one"},
          {"--provider", "NAME", "which provider; else the person's, or the only one"}};
}

ApprovalDesk::ApprovalDesk(Invocation& invocation) : context_(invocation), output_(invocation.output) {
  auto& wiring = configured(context_);
  const auto& settings = wiring.settings();
  const auto& person = person_of(settings, invocation.arguments.text("--as"));
  person_ = person.name;
  const auto typed = invocation.arguments.text("--provider");
  const auto& provider = settings.provider(typed ? *typed : person.provider.value_or(""));
  provider_ = provider.name;
  if (provider_type(provider).approvers != Approvers::with_a_key) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} is of type {}: its approvers decide there, not here",
                                                      provider.name, provider.type)};
  }
  const workflow::RecordFact journal = [this](std::string_view kind, const Json& facts) { record(kind, facts); };
  const auto ring = wiring.key_ring(*person.token);
  signer_ = ring->signer(ring->find(*person.key),
                         {workflow::Purpose::approval, "listing approval tasks (a time stamp)",
                          Json::object({{"person", person_}}), person.accept_key},
                         journal)
                .signer;
  auto parts = securosys_parts(provider, wiring.provider_needs());
  sign_key_ = parts.settings.sign_key;
  auto application = application_key(parts.settings, wiring, journal);
  application_key_ = std::move(application.spki);
  application_unknown_ = std::move(application.unknown_why);
  client_ = std::move(parts.client);
  approver_ = std::make_unique<securosys::Approver>(*client_, *signer_, identity_of(person, *signer_), wiring.clock(),
                                                    parts.settings.time_limit);
}

ApprovalDesk::~ApprovalDesk() = default;

// An approver may be allowed to read the bridge's store and nothing more.
void ApprovalDesk::record(std::string_view kind, const Json& facts) {
  try {
    context_.log().record(kind, facts);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::denied) throw;
    if (!said_no_log_) {
      output_.note(
          fmt::format("hsmbridge: uses of this key are in no audit log: {}", commandline::safe(error.message())));
    }
    said_no_log_ = true;
  }
}

std::vector<securosys::TaskView> ApprovalDesk::list() {
  return approver_->list();
}

securosys::TaskView ApprovalDesk::find(const std::string& typed) {
  std::vector<securosys::TaskView> found;
  for (auto& task : list()) {
    if (!task.id.empty() && task.id.starts_with(typed)) found.push_back(std::move(task));
  }
  // Only now with what comes beside its bytes.
  if (found.size() == 1) return approver_->show(found.front().id);
  const auto list_them = fmt::format("`hsmbridge approval list --as {}` shows every open task", person_);
  if (found.empty()) {
    throw Error{ErrorKind::not_found, fmt::format("{} has no open task {} at {}", person_, typed, provider_)}.hint(
        list_them);
  }
  Error error{ErrorKind::ambiguous, fmt::format("{} tasks begin with {}", found.size(), typed)};
  for (const auto& task : found) error.with("candidate", task.id + " " + task.title);
  throw error.hint("type more characters of the id");
}

// Whether the note beside the bytes is ours, in words; "" when this bridge is not told which key signs notes.
std::string ApprovalDesk::note_signature(const securosys::TaskView& task) const {
  if (!application_unknown_.empty()) return "not checked (" + application_unknown_ + ")";
  if (!application_key_) return "";
  return task.note && securosys::meta_data_signed_by(*task.note, *application_key_) ? "yes" : kUnsigned;
}

// What the store of this bridge knows of the request that the task's metaData names.
void ApprovalDesk::compare_with_store(const securosys::TaskView& task, Comparison& comparison) {
  auto& expectation = comparison.expectation;
  const auto& id = task.meta_data->request;
  // Approvers need not be able to change what they compare with.
  std::optional<workflow::Record> record;
  try {
    record = context_.wiring()->stores().open_to_read()->find(RequestId{id});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    comparison.words = "nothing: " + error.message();
    return;
  }
  if (!record) {
    comparison.words = fmt::format("nothing: request {} is not in the store of this bridge", id);
    return;
  }
  for (auto& misfit : misfits(*record, *task.meta_data, provider_)) expectation.known.push_back(std::move(misfit));
  const auto state = workflow::to_string(workflow::name_of(record->state));
  if (is_over(record->state)) {
    expectation.known.push_back(
        fmt::format("our request {} is {} here: nothing shall be issued for it any more", id, state));
  }
  const auto* draft = workflow::draft_of(record->state);
  if (draft == nullptr) {
    comparison.words = fmt::format("our request {}, which is {}: its bytes are not kept", id, state);
    return;
  }
  expectation.request = id;
  std::string how = ", whose certificate the TSB builds itself: its content against what was asked";
  if (draft->to_be_signed.empty()) {
    expectation.certificate = service::expectation_of(record->order, *draft);
  } else {
    expectation.to_be_signed = draft->to_be_signed;
    how = equal(draft->to_be_signed, task.approval.payload) ? ": exactly the bytes that were frozen there"
                                                            : ": NOT the bytes that were frozen there";
  }
  comparison.words = fmt::format("our request {}{}", id, how);
}

Comparison ApprovalDesk::compare(const securosys::TaskView& task, const std::optional<std::string>& payload_sha256) {
  Comparison comparison;
  auto& expectation = comparison.expectation;
  expectation.payload_sha256 = payload_sha256;
  expectation.at = context_.clock().now();
  if (!sign_key_.empty()) expectation.key_label = sign_key_;
  comparison.note_signature = note_signature(task);
  if (task.note && comparison.note_signature == kUnsigned) {
    expectation.known.emplace_back("its note is not signed by the application key: nobody can tell who wrote it");
  }
  if (!context_.wiring()->settings().store.path) {
    comparison.words = "nothing: no store is configured here";
  } else if (!task.meta_data) {
    comparison.words = "nothing: its metaData was not written by a bridge";
  } else {
    compare_with_store(task, comparison);
  }
  comparison.objections = securosys::objections(task, expectation, signer_->subject_public_key_info());
  comparison.deviations = securosys::deviations(task, expectation);
  return comparison;
}

void ApprovalDesk::accept(const securosys::TaskView& task, const securosys::Expectation& expectation) {
  signer_->say(fmt::format("approving task {} at {}, payload {}", task.id, provider_, task.payload_sha256));
  approver_->send(approver_->sign(task, expectation));
}

void ApprovalDesk::reject(const securosys::TaskView& task) {
  signer_->say(
      fmt::format("rejecting task {} at {}, payload {} (a time stamp)", task.id, provider_, task.payload_sha256));
  // The time stamp is often the one that listed the task a moment ago: then no use of the key tells of this decision.
  record("approval-rejection", Json::object({{"person", person_},
                                             {"provider", provider_},
                                             {"task", task.id},
                                             {"payload_sha256", task.payload_sha256},
                                             {"title", task.title}}));
  approver_->reject(task.id);
}

}  // namespace hsmbridge::cli
