#include "workflow/machine/codec.h"

#include "base/error.h"
#include "workflow/machine/upgrade.h"
#include "workflow/machine/words.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

// One list of fields a type serves both directions: the visitor `v` meets each member once. A member that is forgotten
// here is found by the round-trip test, which compares whole values.
// v("name", …) must be there when it is read. v.added("name", …) came after store version 3: where an older journal
// lacks it, the member keeps the value that its type was made with, which must mean what the older program did.
// v.some("name", …) came later too, and is written only where it is not empty: an older program, which refuses a member
// that it does not know, still reads every journal that does without it.
// v.gone("name") was written by older programs and says nothing any more.
// v.text(…) is what a server, a token or a person said, for people to read, and v.few(…) a list that a server can make
// as long as it likes: both are cut when they are written, so that nobody's words fill the store.
// v.tagged("name", …) is a variant: the word of its alternative under that name, and that one's members beside it.
namespace hsmbridge::workflow {

using namespace std::string_view_literals;

template <>
inline constexpr std::array kWords<State>{HSMBRIDGE_STATES(HSMBRIDGE_WORD)};
template <>
inline constexpr std::array kWords<EventBody>{HSMBRIDGE_EVENTS(HSMBRIDGE_WORD)};
template <>
inline constexpr std::array kWords<decltype(Order::what)>{to_string(Kind::enroll), to_string(Kind::renew),
                                                          to_string(Kind::revoke), to_string(Kind::issue_crl)};
template <>
inline constexpr std::array kWords<decltype(IssuedResult::product)>{"certificate"sv, "signature"sv, "file"sv};
template <>
inline constexpr std::array kWords<KeyWish::Source>{"make"sv, "use"sv, "brought"sv};
template <>
inline constexpr std::array kWords<Approver::Decision>{"pending"sv, "approved"sv, "rejected"sv};
template <>
inline constexpr std::array kWords<TargetState::Stage>{"waiting"sv, "done"sv, "failed"sv, "skipped"sv};
template <>
inline constexpr std::array kWords<Submitting::Phase>{"planned"sv, "started"sv};
template <>
inline constexpr std::array kWords<WithdrawWish::Cause>{"cancel"sv, "deadline"sv, "draft-age"sv};
template <>
inline constexpr std::array kWords<Withdrawing::Cancel>{"wanted"sv, "accepted"sv, "impossible"sv};

namespace {

// ---- the fields of every type that is written -----------------------------------------------------------------------

#define FIELDS(Type, ...)                                        \
  template <class V>                                             \
  void fields([[maybe_unused]] Type& x, [[maybe_unused]] V& v) { \
    __VA_ARGS__;                                                 \
  }

FIELDS(KeyWish, v("source", x.source), v("selector", x.selector), v("spec", x.spec), v("cka_id", x.cka_id),
       v.added("spki", x.spki), v.added("accept", x.accept), v.some("csr", x.csr))
FIELDS(InstallTarget, v("name", x.name), v("detail", x.detail))
FIELDS(Predecessor, v("certificate", x.certificate), v("der", x.der), v("spki", x.spki), v("status", x.status),
       v("reference", x.reference), v("provider_state", x.provider_state))
FIELDS(Enroll, v("token", x.token), v("key", x.key), v("content", x.content), v("targets", x.targets),
       v.some("cross_signs", x.cross_signs))
FIELDS(Renew, fields(static_cast<Enroll&>(x), v), v("predecessor", x.predecessor))
FIELDS(Revoke, v("predecessor", x.predecessor), v("reason", x.reason), v.some("since", x.since))
FIELDS(IssueCrl, v.some("after_future", x.after_future))
FIELDS(Order, v("id", x.id), v("provider", x.provider), v("profile", x.profile), v("created_at", x.created_at),
       v("created_by", x.created_by), v.some("asked_by", x.asked_by), v("deadline", x.deadline),
       v("max_age", x.max_age), v("local_approvals", x.local_approvals), v.some("approval", x.approval),
       v("wants_command", x.wants_command), v.tagged("kind", x.what))
FIELDS(ApprovalTerms, v("policy", x.policy), v("requesters", x.requesters), v("store", x.store),
       v("environment", x.environment))
FIELDS(Key, v("uri", x.uri), v("label", x.label), v("cka_id", x.cka_id), v("spki", x.spki), v("made_here", x.made_here),
       v.added("flaws", x.flaws), v.added("not_shown", x.not_shown))
FIELDS(Draft, v.octets(x), v("algorithm", x.algorithm), v("summary", x.summary), v("built_at", x.built_at),
       v("provider_state", x.provider_state), v.some("provider_type", x.provider_type))
FIELDS(Submission, v("attempt", x.attempt), v("reference", x.reference), v("provider_state", x.provider_state),
       v("submitted_at", x.submitted_at))
FIELDS(Approver, v.text("name", x.name), v.text("key", x.key), v.text("group", x.group), v("decision", x.decision))
FIELDS(Progress, v.few("approvers", x.approvers), v.text("quorum", x.quorum), v("about_until", x.about_until),
       v.text("note", x.note))
FIELDS(IssuedCertificate, v("result", x.octets))
FIELDS(IssuedSignature, v("result", x.octets))
FIELDS(BroughtCertificate, v("result", x.octets))
FIELDS(IssuedResult, v.tagged("content", x.product), v("raw", x.raw), v.added("clock_ahead", x.clock_ahead))
FIELDS(NotYet, v("certificate", x.certificate), v("not_before", x.not_before), v("clock_ahead", x.clock_ahead))
FIELDS(TargetState, v("target", x.target), v("stage", x.stage), v("failures", x.failures),
       v.text("last_error", x.last_error))
FIELDS(LocalApproval, v("person", x.person), v("draft_digest", x.draft_digest), v("at", x.at),
       v("evidence", x.evidence))
FIELDS(Problem, v("kind", x.kind), v.text("message", x.message), v.text("hint", x.hint))
FIELDS(Finding, v("name", x.name), v("fatal", x.fatal), v.text("explanation", x.explanation))
FIELDS(SentDraft, v("draft", x.draft), v("last_attempt", x.last_attempt))
FIELDS(ApprovalRound, v("number", x.number), v("opened_at", x.opened_at), v("votes", x.votes),
       v.some("known_at", x.known_at))
FIELDS(PreparedRequest, v("key", x.key), v("draft", x.draft), v("attempts_made", x.attempts_made), v("sent", x.sent),
       v.added("remembered", x.remembered), v.added("refusals", x.refusals), v.some("approval", x.approval))
FIELDS(StatusReport, v("standing", x.status), v.text("provider_status", x.provider_status),
       v.text("message", x.message), v.text("by", x.by), v("reference", x.reference),
       v("provider_state", x.provider_state), v("progress", x.progress), v("retry_after", x.retry_after))

FIELDS(WithdrawWish, v("cause", x.cause), v("actor", x.actor), v.text("reason", x.reason))
FIELDS(Preparing, v("key", x.key), v("csr", x.csr), v("attempts_made", x.attempts_made), v.text("again", x.again),
       v("sent", x.sent), v.some("approval_rounds", x.approval_rounds))
FIELDS(Prepared, v("dossier", x.prepared))
FIELDS(AwaitingLocalApproval, v("dossier", x.prepared), v.gone("needed"), v.gone("approvals"))
FIELDS(AwaitingCommand, v("dossier", x.prepared), v.some("last_refusal", x.last_refusal))
FIELDS(Submitting, v("dossier", x.prepared), v("attempt", x.attempt), v("phase", x.phase), v("answer_by", x.answer_by),
       v("wish", x.wish), v.text("last_refusal", x.last_refusal), v.added("started_at", x.started_at),
       v.some("begin_by", x.begin_by))
FIELDS(LookingUp, v("dossier", x.prepared), v("submission", x.submission), v.text("why", x.why),
       v("first_absent", x.first_absent), v("wish", x.wish), v("not_before", x.not_before),
       v.added("last_absent", x.last_absent), v.added("pause", x.pause), v.added("waited", x.waited))
FIELDS(AwaitingProvider, v("dossier", x.prepared), v("submission", x.submission), v("progress", x.progress),
       v.text("provider_status", x.provider_status), v("gone_since", x.gone_since))
FIELDS(Withdrawing, v("dossier", x.prepared), v("submission", x.submission), v("wish", x.wish), v("cancel", x.cancel),
       v.text("cancel_note", x.cancel_note), v.text("provider_status", x.provider_status),
       v("gone_since", x.gone_since))
FIELDS(Retrieving, v("dossier", x.prepared), v("submission", x.submission),
       v.text("provider_status", x.provider_status), v("late", x.late), v.added("unreadable", x.unreadable))
FIELDS(Verifying, v("dossier", x.prepared), v("submission", x.submission), v("handout", x.result), v("late", x.late),
       v.added("accepted", x.accepted), v.added("unreadable", x.unreadable), v.added("not_yet", x.not_yet))
FIELDS(Installing, v("dossier", x.prepared), v("certificate", x.certificate), v("targets", x.targets),
       v.few("findings", x.findings))
FIELDS(Unresolved, v("dossier", x.prepared), v("submission", x.submission), v.text("why", x.why),
       v("handout", x.result), v("wish", x.wish), v.added("not_before", x.not_before))
FIELDS(Completed, v("key", x.key), v("certificate", x.certificate), v("late", x.late), v.few("findings", x.findings),
       v("skipped", x.skipped))
FIELDS(Rejected, v.text("by", x.by), v.text("reason", x.reason))
FIELDS(Expired, v.text("what", x.what))
FIELDS(Cancelled, v.text("by", x.by), v.text("reason", x.reason))
FIELDS(Failed, v("error_kind", x.error_kind), v.text("message", x.message), v.text("hint", x.hint))
FIELDS(Quarantined, v("certificate", x.certificate), v.few("findings", x.findings), v.added("dossier", x.prepared),
       v.added("submission", x.submission), v.added("handout", x.result), v.added("late", x.late),
       v.added("accepted", x.accepted))
FIELDS(Abandoned, v.text("by", x.by), v.text("reason", x.reason))

FIELDS(Created, v("order", x.order))
FIELDS(KeyPlanned, v("token", x.token), v("label", x.label), v("cka_id", x.cka_id), v("spec", x.spec))
FIELDS(KeyReady, v("key", x.key))
FIELDS(CsrSigned, v("csr", x.csr))
FIELDS(DraftFrozen, v("draft", x.draft))
FIELDS(PreparationFailed, v("problem", x.problem))
FIELDS(DraftAccepted, v.some("known", x.known))
FIELDS(DraftRefused, v("problem", x.problem))
FIELDS(DraftTooOld, v("age", x.age), v.added("why", x.why))
FIELDS(LocallyApproved, v("approval", x.approval))
FIELDS(LocallyRejected, v("person", x.person), v.text("reason", x.reason), v.some("evidence", x.evidence))
FIELDS(ApprovalsDue)
FIELDS(CommandOver)
FIELDS(ApprovalsVoided, v.text("why", x.why))
FIELDS(Commanded, v.some("draft", x.draft))
FIELDS(AttemptStarted, v("attempt", x.attempt), v("worker", x.worker), v("answer_by", x.answer_by))
FIELDS(SubmissionAnswered, v("attempt", x.attempt), v("report", x.report))
FIELDS(SubmissionNotAccepted, v("attempt", x.attempt), v("problem", x.problem), v("retry_after", x.retry_after),
       v.added("remember", x.remember), v.added("outdated", x.outdated))
FIELDS(SubmissionRefused, v("attempt", x.attempt), v("problem", x.problem))
FIELDS(AnswerLost, v("attempt", x.attempt), v.text("why", x.why))
FIELDS(FoundAtProvider, v("attempt", x.attempt), v("report", x.report))
FIELDS(AbsentAtProvider, v("attempt", x.attempt))
FIELDS(LookUpInconclusive, v("attempt", x.attempt), v.text("why", x.why))
FIELDS(Reported, v("report", x.report))
FIELDS(ResultReceived, v("attempt", x.attempt), v("report", x.report), v("handout", x.result))
FIELDS(NothingHandedOut, v.text("why", x.why))
FIELDS(Verified, v("certificate", x.certificate), v.few("findings", x.findings))
FIELDS(VerificationFailed, v("certificate", x.certificate), v.few("findings", x.findings))
FIELDS(ResultUnreadable, v.text("why", x.why), v.added("still_there", x.still_there))
FIELDS(TargetInstalled, v("target", x.target))
FIELDS(TargetFailed, v("target", x.target), v("problem", x.problem), v("attempt", x.attempt))
FIELDS(TargetSkipped, v("target", x.target), v.text("reason", x.reason))
FIELDS(CancelAsked, v.text("reason", x.reason))
FIELDS(CancelAnswered, v("report", x.report))
FIELDS(CancelImpossible, v.text("why", x.why))
FIELDS(DeadlinePassed)
FIELDS(ResolvedAsThere, v("reference", x.reference), v.added("issued", x.issued))
FIELDS(ResolvedAsCertificate, v("handout", x.result))
FIELDS(ResolvedAsAbsent, v.text("reason", x.reason))
FIELDS(ResolvedAsAbandoned, v.text("reason", x.reason))
FIELDS(LookUpAsked)
FIELDS(ResolvedAsDone, v.text("reason", x.reason))
FIELDS(NotValidYet, v("not_yet", x.not_yet))
FIELDS(DeviationsAccepted, v("findings", x.findings), v.text("reason", x.reason))
FIELDS(JudgementAsked, v("accept", x.accept))

#undef FIELDS

// ---- writing --------------------------------------------------------------------------------------------------------

// RFC 3339 has years of four digits. A time beyond them ("a deadline in 20000 years") would be written and never be
// read again, and with it the whole request.
constexpr Instant kEarliest{std::chrono::sys_days{std::chrono::year{0} / 1 / 1}};
constexpr Instant kLatest = Instant{std::chrono::sys_days{std::chrono::year{10000} / 1 / 1}} - Duration{1};

// What stands for the members of a list that are left out.
Finding rest_of(const std::vector<Finding>&, std::size_t left_out) {
  return {"more", false, fmt::format("{} more findings are not listed", left_out)};
}
Approver rest_of(const std::vector<Approver>&, std::size_t left_out) {
  return {fmt::format("{} more approvers, who are not listed", left_out), "", "", Approver::Decision::pending};
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

class Writer {
 public:
  explicit Writer(DraftShelf* drafts) : drafts_(drafts) {}

  template <class T>
  void operator()(const char* name, const T& value) {
    json_.set(name, written(value));
  }
  template <class T>
  void added(const char* name, const T& value) {
    (*this)(name, value);
  }
  template <class T>
  void some(const char* name, const T& value) {
    if (!(value == T{})) (*this)(name, value);
  }
  void gone(const char*) {}
  void text(const char* name, const std::string& value) { (*this)(name, as_written(value)); }
  template <class T>
  void few(const char* name, const std::vector<T>& values) {
    (*this)(name, bounded(values));
  }
  template <class... T>
  void tagged(const char* name, std::variant<T...>& value) {
    json_.set(name, Json(kWords<std::variant<T...>>[value.index()]));
    std::visit([this](auto& one) { fields(one, *this); }, value);
  }
  void octets(const Draft& draft) {
    if (drafts_ == nullptr) {
      (*this)("csr", draft.csr);
      (*this)("to_be_signed", draft.to_be_signed);
      return (*this)("issuer", draft.issuer);
    }
    (*this)("digest", kept(draft_octets(draft)));
    (*this)("issuer_digest", draft.issuer.empty() ? std::string{} : kept(draft.issuer));
  }

  template <class T>
  Json written(const T& value) {
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
    } else if constexpr (std::is_same_v<T, Order> || std::is_same_v<T, x509::RequestedContent> ||
                         std::is_same_v<T, approval::Policy>) {
      return to_json(value);
    } else if constexpr (std::is_enum_v<T>) {
      return Json(word_of(value));
    } else {
      return object(value);
    }
  }
  template <class Tag>
  Json written(const StrongString<Tag>& value) {
    return Json(well_formed(value.str()));
  }
  template <class T>
  Json written(const std::optional<T>& value) {
    return value ? written(*value) : Json();
  }
  template <class T>
  Json written(const std::vector<T>& values) requires(!std::is_same_v<T, std::uint8_t>) {
    return Json::list(values, [this](const T& value) { return written(value); });
  }
  template <class T>
  Json object(const T& value) {
    Writer writer(drafts_);
    fields(const_cast<T&>(value), writer);  // Writer only reads
    return std::move(writer.json_);
  }
  // With the schema's number; `name` tags a variant.
  template <class T>
  Json journalled(const T& value, const char* name = nullptr) {
    json_.set("schema", Json(kJournalSchema));
    if constexpr (std::is_same_v<T, Order>) {
      fields(const_cast<T&>(value), *this);
    } else {
      tagged(name, const_cast<T&>(value));
    }
    return std::move(json_);
  }

 private:
  std::string kept(const Bytes& octets) {
    const std::string digest = hex(sha256(octets));
    drafts_->keep(digest, octets);
    return digest;
  }

  Json json_ = Json::object();
  DraftShelf* drafts_;
};

// ---- reading --------------------------------------------------------------------------------------------------------

class Reader {
 public:
  Reader(const Json& json, DraftShelf* drafts) : json_(json), drafts_(drafts) {}

