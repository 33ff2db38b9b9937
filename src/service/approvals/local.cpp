#include "service/approvals/local.h"

#include "approval/vote.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "ca/cross.h"
#include "service/effects/approved.h"
#include "service/effects/expectation.h"
#include "service/requests/approval_terms.h"
#include "service/requests/request_id.h"
#include "service/requests/requests.h"
#include "workflow/machine/codec.h"
#include "workflow/machine/local_approval.h"
#include "x509/judge/foreign_letters.h"
#include "x509/judge/render.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace hsmbridge::service {

namespace {

constexpr std::string_view kExport = "hsmbridge.approval-export/2";

std::string state_words(const workflow::State& state) {
  return fmt::format("it is {}", workflow::to_string(workflow::name_of(state)));
}

bool asked_for(const LocalQuestion& question, const std::string& person) {
  const auto has = [&person](const auto& people) {
    return std::find(people.begin(), people.end(), person) != people.end();
  };
  return has(question.order.approval->requesters) || has(question.requesters);
}

// Why this person has no say in it; "" where there is a say.
std::string against_person(const LocalQuestion& question, const std::string& person, Instant now) {
  const auto& terms = *question.order.approval;
  const auto members = approval::members(terms.policy);
  const auto member =
      std::find_if(members.begin(), members.end(), [&](const auto& one) { return one.person.name == person; });
  if (member == members.end()) {
    return fmt::format("{} is not among those who may approve it: {}", person,
                       joined(members, ", ", [](const auto& one) { return one.person.name; }));
  }
  if (asked_for(question, person)) return fmt::format("{} asked for it, and cannot decide about it", person);
  const auto decisions = workflow::approval_standing(question.order, question.prepared, now).decisions;
  const auto& key = member->person.key;
  if (decisions.approved.count(key) != 0 || decisions.rejected.count(key) != 0) {
    return fmt::format("{} has decided about it, which is irrevocable", person);
  }
  return {};
}

// The draft as a person reads it, and what of it is not as requested.
struct Decoded {
  std::string text;
  std::vector<std::string> facts;  // of the order
  std::vector<std::string> objections;
  std::vector<std::string> deviations;
};

// Line by line; a line that is in both says nothing. `which`: "that it renews".
void compare_with(const std::string& other, std::string_view which, Decoded& decoded) {
  const auto difference = compare_lines(other, decoded.text);
  for (const auto& line : difference.only_before) {
    decoded.deviations.push_back(fmt::format("only in the certificate {}: {}", which, line));
  }
  for (const auto& line : difference.only_after) {
    decoded.deviations.push_back(fmt::format("not in the certificate {}: {}", which, line));
  }
}

// Whoever exported it: what it grants beside the certificate that the CA has is an objection, what else differs is shown.
void compare_with_cross_signed(const Bytes& existing_der, const x509::TbsCertificate& frozen, Decoded& decoded) {
  const auto existing = x509::parse_certificate(existing_der);
  for (auto& reason : ca::unlike(frozen, existing)) decoded.objections.push_back(std::move(reason));
  for (auto& line : ca::cross_differences(frozen.content, existing)) decoded.deviations.push_back(std::move(line));
}

void tell_foreign_letters(const std::string& where, Decoded& decoded) {
  if (!where.empty()) decoded.deviations.push_back(where);
}

void decode_certificate(const LocalQuestion& question, Instant now, Decoded& decoded) {
  const auto& order = question.order;
  const auto& prepared = question.prepared;
  const auto& draft = prepared.draft;
  const auto frozen = x509::parse_tbs_certificate(draft.to_be_signed);
  decoded.text = x509::render(frozen);
  tell_foreign_letters(x509::foreign_letters(frozen.content, frozen.issuer), decoded);
  for (const auto& finding : x509::check_to_be_signed(frozen, expectation_of(order, draft), now)) {
    const bool fatal = finding.severity == x509::Severity::fatal;
    (fatal ? decoded.objections : decoded.deviations)
        .push_back(fmt::format("{}: {}", finding.name, finding.explanation));
  }
  if (!draft.issuer.empty() && x509::parse_certificate(draft.issuer).subject().der() != frozen.issuer.der()) {
    decoded.objections.emplace_back("its issuer is not the CA of the draft");
  }
  if (const auto* renewed = order.predecessor()) {
    compare_with(x509::render(x509::parse_certificate(renewed->der).tbs), "that it renews", decoded);
  }
  if (const auto& existing = workflow::enrolment_of(order).cross_signs; !existing.empty()) {
    compare_with_cross_signed(existing, frozen, decoded);
  }
}

// What a provider is asked for beside a CSR that somebody else made may be more than it says: some are sent powers, names
// and usages of the request.
void compare_with_request(const x509::Content& asked, Decoded& decoded) {
  const auto difference = compare_lines(decoded.text, x509::render(asked));
  for (const auto& line : difference.only_after) decoded.deviations.push_back("requested beside the CSR: " + line);
  for (const auto& line : difference.only_before)
    decoded.deviations.push_back("in the CSR, and not requested: " + line);
}

void decode_csr(const LocalQuestion& question, Decoded& decoded) {
  const auto& order = question.order;
  const auto& prepared = question.prepared;
  const auto csr = x509::parse_csr(prepared.draft.csr);
  const auto& asked = workflow::enrolment_of(order).content.content;
  decoded.text = x509::render(csr.content);
  tell_foreign_letters(x509::foreign_letters(csr.content), decoded);
  if (!x509::signature_verifies(csr)) decoded.objections.emplace_back("the CSR is not signed by its key");
  if (order.brought_csr().empty()) {
    const auto different = x509::difference(csr, csr.spki, asked, x509::algorithm_of(csr.parts.signature_algorithm));
    if (!different.empty()) decoded.objections.push_back("the CSR is not what was requested: " + different);
  } else {
    decoded.deviations.emplace_back("the CSR was made by somebody else and goes as it is");
    compare_with_request(asked, decoded);
    for (const auto& attribute : csr.other_attributes) {
      decoded.deviations.push_back(
          fmt::format("the CSR has the attribute {}: {}", attribute.type.name(), hex(attribute.values)));
    }
  }
  if (const auto* renewed = order.predecessor()) {
    compare_with(x509::render(x509::parse_certificate(renewed->der).content()), "that it renews", decoded);
  }
  decoded.facts.push_back(
      fmt::format("public key {}, SHA-256 {}", x509::key_text(csr.spki), x509::spki_hash(csr.spki).str()));
}

// What somebody typed, so that nothing in it reads as the next thing that is said.
std::string quoted(const std::string& text) {
  return Json(text).dump();
}

// What a provider keeps as an object, with room between its members for the end of a line.
std::string members_of(const std::string& provider_state) {
  return joined(Json::parse(provider_state).as_object(), ", ",
                [](const Json::Member& member) { return quoted(member.first) + ": " + member.second.dump(); });
}

// What the order says beside the draft, which a vote is bound to too.
void tell_order(const LocalQuestion& question, Decoded& decoded) {
  const auto& order = question.order;
  const auto& prepared = question.prepared;
  const auto& wish = workflow::enrolment_of(order);
  const auto say = [&](const std::string& what) { decoded.facts.push_back(what); };
  if (order.brought_csr().empty()) {
    say(fmt::format("key {} in token {}{}", quoted(prepared.key.label), quoted(order.token()),
                    prepared.key.made_here ? ", made for it" : ""));
  } else {
    say("a CSR that somebody else made");
  }
  for (const auto& flaw : prepared.key.flaws) decoded.deviations.push_back("of the key is accepted: " + flaw);
  if (!wish.key.accept.empty()) say("would be accepted of the key: " + joined(wish.key.accept, ", ", quoted));
  if (!prepared.key.not_shown.empty()) say("its token does not show " + joined(prepared.key.not_shown, ", ", quoted));
  if (!wish.content.accept.empty()) say("accepted of the certificate: " + joined(wish.content.accept, ", ", quoted));
  if (wish.content.validity > Duration::zero()) {
    say("valid for " + spoken(wish.content.validity));
  } else if (prepared.draft.to_be_signed.empty()) {
    say("valid for as long as its provider gives");
  }
  if (!prepared.draft.provider_state.empty() && prepared.draft.to_be_signed.empty()) {
    say("sent beside the CSR: " + members_of(prepared.draft.provider_state));
  }
  for (const auto& target : wish.targets) say("goes to " + quoted(target.name));
  if (order.deadline) say("given up at " + rfc3339(*order.deadline));
}

Decoded decoded_of(const LocalQuestion& question, Instant now) {
  Decoded decoded;
  try {
    tell_order(question, decoded);
    const auto& prepared = question.prepared;
    if (x509::spki_hash(x509::parse_csr(prepared.draft.csr).spki) != prepared.key.spki) {
      decoded.objections.emplace_back("the CSR is for another key than that of the request");
    }
    if (prepared.draft.to_be_signed.empty()) {
      decode_csr(question, decoded);
    } else {
      decode_certificate(question, now, decoded);
    }
  } catch (const Error& error) {
    decoded.objections.push_back("the draft cannot be read: " + error.message());
  }
  return decoded;
}

// In one line, from what a vote is bound to alone: whoever made an export could write any summary.
std::string title_of(const workflow::Order& order, const workflow::Draft& draft) {
  try {
    const bool is_signed_here = !draft.to_be_signed.empty();
    const auto content =
        is_signed_here ? x509::parse_tbs_certificate(draft.to_be_signed).content : x509::parse_csr(draft.csr).content;
    const auto is_ca = [](const x509::Content& one) { return one.basic_constraints && one.basic_constraints->ca; };
    const auto names = joined(content.subject_alternative_names, ", ", [](const auto& name) { return name.text; });
    // A provider may be asked for a CA beside a CSR that says nothing of it.
    const bool authority = is_ca(content) || (!is_signed_here && is_ca(workflow::enrolment_of(order).content.content));
    const auto foreign = x509::foreign_letters(content);
    return fmt::format("{}{} for {}{}{}", authority ? "CA " : "", is_signed_here ? "certificate" : "CSR",
                       content.subject.empty() ? "(no subject)" : content.subject.to_string(),
                       names.empty() ? "" : " (" + names + ")", foreign.empty() ? "" : " [" + foreign + "]");
  } catch (const Error& error) {
    return "a draft that cannot be read: " + error.message();
  }
}

workflow::ApprovalTask task_of(const LocalQuestion& question, Instant now) {
  const auto& order = question.order;
  const auto& prepared = question.prepared;
  workflow::ApprovalTask task;
  task.id = order.id.str();
  task.title = title_of(order, prepared.draft);
  task.summary = prepared.draft.summary;
  task.payload = prepared.draft.to_be_signed.empty() ? prepared.draft.csr : prepared.draft.to_be_signed;
  // Two requests may have the same CSR as their draft, and be for different certificates.
  task.payload_sha256 = workflow::asked_digest(order, prepared);
  task.asked_at = prepared.approval.opened_at;
  task.status = "waits for approvals at this bridge";
  task.progress = workflow::approval_progress(order, prepared, now, question.requesters);
  task.origin = workflow::ApprovalTask::Origin{order.id.str(), 0, ""};
  return task;
}

Instant valid_until(const LocalQuestion& question, Instant now) {
  const auto& order = question.order;
  const auto& prepared = question.prepared;
  Instant end = now + workflow::kLongestApproval;
  if (const auto window = ends_at(order.approval->policy, {}, prepared.approval.counted_from(now)))
    end = std::min(end, *window);
  if (order.deadline) end = std::min(end, *order.deadline);
  if (order.max_age) end = std::min(end, prepared.draft.built_at + *order.max_age);
  return end;
}

void record_refusal(const Actor& actor, workflow::Store& store, Instant at, const std::string& request,
                    const std::string& person, const std::string& why) {
  const Json facts =
      Json::object({{"request", well_formed(request)}, {"person", well_formed(person)}, {"why", well_formed(why)}});
  store.append_audit("approval-refused", facts.dump(), actor.name, at);
}

[[noreturn]] void refuse_vote(const Actor& actor, workflow::Store& store, Instant at, const std::string& request,
                              const std::string& person, const std::string& why) {
  record_refusal(actor, store, at, request, person, why);
  throw Error{ErrorKind::refused, fmt::format("the vote is not taken: {}", why)};
}

}  // namespace

