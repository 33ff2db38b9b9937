#include "pkcs11/login/pin_attempt.h"

#include "base/log.h"
#include "pkcs11/cryptoki/cryptoki.h"

#include <fmt/core.h>

#include <exception>
#include <string_view>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

constexpr std::string_view kCutShort = "an attempt cut short";
constexpr std::string_view kCounted = "; the token counts a wrong PIN";
// From the second attempt in a row without a clear answer to the third, when something speaks for the PIN.
constexpr Duration kPause{10'000};

// Nobody came to the token's own PIN pad, or pressed cancel there: nothing was sent that could be sent again.
bool is_cancelled(unsigned long code) {
  return code == CKR_CANCEL || code == CKR_FUNCTION_CANCELED || code == CKR_FUNCTION_REJECTED;
}

// What could not be written down. This process at least does not try again.
MemoryPinRefusals& unrecorded() {
  static auto* const refusals = new MemoryPinRefusals;
  return *refusals;
}

// What a second attempt without a clear answer comes after.
AttemptState before_it(const AttemptState& state) {
  if (state.standing == PinStanding::attempt_open) return {PinStanding::unclear, std::string(kCutShort), 1};
  // A refusal counts itself too.
  const unsigned unclear = state.standing == PinStanding::refused ? state.unclear - 1 : state.unclear;
  return {PinStanding::unclear, state.reason, unclear == 2 ? 2U : 1U};
}

AttemptState refused_after(std::string_view answer, const AttemptState& before) {
  return {PinStanding::refused, fmt::format("{} after {}", answer, before.answers()), before.unclear + 1};
}

}  // namespace

PinAttempt::PinAttempt(PinRefusals& refusals, const Clock& clock, std::vector<PinSubject> same_pin, Words words)
    : refusals_(refusals), clock_(clock), same_pin_(std::move(same_pin)), words_(std::move(words)) {}

std::optional<PinRefusal> PinAttempt::worst() const {
  std::optional<PinRefusal> worst;
  for (const PinSubject& subject : same_pin_) {
    for (PinRefusals* const memory : {&refusals_, static_cast<PinRefusals*>(&unrecorded())}) {
      const auto found = memory->refused(subject);
      if (found && (!worst || found->state.standing > worst->state.standing)) worst = found;
    }
  }
  return worst;
}

std::string PinAttempt::pin() const {
  return fmt::format("the PIN of {}", words_.token);
}

void PinAttempt::refuse(const PinRefusal& before) const {
  const std::string words = before.state.words();
  std::string message =
      before.state.unclear > 0
          ? fmt::format(
                "{} was tried {} in a row without a clear answer, the last time at {} ({}); that may mean "
                "a wrong PIN, and it is not tried again",
                pin(), before.state.unclear > 2 ? "three times" : "twice", rfc3339(before.at), words)
          : fmt::format("{} was refused at {} ({}); it is not tried again, whatever its source", pin(),
                        rfc3339(before.at), words);
  if (before.at == Instant{}) {  // nobody knows when: its record cannot be read
    message = fmt::format("{} is not tried, since a record about it cannot be read ({})", pin(), words);
    if (before.recorded_by) message += fmt::format("; the record is of uid {} on this host", *before.recorded_by);
  } else if (before.recorded_by) {
    message += fmt::format("; uid {} on this host tried it", *before.recorded_by);
  }
  throw Error{ErrorKind::denied, std::move(message)}
      .with("token", words_.uri)
      .with("pin_source", words_.source)
      .with("reason", words)
      .with(std::string(kLane), std::string(kLaneDown))
      .hint(words_.next);
}

void PinAttempt::refuse_if_refused_before() const {
  const auto before = worst();
  if (before && before->state.standing == PinStanding::refused) refuse(*before);
}

void PinAttempt::forget() const {
  for (const PinSubject& subject : same_pin_) {
    refusals_.clear(subject);
    unrecorded().clear(subject);
  }
}

void PinAttempt::begin(const PinEvidence& evidence) {
  unclear_before_ = {};
  recorded_before_ = refusals_.own(same_pin_.front());
  if (auto before = worst()) {
    const PinStanding standing = before->state.standing;
    if (standing == PinStanding::refused) refuse(*before);
    const AttemptState core = before_it(before->state);
    const std::string last = standing == PinStanding::unclear ? core.reason : std::string(kCutShort);
    const bool third = standing == PinStanding::second_open && core.unclear == 2;
    if (evidence.excuses() && !third) {
      const bool second = standing == PinStanding::second_open || core.unclear == 2;
      const Instant next = before->at + kPause;
      if (second && clock_.now() < next && clock_.now() >= before->at) {
        throw Error{ErrorKind::unavailable,
                    fmt::format("the last login to {} had no clear answer ({}); another one is made from {} on",
                                words_.token, last, rfc3339(next))}
            .with("token", words_.uri)
            .with(std::string(kLane), std::string(kLaneDown))
            .hint("look at the HSM, its connection and the module's own log");
      }
      log::warning(fmt::format(
          "the last login to {} had no clear answer ({}); {}, so it is made again", words_.token, last,
          evidence.was_right ? "this PIN has logged in before" : "the token counts wrong PINs and has counted none"));
      unclear_before_ = core;
      if (second) unclear_before_.unclear = 2;
    } else if (evidence.wrong_pin_counted || standing == PinStanding::second_open) {
      before->subject = same_pin_.front();
      before->state = standing == PinStanding::second_open
                          ? refused_after(last, core)
                          : AttemptState{PinStanding::refused, fmt::format("{}{}", last, kCounted)};
      // One's own is written down as the refusal it is, so that everybody sees it without the lock. Another user's is
      // his to write down: it must not outlive his record of it.
      if (!before->recorded_by) refusals_.record(*before);
      refuse(*before);
    } else {
      unclear_before_ = core;
    }
  }
  write_down(unclear_before_);
}