  template <class T>
  void operator()(const char* name, T& value) {
    read(member(name), value);
  }
  template <class T>
  void added(const char* name, T& value) {
    if (json_.find(name) != nullptr) (*this)(name, value);
  }
  template <class T>
  void some(const char* name, T& value) {
    added(name, value);
  }
  void gone(const char* name) {
    if (json_.find(name) != nullptr) member(name);
  }
  void text(const char* name, std::string& value) { (*this)(name, value); }
  template <class T>
  void few(const char* name, std::vector<T>& values) {
    (*this)(name, values);
  }
  template <class... T>
  void tagged(const char* name, std::variant<T...>& value) {
    alternative(index_of<std::variant<T...>>(member(name)), value);
  }
  void octets(Draft& draft) {
    if (json_.find("digest") == nullptr) {
      (*this)("csr", draft.csr);
      (*this)("to_be_signed", draft.to_be_signed);
      return (*this)("issuer", draft.issuer);
    }
    set_draft_octets(draft, kept(member("digest").as_string()));
    const std::string& issuer = member("issuer_digest").as_string();
    if (!issuer.empty()) draft.issuer = kept(issuer);
  }

  template <class T>
  void read(const Json& json, T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      value = json.as_string();
    } else if constexpr (std::is_same_v<T, bool>) {
      value = json.as_bool();
    } else if constexpr (std::is_same_v<T, unsigned>) {
      const std::int64_t number = json.as_integer();
      if (number < 0 || number > std::numeric_limits<unsigned>::max()) {
        throw Error{ErrorKind::corrupt, fmt::format("{} is not a valid count", number)};
      }
      value = static_cast<unsigned>(number);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      value = from_base64(json.as_string());
    } else if constexpr (std::is_same_v<T, Instant>) {
      value = parse_rfc3339(json.as_string());
    } else if constexpr (std::is_same_v<T, Duration>) {
      value = Duration{json.as_integer()};
    } else if constexpr (std::is_same_v<T, Order>) {
      value = order_from(json);
    } else if constexpr (std::is_same_v<T, x509::RequestedContent>) {
      value = x509::requested_content_from(json);
    } else if constexpr (std::is_same_v<T, approval::Policy>) {
      value = approval::policy_from(json);
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(index_of<T>(json));
    } else {
      Reader reader(json, drafts_);
      fields(value, reader);
      reader.expect_all_read();
    }
  }
  template <class Tag>
  void read(const Json& json, StrongString<Tag>& value) {
    value = StrongString<Tag>(json.as_string());
  }
  template <class T>
  void read(const Json& json, std::optional<T>& value) {
    value.reset();
    if (!json.is_null()) read(json, value.emplace());
  }
  template <class T>
  void read(const Json& json, std::vector<T>& values) requires(!std::is_same_v<T, std::uint8_t>) {
    values.clear();
    for (const Json& element : json.as_array()) read(element, values.emplace_back());
  }
  template <class T>
  T journalled(const char* name = nullptr) {
    member("schema");
    T value;
    if constexpr (std::is_same_v<T, Order>) {
      fields(value, *this);
    } else {
      tagged(name, value);
    }
    expect_all_read();
    return value;
  }