const config::PersonSettings& person_deciding(const config::Settings& settings, const std::optional<std::string>& name,
                                              const Actor& actor) {
  if (name) return settings.person(*name);
  std::vector<const config::PersonSettings*> with_key, with_account;
  for (const auto& person : settings.people) {
    if (person.token) with_key.push_back(&person);
    if (is_account_of(actor.name, person)) with_account.push_back(&person);
  }
  for (const auto& some : {with_account, with_key}) {
    if (some.size() == 1) return *some.front();
  }
  Error error{
      settings.people.empty() ? ErrorKind::not_found : ErrorKind::ambiguous,
      settings.people.empty() ? "the configuration has no people" : "several people of the configuration may be meant"};
  for (const auto& person : settings.people) error.with("candidate", person.name);
  throw error.hint("say who you are: --as NAME");
}

std::vector<workflow::ApprovalTask> waiting_for(const Bridge& bridge, workflow::Requests& store,
                                                const std::string& person) {
  const auto now = bridge.clock().now();
  workflow::Requests::ListQuery query;
  query.state = workflow::StateName::awaiting_local_approval;
  query.most = std::numeric_limits<unsigned>::max();
  std::vector<workflow::ApprovalTask> tasks;
  for (const auto& record : store.list(query)) {
    const auto* waiting = std::get_if<workflow::AwaitingLocalApproval>(&record.state);
    if (waiting == nullptr || !record.order.approval) continue;
    const LocalQuestion question{record.order, waiting->prepared, requesters_of(bridge.settings(), record.order)};
    if (against_person(question, person, now).empty()) tasks.push_back(task_of(question, now));
  }
  return tasks;
}