void PinAttempt::write_down(const AttemptState& after) {
  const AttemptState open = after.unclear == 0 ? AttemptState{PinStanding::attempt_open}
                                               : AttemptState{PinStanding::second_open, after.reason, after.unclear};
  try {
    refusals_.record({.subject = same_pin_.front(), .at = clock_.now(), .state = open});
  } catch (...) {
    Error error = current_error();
    error.with("not_recorded", error.message());
    error.prefix(fmt::format("{} from {} is not tried, since a refusal could not be remembered", pin(), words_.source));
    error.with(std::string(kLane), std::string(kLaneDown));
    not_judged();  // where half of it was written
    throw error;
  }
}

void PinAttempt::begin_again() {
  unclear_before_ = {};
  recorded_before_ = refusals_.own(same_pin_.front());
  const auto before = worst();
  // Cut short, it is the second in a row: what was refused before stays refused.
  write_down(before ? before_it(before->state) : AttemptState{});
  again_ = true;
}

void PinAttempt::forget_others() const {
  for (const PinSubject& subject : same_pin_) {
    if (!(subject == same_pin_.front())) refusals_.clear(subject);
    unrecorded().clear(subject);
  }
}

void PinAttempt::succeeded() noexcept {
  try {
    forget();
  } catch (const std::exception& error) {
    // Whoever logs in next takes this one for cut short, which costs nothing: that login succeeds too.
    log::error(fmt::format("{} was right, which could not be recorded: {}", pin(), error.what()));
  }
}

void PinAttempt::not_judged() noexcept {
  try {
    if (recorded_before_) {
      // Under our own subject, which says what attempt it replaces.
      refusals_.record({.subject = same_pin_.front(), .at = recorded_before_->at, .state = recorded_before_->state});
    } else {
      refusals_.take_back(same_pin_.front());
    }
  } catch (...) {
    log::error(fmt::format("{} was not judged, which could not be recorded: {}", pin(), current_error().message()));
  }
}

void PinAttempt::record(const AttemptState& state, Error& failure) const {
  const PinRefusal refusal{.subject = same_pin_.front(), .at = clock_.now(), .state = state};
  try {
    refusals_.record(refusal);
    if (again_) forget_others();
  } catch (const std::exception& error) {
    unrecorded().record(refusal);
    // What the person must hear first is still what became of the login.
    failure.with("not_recorded", error.what());
    log::error(fmt::format("{}: what became of it could not be recorded: {}", pin(), error.what()));
  }
}

void PinAttempt::failed(TokenFailure failure, const PinEvidence& evidence) {
  const std::string code = return_code_name(failure.code());
  const AboutPin about = return_code(failure.code()).about_pin;
  failure.once_only().with("token", words_.uri).with(std::string(kLane), std::string(kLaneDown));
  // A module may use such a code for a wrong PIN: the token's own count is believed before it. Where a refusal is put
  // back, no attempt follows anyway.
  const bool refused_before = recorded_before_ && recorded_before_->state.standing == PinStanding::refused;
  const bool not_looked_at = about == AboutPin::not_judged && (!evidence.wrong_pin_counted || refused_before);
  if (not_looked_at || (evidence.typed_at_token && is_cancelled(failure.code()))) {
    not_judged();
    throw failure;
  }
  if (about == AboutPin::wrong) {
    record({PinStanding::refused, code}, failure);
    failure.hint(fmt::format("{}{} from {} is not tried again; {}",
                             words_.oddity.empty() ? "" : fmt::format("look at it: {}; ", words_.oddity), pin(),
                             words_.source,
                             failure.code() == CKR_PIN_LOCKED || failure.code() == CKR_PIN_EXPIRED
                                 ? fmt::format("{}, then: {}", return_code(failure.code()).hint, words_.next)
                                 : words_.next));
    throw failure;
  }
  const bool counted = (about == AboutPin::unclear || about == AboutPin::not_judged) && evidence.wrong_pin_counted;
  if (about == AboutPin::unclear && !counted &&
      (unclear_before_.unclear == 0 || (evidence.excuses() && unclear_before_.unclear == 1))) {
    record({PinStanding::unclear, code, unclear_before_.unclear == 0 ? 1U : 2U}, failure);
    failure.hint(
        evidence.excuses()
            ? "look at the HSM, its connection and the module's own log; the login is made again"
            : fmt::format("that may mean a wrong PIN: after a second answer like this one {} is not tried again "
                          "until somebody says so; look at the module's own log; {}",
                          pin(), words_.next));
    throw failure;
  }
  const bool first = unclear_before_.unclear == 0;
  const bool third = unclear_before_.unclear == 2;
  const AttemptState state = counted ? AttemptState{PinStanding::refused, fmt::format("{}{}", code, kCounted)}
                             : first ? AttemptState{PinStanding::refused, code}
                                     : refused_after(code, unclear_before_);
  Error refused{
      ErrorKind::denied,
      counted ? fmt::format("{}; the token counts a wrong PIN since, so it is not tried again", failure.message())
      : first ? fmt::format("{}; modules report a wrong PIN so, and it is not tried again", failure.message())
              : fmt::format(
                    "{}; it is the {} attempt in a row without a clear answer, {} {}; that may mean a wrong PIN, and "
                    "it is not tried again",
                    failure.message(), third ? "third" : "second", third ? "before it came" : "the first was",
                    unclear_before_.answers())};
  for (const auto& [name, value] : failure.details()) refused.with(name, value);
  record(state, refused);
  throw refused.hint(words_.next);
}

}  // namespace hsmbridge::pkcs11