 private:
  const Json& member(const char* name) {
    const Json* found = json_.find(name);
    if (found == nullptr) throw Error{ErrorKind::corrupt, fmt::format("member '{}' is missing", name)};
    ++seen_;
    return *found;
  }
  // A member that nobody reads is from a newer version.
  void expect_all_read() const {
    if (seen_ == json_.as_object().size()) return;
    throw Error{ErrorKind::corrupt, "a member that this version does not know"};
  }
  // Which alternative or value the word is.
  template <class Words>
  static std::size_t index_of(const Json& json) {
    const auto& words = kWords<Words>;
    const auto found = std::find(words.begin(), words.end(), json.as_string());
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    throw Error{ErrorKind::corrupt, fmt::format("'{}' is a word that this version does not know", json.as_string())};
  }
  template <std::size_t I = 0, class... T>
  void alternative(std::size_t index, std::variant<T...>& value) {
    if constexpr (I + 1 < sizeof...(T)) {
      if (index != I) return alternative<I + 1>(index, value);
    }
    fields(value.template emplace<I>(), *this);
  }
  Bytes kept(const std::string& digest) const {
    if (drafts_ == nullptr) throw Error{ErrorKind::corrupt, fmt::format("draft {} is kept elsewhere", digest)};
    Bytes octets = drafts_->octets(digest);
    if (hex(sha256(octets)) == digest) return octets;
    throw Error{ErrorKind::corrupt, fmt::format("the octets of draft {} are not those that were frozen", digest)};
  }