std::optional<LocalQuestion> waiting_here(Bridge& bridge, workflow::Requests& store, const std::string& typed) {
  constexpr unsigned kMost = 100;
  std::string prefix;
  try {
    prefix = request_prefix(typed);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) throw;
    return std::nullopt;
  }
  std::vector<LocalQuestion> found;
  std::vector<std::string> over;
  for (const auto& id : store.by_prefix(prefix, kMost)) {
    const auto record = store.find(id);
    if (!record || !record->order.approval) continue;
    if (const auto* waiting = std::get_if<workflow::AwaitingLocalApproval>(&record->state)) {
      found.push_back({record->order, waiting->prepared});
    } else {
      over.push_back(fmt::format("request {} does not wait for approvals: {}", id.str(), state_words(record->state)));
    }
  }
  if (found.empty() && over.size() == 1) {
    throw Error{ErrorKind::conflict, over.front()}.hint("`hsmbridge approval list` shows those that do");
  }
  if (found.empty()) return std::nullopt;
  if (found.size() == 1) {
    auto& question = found.front();
    try {
      const auto wanted = bridge.release_terms(question.order);
      question.requesters = wanted.requesters;
      question.outdated = against_terms(wanted, question.order);
    } catch (const Error& error) {  // it can be looked at and exported all the same
      question.undecidable = error.message();
    }
    return std::move(question);
  }
  Error error{ErrorKind::ambiguous,
              fmt::format("{} requests that wait for approvals begin with {}", found.size(), typed)};
  for (const auto& one : found) error.with("candidate", one.order.id.str() + " " + one.prepared.draft.summary);
  throw error.hint("type more characters of the id");
}

