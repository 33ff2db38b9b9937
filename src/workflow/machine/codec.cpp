#include "workflow/machine/codec.h"

#include "base/error.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

// One list of fields a type serves both directions: fields(value, visitor) names each member once. A member that is
// forgotten here is found by the round-trip test, which compares whole values.
// v("name", …) must be there when it is read. v.added("name", …) came after store version 3: where an older journal
// lacks it, the member keeps the value that its type was made with, which must mean what the older program did.
// v.text(…) is what a server, a token or a person said, for people to read, and v.few(…) a list that a server can make
// as long as it likes: both are cut when they are written, so that nobody's words fill the store.
namespace hsmbridge::workflow {
namespace {

// ---- the fields of every type that is written -----------------------------------------------------------------------

template <class V>
void fields(KeyWish& x, V& v) {
  v("source", x.source), v("selector", x.selector), v("spec", x.spec), v("cka_id", x.cka_id);
  v.added("spki", x.spki), v.added("accept", x.accept);
}
template <class V>
void fields(InstallTarget& x, V& v) {
  v("name", x.name), v("detail", x.detail);
}
template <class V>
void fields(Predecessor& x, V& v) {
  v("certificate", x.certificate), v("der", x.der), v("spki", x.spki), v("status", x.status);
  v("reference", x.reference), v("provider_state", x.provider_state);
}
template <class V>
void fields(Order& x, V& v) {
  v("id", x.id), v("kind", x.kind), v("provider", x.provider), v("profile", x.profile), v("token", x.token);
  v("key", x.key), v("ask", x.ask), v("targets", x.targets), v("created_at", x.created_at);
  v("created_by", x.created_by), v("deadline", x.deadline), v("max_age", x.max_age);
  v("local_approvals", x.local_approvals), v("wants_command", x.wants_command);
  v("predecessor", x.predecessor), v("reason", x.reason);
}
template <class V>
void fields(Key& x, V& v) {
  v("uri", x.uri), v("label", x.label), v("cka_id", x.cka_id), v("spki", x.spki), v("made_here", x.made_here);
  v.added("flaws", x.flaws), v.added("not_shown", x.not_shown);
}
template <class V>
void fields(Draft& x, V& v) {
  v("csr", x.csr), v("to_be_signed", x.to_be_signed), v("algorithm", x.algorithm), v("issuer", x.issuer);
  v("summary", x.summary), v("built_at", x.built_at), v("provider_state", x.provider_state);
}
template <class V>
void fields(Submission& x, V& v) {
  v("attempt", x.attempt), v("reference", x.reference), v("provider_state", x.provider_state);
  v("submitted_at", x.submitted_at);
}
template <class V>
void fields(Approver& x, V& v) {
  v.text("name", x.name), v.text("key", x.key), v.text("group", x.group), v("decision", x.decision);
}
template <class V>
void fields(Progress& x, V& v) {
  v.few("approvers", x.approvers), v.text("quorum", x.quorum), v("about_until", x.about_until), v.text("note", x.note);
}
template <class V>
void fields(Handout& x, V& v) {
  v("content", x.content), v("result", x.result), v("raw", x.raw), v.added("clock_ahead", x.clock_ahead);
}
template <class V>
void fields(NotYet& x, V& v) {
  v("certificate", x.certificate), v("not_before", x.not_before), v("clock_ahead", x.clock_ahead);
}
template <class V>
void fields(TargetState& x, V& v) {
  v("target", x.target), v("stage", x.stage), v("failures", x.failures), v.text("last_error", x.last_error);
}
template <class V>
void fields(LocalApproval& x, V& v) {
  v("person", x.person), v("draft_digest", x.draft_digest), v("at", x.at), v("evidence", x.evidence);
}
template <class V>
void fields(Problem& x, V& v) {
  v("kind", x.kind), v.text("message", x.message), v.text("hint", x.hint);
}
template <class V>
void fields(Finding& x, V& v) {
  v("name", x.name), v("fatal", x.fatal), v.text("explanation", x.explanation);
}
template <class V>
void fields(SentDraft& x, V& v) {
  v("draft", x.draft), v("last_attempt", x.last_attempt);
}
template <class V>
void fields(Dossier& x, V& v) {
  v("key", x.key), v("draft", x.draft), v("attempts_made", x.attempts_made), v("sent", x.sent);
  v.added("remembered", x.remembered), v.added("refusals", x.refusals);
}
template <class V>
void fields(Report& x, V& v) {
  v("standing", x.status), v.text("provider_status", x.provider_status), v.text("message", x.message),
      v.text("by", x.by);
  v("reference", x.reference), v("provider_state", x.provider_state), v("progress", x.progress);
  v("handout", x.handout), v("retry_after", x.retry_after);
}

template <class V>
void fields(WithdrawWish& x, V& v) {
  v("cause", x.cause), v("actor", x.actor), v.text("reason", x.reason);
}
template <class V>
void fields(Preparing& x, V& v) {
  v("key", x.key), v("csr", x.csr), v("attempts_made", x.attempts_made), v.text("again", x.again);
  v("sent", x.sent);
}
template <class V>
void fields(Prepared& x, V& v) {
  v("dossier", x.dossier);
}
template <class V>
void fields(AwaitingLocalApproval& x, V& v) {
  v("dossier", x.dossier), v("needed", x.needed), v("approvals", x.approvals);
}
template <class V>
void fields(AwaitingCommand& x, V& v) {
  v("dossier", x.dossier);
}
template <class V>
void fields(Submitting& x, V& v) {
  v("dossier", x.dossier), v("attempt", x.attempt), v("phase", x.phase), v("answer_by", x.answer_by);
  v("wish", x.wish), v.text("last_refusal", x.last_refusal), v.added("started_at", x.started_at);
}
template <class V>
void fields(LookingUp& x, V& v) {
  v("dossier", x.dossier), v("submission", x.submission), v.text("why", x.why), v("first_absent", x.first_absent);
  v("wish", x.wish), v("not_before", x.not_before), v.added("last_absent", x.last_absent);
  v.added("pause", x.pause), v.added("waited", x.waited);
}
template <class V>
void fields(AwaitingApproval& x, V& v) {
  v("dossier", x.dossier), v("submission", x.submission), v("progress", x.progress);
  v.text("provider_status", x.provider_status), v("gone_since", x.gone_since);
}
template <class V>
void fields(AwaitingIssuance& x, V& v) {
  v("dossier", x.dossier), v("submission", x.submission), v("progress", x.progress);
  v.text("provider_status", x.provider_status), v("gone_since", x.gone_since);
}
template <class V>
void fields(Withdrawing& x, V& v) {
  v("dossier", x.dossier), v("submission", x.submission), v("wish", x.wish), v("cancel", x.cancel);
  v.text("cancel_note", x.cancel_note), v.text("provider_status", x.provider_status), v("gone_since", x.gone_since);
}
template <class V>
void fields(Retrieving& x, V& v) {
  v("dossier", x.dossier), v("submission", x.submission), v.text("provider_status", x.provider_status);
  v("late", x.late), v.added("unreadable", x.unreadable);
}
template <class V>
void fields(Verifying& x, V& v) {
  v("dossier", x.dossier), v("submission", x.submission), v("handout", x.handout), v("late", x.late);
  v.added("accepted", x.accepted), v.added("unreadable", x.unreadable), v.added("not_yet", x.not_yet);
}
template <class V>
void fields(Installing& x, V& v) {
  v("dossier", x.dossier), v("certificate", x.certificate), v("targets", x.targets);
  v.few("findings", x.findings);
}
template <class V>
void fields(Unresolved& x, V& v) {
  v("dossier", x.dossier), v("submission", x.submission), v.text("why", x.why), v("handout", x.handout);
  v("wish", x.wish), v.added("not_before", x.not_before);
}
template <class V>
void fields(Completed& x, V& v) {
  v("key", x.key), v("certificate", x.certificate), v("late", x.late), v.few("findings", x.findings);
  v("skipped", x.skipped);
}
template <class V>
void fields(Rejected& x, V& v) {
  v.text("by", x.by), v.text("reason", x.reason);
}
template <class V>
void fields(Expired& x, V& v) {
  v.text("what", x.what);
}
template <class V>
void fields(Cancelled& x, V& v) {
  v.text("by", x.by), v.text("reason", x.reason);
}
template <class V>
void fields(Failed& x, V& v) {
  v("error_kind", x.error_kind), v.text("message", x.message), v.text("hint", x.hint);
}
template <class V>
void fields(Quarantined& x, V& v) {
  v("certificate", x.certificate), v.few("findings", x.findings);
  v.added("dossier", x.dossier), v.added("submission", x.submission), v.added("handout", x.handout);
  v.added("late", x.late), v.added("accepted", x.accepted);
}
template <class V>
void fields(Abandoned& x, V& v) {
  v.text("by", x.by), v.text("reason", x.reason);
}

template <class V>
void fields(Created& x, V& v) {
  v("order", x.order);
}
template <class V>
void fields(KeyPlanned& x, V& v) {
  v("token", x.token), v("label", x.label), v("cka_id", x.cka_id), v("spec", x.spec);
}
template <class V>
void fields(KeyReady& x, V& v) {
  v("key", x.key);
}
template <class V>
void fields(CsrSigned& x, V& v) {
  v("csr", x.csr);
}
template <class V>
void fields(DraftFrozen& x, V& v) {
  v("draft", x.draft);
}
template <class V>
void fields(PreparationFailed& x, V& v) {
  v("problem", x.problem);
}
template <class V>
void fields(DraftAccepted&, V&) {}
template <class V>
void fields(DraftRefused& x, V& v) {
  v("problem", x.problem);
}
template <class V>
void fields(DraftTooOld& x, V& v) {
  v("age", x.age), v.added("why", x.why);
}
template <class V>
void fields(LocallyApproved& x, V& v) {
  v("approval", x.approval);
}
template <class V>
void fields(LocallyRejected& x, V& v) {
  v("person", x.person), v.text("reason", x.reason);
}
template <class V>
void fields(Commanded&, V&) {}
template <class V>
void fields(AttemptStarted& x, V& v) {
  v("attempt", x.attempt), v("worker", x.worker), v("answer_by", x.answer_by);
}
template <class V>
void fields(SubmissionAnswered& x, V& v) {
  v("attempt", x.attempt), v("report", x.report);
}
template <class V>
void fields(SubmissionNotAccepted& x, V& v) {
  v("attempt", x.attempt), v("problem", x.problem), v("retry_after", x.retry_after);
  v.added("remember", x.remember), v.added("outdated", x.outdated);
}
template <class V>
void fields(SubmissionRefused& x, V& v) {
  v("attempt", x.attempt), v("problem", x.problem);
}
template <class V>
void fields(AnswerLost& x, V& v) {
  v("attempt", x.attempt), v.text("why", x.why);
}
template <class V>
void fields(FoundAtProvider& x, V& v) {
  v("attempt", x.attempt), v("report", x.report);
}
template <class V>
void fields(AbsentAtProvider& x, V& v) {
  v("attempt", x.attempt);
}
template <class V>
void fields(LookUpInconclusive& x, V& v) {
  v("attempt", x.attempt), v.text("why", x.why);
}
template <class V>
void fields(Reported& x, V& v) {
  v("report", x.report);
}
template <class V>
void fields(HandedOut& x, V& v) {
  v("handout", x.handout), v("provider_state", x.provider_state);
}
template <class V>
void fields(NothingHandedOut& x, V& v) {
  v.text("why", x.why);
}
template <class V>
void fields(Verified& x, V& v) {
  v("certificate", x.certificate), v.few("findings", x.findings);
}
template <class V>
void fields(VerificationFailed& x, V& v) {
  v("certificate", x.certificate), v.few("findings", x.findings);
}
template <class V>
void fields(HandoutUnreadable& x, V& v) {
  v.text("why", x.why), v.added("still_there", x.still_there);
}
template <class V>
void fields(TargetInstalled& x, V& v) {
  v("target", x.target);
}
template <class V>
void fields(TargetFailed& x, V& v) {
  v("target", x.target), v("problem", x.problem), v("attempt", x.attempt);
}
template <class V>
void fields(TargetSkipped& x, V& v) {
  v("target", x.target), v.text("reason", x.reason);
}
template <class V>
void fields(CancelAsked& x, V& v) {
  v.text("reason", x.reason);
}
template <class V>
void fields(CancelAnswered& x, V& v) {
  v("report", x.report);
}
template <class V>
void fields(CancelImpossible& x, V& v) {
  v.text("why", x.why);
}
template <class V>
void fields(DeadlinePassed&, V&) {}
template <class V>
void fields(ResolvedAsThere& x, V& v) {
  v("reference", x.reference), v.added("issued", x.issued);
}
template <class V>
void fields(ResolvedAsCertificate& x, V& v) {
  v("handout", x.handout);
}
template <class V>
void fields(ResolvedAsAbsent& x, V& v) {
  v.text("reason", x.reason);
}
template <class V>
void fields(ResolvedAsAbandoned& x, V& v) {
  v.text("reason", x.reason);
}
template <class V>
void fields(LookUpAsked&, V&) {}
template <class V>
void fields(ResolvedAsDone& x, V& v) {
  v.text("reason", x.reason);
}

template <class V>
void fields(NotValidYet& x, V& v) {
  v("not_yet", x.not_yet);
}
template <class V>
void fields(DeviationsAccepted& x, V& v) {
  v("findings", x.findings), v.text("reason", x.reason);
}
template <class V>
void fields(JudgementAsked& x, V& v) {
  v("accept", x.accept);
}

// ---- the words of the small enumerations ----------------------------------------------------------------------------

template <class Enum>
struct Word {
  Enum value;
  std::string_view word;
};

constexpr Word<Kind> kKinds[] = {{Kind::enroll, "enroll"},         {Kind::renew, "renew"},
                                 {Kind::revoke, "revoke"},         {Kind::crl, "crl"},
                                 {Kind::ocsp_batch, "ocsp-batch"}, {Kind::cross_sign, "cross-sign"},
                                 {Kind::key_create, "key-create"}};
constexpr Word<KeyWish::Source> kSources[] = {{KeyWish::Source::make, "make"}, {KeyWish::Source::use, "use"}};
constexpr Word<Approver::Decision> kDecisions[] = {{Approver::Decision::pending, "pending"},
                                                   {Approver::Decision::approved, "approved"},
                                                   {Approver::Decision::rejected, "rejected"}};
constexpr Word<Handout::Content> kContents[] = {{Handout::Content::certificate, "certificate"},
                                                {Handout::Content::signature, "signature"},
                                                {Handout::Content::file, "file"}};
constexpr Word<TargetState::Stage> kStages[] = {{TargetState::Stage::waiting, "waiting"},
                                                {TargetState::Stage::done, "done"},
                                                {TargetState::Stage::failed, "failed"},
                                                {TargetState::Stage::skipped, "skipped"}};
constexpr Word<Submitting::Phase> kPhases[] = {{Submitting::Phase::planned, "planned"},
                                               {Submitting::Phase::started, "started"}};
constexpr Word<WithdrawWish::Cause> kCauses[] = {{WithdrawWish::Cause::cancel, "cancel"},
                                                 {WithdrawWish::Cause::deadline, "deadline"},
                                                 {WithdrawWish::Cause::draft_age, "draft-age"}};
constexpr Word<Withdrawing::Cancel> kCancels[] = {{Withdrawing::Cancel::wanted, "wanted"},
                                                  {Withdrawing::Cancel::accepted, "accepted"},
                                                  {Withdrawing::Cancel::impossible, "impossible"}};
constexpr std::span<const Word<Kind>> words_of(Kind) {
  return kKinds;
}
constexpr std::span<const Word<KeyWish::Source>> words_of(KeyWish::Source) {
  return kSources;
}
constexpr std::span<const Word<Approver::Decision>> words_of(Approver::Decision) {
  return kDecisions;
}
constexpr std::span<const Word<Handout::Content>> words_of(Handout::Content) {
  return kContents;
}
constexpr std::span<const Word<TargetState::Stage>> words_of(TargetState::Stage) {
  return kStages;
}
constexpr std::span<const Word<Submitting::Phase>> words_of(Submitting::Phase) {
  return kPhases;
}
constexpr std::span<const Word<WithdrawWish::Cause>> words_of(WithdrawWish::Cause) {
  return kCauses;
}
constexpr std::span<const Word<Withdrawing::Cancel>> words_of(Withdrawing::Cancel) {
  return kCancels;
}

// RFC 3339 has years of four digits. A time beyond them ("a deadline in 20000 years") would be written and never be
// read again, and with it the whole request.
constexpr Instant kEarliest{std::chrono::sys_days{std::chrono::year{0} / 1 / 1}};
constexpr Instant kLatest = Instant{std::chrono::sys_days{std::chrono::year{10000} / 1 / 1}} - Duration{1};

// ---- writing --------------------------------------------------------------------------------------------------------

struct Writer;
template <class T>
Json write(const T& value);

template <class T>
Json write_value(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    // An error's text or a token's label may be anything. It must not keep the fact that carries it from the journal.
    return Json(well_formed(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    return Json(value);
  } else if constexpr (std::is_same_v<T, unsigned>) {
    return Json(static_cast<std::int64_t>(value));
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return Json(base64(value));
  } else if constexpr (std::is_same_v<T, Instant>) {
    return Json(rfc3339(std::clamp(value, kEarliest, kLatest)));
  } else if constexpr (std::is_same_v<T, Duration>) {
    return Json(static_cast<std::int64_t>(value.count()));  // milliseconds
  } else if constexpr (std::is_same_v<T, RequestStatus>) {
    return Json(to_string(value));
  } else if constexpr (std::is_enum_v<T>) {
    for (const auto& row : words_of(T{})) {
      if (row.value == value) return Json(row.word);
    }
    throw Error{ErrorKind::internal, "an enumeration value without a word"};
  } else {
    return write(value);
  }
}
template <class Tag>
Json write_value(const StrongString<Tag>& value) {
  return Json(well_formed(value.str()));
}
template <class T>
Json write_value(const std::optional<T>& value) {
  return value ? write_value(*value) : Json();
}
template <class T>
Json write_value(const std::vector<T>& values) requires(!std::is_same_v<T, std::uint8_t>) {
  Json array = Json::array();
  for (const T& value : values) array.push(write_value(value));
  return array;
}

// What stands for the members of a list that are left out.
Finding rest_of(const std::vector<Finding>&, std::size_t left_out) {
  return {"more", false, fmt::format("{} findings more are not listed", left_out)};
}
Approver rest_of(const std::vector<Approver>&, std::size_t left_out) {
  return {fmt::format("{} approvers more, who are not listed", left_out), "", "", Approver::Decision::pending};
}

// Cut again, it stays as it is: a state is written once more with each event.
template <class T>
std::vector<T> bounded(const std::vector<T>& all) {
  constexpr std::size_t kMost = 50;
  if (all.size() <= kMost + 1) return all;
  std::vector<T> first(all.begin(), all.begin() + kMost);
  first.push_back(rest_of(all, all.size() - kMost));
  return first;
}

struct Writer {
  Json json = Json::object();
  template <class T>
  void operator()(const char* name, const T& value) {
    json.set(name, write_value(value));
  }
  template <class T>
  void added(const char* name, const T& value) {
    (*this)(name, value);
  }
  void text(const char* name, const std::string& value) { (*this)(name, as_written(value)); }
  template <class T>
  void few(const char* name, const std::vector<T>& values) {
    (*this)(name, bounded(values));
  }
};

template <class T>
Json write(const T& value) {
  Writer writer;
  fields(const_cast<T&>(value), writer);  // Writer only reads
  return std::move(writer.json);
}

// ---- reading --------------------------------------------------------------------------------------------------------

template <class T>
void read(const Json& json, T& value);

template <class T>
void read_value(const Json& json, T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    value = json.as_string();
  } else if constexpr (std::is_same_v<T, bool>) {
    value = json.as_bool();
  } else if constexpr (std::is_same_v<T, unsigned>) {
    const std::int64_t number = json.as_integer();
    if (number < 0 || number > std::numeric_limits<unsigned>::max()) {
      throw Error{ErrorKind::corrupt, fmt::format("{} is no count", number)};
    }
    value = static_cast<unsigned>(number);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    value = from_base64(json.as_string());
  } else if constexpr (std::is_same_v<T, Instant>) {
    value = parse_rfc3339(json.as_string());
  } else if constexpr (std::is_same_v<T, Duration>) {
    value = Duration{json.as_integer()};
  } else if constexpr (std::is_same_v<T, RequestStatus>) {
    const std::optional<RequestStatus> standing = request_status_from(json.as_string());
    if (!standing) throw Error{ErrorKind::corrupt, fmt::format("'{}' is no standing", json.as_string())};
    value = *standing;
  } else if constexpr (std::is_enum_v<T>) {
    for (const auto& row : words_of(T{})) {
      if (row.word == json.as_string()) {
        value = row.value;
        return;
      }
    }
    throw Error{ErrorKind::corrupt, fmt::format("'{}' is a word this version does not know", json.as_string())};
  } else {
    read(json, value);
  }
}
template <class Tag>
void read_value(const Json& json, StrongString<Tag>& value) {
  value = StrongString<Tag>(json.as_string());
}
template <class T>
void read_value(const Json& json, std::optional<T>& value) {
  if (json.is_null()) {
    value.reset();
  } else {
    read_value(json, value.emplace());
  }
}
template <class T>
void read_value(const Json& json, std::vector<T>& values) requires(!std::is_same_v<T, std::uint8_t>) {
  values.clear();
  for (const Json& element : json.as_array()) read_value(element, values.emplace_back());
}

struct Reader {
  const Json& json;
  std::size_t seen = 0;
  template <class T>
  void operator()(const char* name, T& value) {
    const Json* member = json.find(name);
    if (member == nullptr) throw Error{ErrorKind::corrupt, fmt::format("member '{}' is missing", name)};
    read_value(*member, value);
    ++seen;
  }
  template <class T>
  void added(const char* name, T& value) {
    if (json.find(name) != nullptr) (*this)(name, value);
  }
  void text(const char* name, std::string& value) { (*this)(name, value); }
  template <class T>
  void few(const char* name, std::vector<T>& values) {
    (*this)(name, values);
  }
};

// `extra` members ("state", "event") belong to the caller. A member that nobody reads is from a newer version.
template <class T>
void read(const Json& json, T& value, std::size_t extra) {
  Reader reader{json};
  fields(value, reader);
  if (reader.seen + extra != json.as_object().size()) {
    throw Error{ErrorKind::corrupt, "a member that this version does not know"};
  }
}
template <class T>
void read(const Json& json, T& value) {
  read(json, value, 0);
}

// The alternative of index `index`, default-made and then read.
template <class Variant, std::size_t I = 0>
Variant read_alternative(std::size_t index, const Json& json) {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (index != I) return read_alternative<Variant, I + 1>(index, json);
    std::variant_alternative_t<I, Variant> value;
    read(json, value, 1);
    return value;
  } else {
    throw Error{ErrorKind::internal, "no such alternative"};
  }
}

// A journal that cannot be read is corrupt, whatever the JSON reader calls it.
template <class Function>
auto as_journal(const char* what, Function function) {
  try {
    return function();
  } catch (Error& error) {
    throw Error{ErrorKind::corrupt, fmt::format("{} in the store cannot be read: {}", what, error.message())}.hint(
        "was the store written by a newer hsmbridge, or changed by hand?");
  }
}

}  // namespace