  const Json& json_;
  std::size_t seen_ = 0;
  DraftShelf* drafts_;
};

constexpr std::string_view kTexts[] = {"an order", "a state", "an event"};

// Reads the text in today's schema. A journal that cannot be read is corrupt, whatever the JSON reader calls it.
template <class Read>
auto read_text(Text what, const Json& json, Read read) {
  try {
    return json.integer_or("schema", 1) == kJournalSchema ? read(json) : read(upgraded(what, json));
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt, fmt::format("{} in the store cannot be read: {}",
                                                kTexts[static_cast<std::size_t>(what)], error.message())}
        .hint(error.hint().empty() ? "was the store written by a newer hsmbridge, or changed by hand?" : error.hint());
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
  return Writer(nullptr).journalled(order);
}
Order order_from(const Json& json) {
  return read_text(Text::order, json, [](const Json& text) {
    Order order = Reader(text, nullptr).journalled<Order>();
    const Enroll* const enrolment = order.enrolment();
    const bool brought = enrolment != nullptr && enrolment->key.source == KeyWish::Source::brought;
    if (brought == order.brought_csr().empty())
      throw Error{ErrorKind::corrupt, "a CSR without its key, or a key without its CSR"};
    return order;
  });
}

Json to_json(const State& state, DraftShelf* drafts) {
  return Writer(drafts).journalled(state, "state");
}
State state_from(const Json& json, DraftShelf* drafts) {
  return read_text(Text::state, json,
                   [drafts](const Json& text) { return Reader(text, drafts).journalled<State>("state"); });
}

Json to_json(const EventBody& body) {
  return Writer(nullptr).journalled(body, "event");
}
EventBody event_body_from(const Json& json) {
  return read_text(Text::event, json,
                   [](const Json& text) { return Reader(text, nullptr).journalled<EventBody>("event"); });
}

Json to_json(const StatusReport& report) {
  return Writer(nullptr).object(report);
}
Json to_json(const Progress& progress) {
  return Writer(nullptr).object(progress);
}

std::string_view to_string(Approver::Decision decision) {
  return kWords<Approver::Decision>[static_cast<std::size_t>(decision)];
}

}  // namespace hsmbridge::workflow