std::string export_of(const LocalQuestion& question) {
  return Json::object(
             {{"schema", kExport},
              {"order", workflow::to_json(question.order)},
              {"state", workflow::to_json(workflow::State(workflow::AwaitingLocalApproval{question.prepared}))}})
             .pretty() +
         "\n";
}

LocalQuestion question_in(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    if (json.at("schema").as_string() != kExport) {
      throw Error{ErrorKind::invalid_input, fmt::format("it is {}, not {}", json.at("schema").as_string(), kExport)};
    }
    LocalQuestion question{workflow::order_from(json.at("order")), {}};
    auto state = workflow::state_from(json.at("state"));
    auto* waiting = std::get_if<workflow::AwaitingLocalApproval>(&state);
    if (waiting == nullptr || !question.order.approval) {
      throw Error{ErrorKind::invalid_input, "nothing waits for approvals in it"};
    }
    question.prepared = std::move(waiting->prepared);
    return question;
  } catch (const Error& error) {
    throw Error{ErrorKind::invalid_input, "this is not an export of an approval: " + error.message()}.hint(
        "`hsmbridge approval export ID` writes one");
  }
}

ShownDraft shown_draft(const LocalQuestion& question, Instant now) {
  auto decoded = decoded_of(question, now);
  const auto& draft = question.prepared.draft;
  ShownDraft shown{title_of(question.order, draft), workflow::draft_digest(draft), draft.summary,
                   joined(decoded.facts, "; "),     std::move(decoded.text),       std::move(decoded.deviations),
                   std::move(decoded.objections)};
  return shown;
}