std::string as_written(const std::string& text) {
  constexpr std::size_t kMost = 4096;
  constexpr std::size_t kNote = 40;
  if (text.size() <= kMost) return text;
  std::size_t end = kMost - kNote;
  // Not in the middle of a UTF-8 character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return fmt::format("{} … ({} octets more)", text.substr(0, end), text.size() - end);
}

Json to_json(const Order& order) {
  return write(order);
}

Order order_from(const Json& json) {
  return as_journal("an order", [&json] {
    Order order;
    read(json, order);
    return order;
  });
}

Json to_json(const State& state) {
  Json json = Json::object({{"state", Json(to_string(name_of(state)))}});
  const Json body = std::visit([](const auto& one) { return write(one); }, state);
  for (const auto& [name, value] : body.as_object()) json.set(name, value);
  return json;
}

State state_from(const Json& json) {
  return as_journal("a state", [&json] {
    const std::string& word = json.at("state").as_string();
    const std::optional<StateName> name = state_name_from(word);
    if (!name) throw Error{ErrorKind::corrupt, fmt::format("there is no state '{}'", word)};
    return read_alternative<State>(static_cast<std::size_t>(*name), json);
  });
}

Json to_json(const EventBody& body) {
  Json json = Json::object({{"event", Json(to_string(name_of(body)))}});
  const Json members = std::visit([](const auto& one) { return write(one); }, body);
  for (const auto& [name, value] : members.as_object()) json.set(name, value);
  return json;
}

EventBody event_body_from(const Json& json) {
  return as_journal("an event", [&json] {
    const std::string& word = json.at("event").as_string();
    const std::optional<EventName> name = event_name_from(word);
    if (!name) throw Error{ErrorKind::corrupt, fmt::format("there is no event '{}'", word)};
    return read_alternative<EventBody>(static_cast<std::size_t>(*name), json);
  });
}

Json to_json(const Report& report) {
  return write(report);
}
Json to_json(const Progress& progress) {
  return write(progress);
}

}  // namespace hsmbridge::workflow