ApprovalView view_of(const LocalQuestion& question, const std::string& person,
                     const std::optional<std::string>& asked_sha256, Instant now) {
  const auto& order = question.order;
  ApprovalView view;
  view.task = task_of(question, now);
  auto decoded = decoded_of(question, now);
  view.task.text = std::move(decoded.text);
  view.compared = fmt::format(
      "what {} requested at {} from provider {} with profile {}, round {}{}; {}", workflow::who_asked(order),
      rfc3339(order.created_at), order.provider, order.profile, question.prepared.approval.number,
      order.approval->environment == "real" ? "" : "; " + order.approval->environment, joined(decoded.facts, "; "));
  view.ours = true;
  if (!question.undecidable.empty()) view.expectation.known.push_back(question.undecidable);
  if (auto against = against_person(question, person, now); !against.empty()) {
    view.expectation.known.push_back(std::move(against));
  }
  workflow::Approvals::Judged judged{view.expectation.known, std::move(decoded.deviations)};
  if (!question.outdated.empty()) judged.objections.push_back(question.outdated);
  for (auto& objection : decoded.objections) judged.objections.push_back(std::move(objection));
  if (asked_sha256 && *asked_sha256 != view.task.payload_sha256) {
    judged.objections.push_back(
        fmt::format("what is asked here has the SHA-256 {}, not {}", view.task.payload_sha256, *asked_sha256));
  }
  view.judged = std::move(judged);
  return view;
}

ApprovalView view_to_decide(const LocalQuestion& question, const std::string& person,
                            const std::optional<std::string>& asked_sha256, Instant now) {
  ApprovalView view = view_of(question, person, asked_sha256, now);
  if (question.outdated.empty()) return view;
  std::erase(view.judged->objections, question.outdated);
  view.judged->deviations.push_back(question.outdated + ": a vote ends the request");
  return view;
}

void expect_decidable(const ApprovalView& view, Verdict verdict) {
  const auto& against = verdict == Verdict::reject ? view.expectation.known : view.judged->objections;
  if (against.empty()) return;
  Error error{ErrorKind::refused, fmt::format("request {} is not {}: {}", view.task.id,
                                              verdict == Verdict::approve ? "approved" : "rejected", against.front())};
  for (const auto& objection : against) error.with("objection", objection);
  throw error;
}

std::string signed_vote(const LocalQuestion& question, const config::PersonSettings& person, workflow::KeyRing& ring,
                        Verdict verdict, const std::string& reason, const workflow::RecordFact& record, Instant now) {
  const auto& order = question.order;
  const auto& prepared = question.prepared;
  approval::SignedVote vote;
  vote.vote = {workflow::question_of(order, prepared),
               person.name,
               verdict == Verdict::approve ? approval::Decision::approved : approval::Decision::rejected,
               reason,
               std::chrono::floor<std::chrono::seconds>(now),
               std::chrono::floor<std::chrono::seconds>(valid_until(question, now)),
               hex(random_bytes(16))};
  const auto octets = to_be_signed(vote.vote);
  const auto opened = ring.signer(
      ring.find(*person.key),
      {workflow::Purpose::approval, fmt::format("approval at this bridge: {}", to_string(vote.vote.decision)),
       Json::object({{"person", person.name}, {"request", order.id.str()}, {"draft", vote.vote.question.draft}}),
       person.accept_key},
      record);
  const auto& spki = opened.signer->subject_public_key_info();
  for (const auto& member : approval::members(order.approval->policy)) {
    if (member.person.name != person.name || member.person.key == x509::spki_hash(spki)) continue;
    throw Error{ErrorKind::refused, fmt::format("the key {} in token {} is not the one by which the policy knows {}",
                                                *person.key, *person.token, person.name)}
        .hint(
            fmt::format("`token` and `key` of {} in the configuration must name the key of `public_key`", person.name));
  }
  const auto& algorithm = x509::default_algorithm(x509::key_spec_of(spki));
  vote.key = spki;
  vote.algorithm = std::string(algorithm.name);
  vote.signature = opened.signer->sign(octets, algorithm);
  return to_text(vote);
}

workflow::Record take_vote(const Actor& actor, Bridge& bridge, workflow::Store& store, const std::string& text) {
  const auto now = bridge.clock().now();
  approval::SignedVote read;
  try {
    read = approval::read_vote(text);
  } catch (const Error& error) {
    refuse_vote(actor, store, now, "", "", error.message());
  }
  const std::string& person = read.vote.person;
  const std::string vote = to_text(read);
  const RequestId id{read.vote.question.request};
  const auto refuse = [&](const std::string& why) { refuse_vote(actor, store, now, id.str(), person, why); };
  const auto record = store.find(id);
  if (!record) refuse(fmt::format("there is no request {} in this store", id.str()));
  const auto* waiting = std::get_if<workflow::AwaitingLocalApproval>(&record->state);
  if (waiting == nullptr) refuse("the request does not wait for approvals: " + state_words(record->state));
  const auto& order = record->order;
  const auto decision = read.vote.decision;
  const auto timing = timing_for(bridge.settings(), order.provider);
  // Where a vote is there that does not count, of an older program for example, no further one would.
  if (const auto standing = workflow::approval_standing(order, waiting->prepared, now); !standing.faults.empty()) {
    const std::string again =
        fmt::format("a vote that was given before does not count: {}: all are asked again", standing.faults.front());
    append_event(store, id, workflow::DraftTooOld{Duration::zero(), again}, actor.name, now, timing);
    refuse(again);
  }
  if (const auto why = workflow::against_vote(order, waiting->prepared, vote, person, decision, now); !why.empty()) {
    refuse(why);
  }
  const auto wanted = bridge.release_terms(order);
  if (const auto why = against_terms(wanted, order); !why.empty()) {
    append_event(store, id, workflow::ApprovalsVoided{why}, actor.name, now, timing);
    refuse(why);
  }
  if (const auto why = against_requester(wanted, order, vote); !why.empty()) refuse(why);
  workflow::EventBody event = workflow::LocallyRejected{person, read.vote.reason, vote};
  if (decision == approval::Decision::approved) {
    event = workflow::LocallyApproved{{person, read.vote.question.draft, now, vote}};
  }
  try {
    return append_event(store, id, event, actor.name, now, timing);
  } catch (const Error& error) {
    // Somebody else's word came first.
    if (error.kind() != ErrorKind::conflict) throw;
    refuse_vote(actor, store, now, id.str(), person, error.message());
  }
}

std::string standing_text(const workflow::Record& record, Instant now) {
  const auto* waiting = std::get_if<workflow::AwaitingLocalApproval>(&record.state);
  if (waiting == nullptr || !record.order.approval) {
    return std::string(workflow::to_string(workflow::name_of(record.state)));
  }
  const auto progress = workflow::approval_progress(record.order, waiting->prepared, now);
  if (!progress.note.empty()) return progress.note;
  const auto standing = workflow::approval_standing(record.order, waiting->prepared, now);
  return progress_text(record.order.approval->policy, standing.decisions);
}

void expect_may_decide(const Actor& actor, Bridge& bridge, workflow::Store& store, const config::PersonSettings& person,
                       const LocalQuestion& question, const ApprovalView& view, Verdict verdict) {
  const auto now = bridge.clock().now();
  if (const auto why = against_account(actor.name, person, bridge.settings().people); !why.empty()) {
    refuse_vote(actor, store, now, view.task.id, person.name, why);
  }
  try {
    expect_decidable(view, verdict);
  } catch (Error& error) {
    record_refusal(actor, store, now, view.task.id, person.name, error.message());
    if (!question.undecidable.empty()) error.hint(fmt::format("hsmbridge request cancel {}", view.task.id));
    throw;
  }
}

}  // namespace hsmbridge::service
