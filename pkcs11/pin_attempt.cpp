#include "pkcs11/pin_attempt.h"

#include "base/log.h"
#include "pkcs11/cryptoki.h"

#include <fmt/core.h>

#include <exception>
#include <string_view>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

constexpr std::string_view kOpen = "open";
constexpr std::string_view kOpenAfter = "open after ";
constexpr std::string_view kUnclear = "unclear: ";
constexpr std::string_view kAfter = " after ";
constexpr std::string_view kCutShort = "an attempt cut short";

// What could not be written down. This process at least does not try again.
MemoryPinRefusals& unrecorded() {
  static auto* const refusals = new MemoryPinRefusals;
  return *refusals;
}

// What a second attempt without a clear answer comes after.
std::string core_of(const PinRefusal& before) {
  switch (standing_of(before)) {
    case PinStanding::attempt_open:
      return std::string(kCutShort);
    case PinStanding::second_open:
      return before.reason.substr(kOpenAfter.size());
    case PinStanding::unclear:
      return before.reason.substr(kUnclear.size());
    case PinStanding::refused:
      break;
  }
  return before.reason;
}

}  // namespace

PinStanding standing_of(const PinRefusal& refusal) {
  if (refusal.reason == kOpen) return PinStanding::attempt_open;
  if (refusal.reason.starts_with(kOpenAfter)) return PinStanding::second_open;
  if (refusal.reason.starts_with(kUnclear)) return PinStanding::unclear;
  return PinStanding::refused;
}

PinAttempt::PinAttempt(PinRefusals& refusals, const Clock& clock, std::vector<PinSubject> same_pin, Words words)
    : refusals_(refusals), clock_(clock), same_pin_(std::move(same_pin)), words_(std::move(words)) {}

std::optional<PinRefusal> PinAttempt::worst() const {
  std::optional<PinRefusal> worst;
  for (const PinSubject& subject : same_pin_) {
    for (PinRefusals* const memory : {&refusals_, static_cast<PinRefusals*>(&unrecorded())}) {
      const auto found = memory->refused(subject);
      if (found && (!worst || standing_of(*found) > standing_of(*worst))) worst = found;
    }
  }
  return worst;
}

void PinAttempt::refuse(const PinRefusal& before) const {
  const bool twice = before.reason.find(kAfter) != std::string::npos;
  throw Error{ErrorKind::denied,
              twice ? fmt::format("{} was tried twice in a row without a clear answer, the last time at {} ({}); that "
                                  "may mean a wrong PIN, and it is not tried again",
                                  words_.pin, rfc3339(before.at), before.reason)
                    : fmt::format("{} was refused at {} ({}); it is not tried again", words_.pin, rfc3339(before.at),
                                  before.reason)}
      .with("token", words_.uri)
      .with("reason", before.reason)
      .hint(words_.next);
}

void PinAttempt::refuse_if_refused_before() const {
  const auto before = worst();
  if (before && standing_of(*before) == PinStanding::refused) refuse(*before);
}

void PinAttempt::forget() const {
  for (const PinSubject& subject : same_pin_) {
    refusals_.clear(subject);
    unrecorded().clear(subject);
  }
}

void PinAttempt::begin() {
  unclear_before_.clear();
  recorded_before_ = refusals_.refused(same_pin_.front());
  auto before = worst();
  if (before) {
    switch (standing_of(*before)) {
      case PinStanding::refused:
        refuse(*before);
      case PinStanding::second_open:
        // Two in a row: written down as the refusal it is, so that everybody sees it without the lock.
        *before = {.subject = same_pin_.front(),
                   .at = before->at,
                   .reason = fmt::format("{}{}{}", kCutShort, kAfter, before->reason.substr(kOpenAfter.size()))};
        refusals_.record(*before);
        refuse(*before);
      case PinStanding::attempt_open:
        unclear_before_ = kCutShort;
        break;
      case PinStanding::unclear:
        unclear_before_ = before->reason.substr(kUnclear.size());
        break;
    }
  }
  write_down(unclear_before_.empty() ? std::string(kOpen) : fmt::format("{}{}", kOpenAfter, unclear_before_));
}

void PinAttempt::write_down(std::string attempt) const {
  try {
    refusals_.record({.subject = same_pin_.front(), .at = clock_.now(), .reason = std::move(attempt)});
  } catch (...) {
    Error error = current_error();
    error.with("not_recorded", error.message());
    error.prefix(fmt::format("{} is not tried, since a refusal could not be remembered", words_.pin));
    throw error;
  }
}

void PinAttempt::begin_again() {
  unclear_before_.clear();
  recorded_before_ = refusals_.refused(same_pin_.front());
  const auto before = worst();
  // Cut short, it is the second in a row: what was refused before stays refused.
  write_down(before ? fmt::format("{}{}", kOpenAfter, core_of(*before)) : std::string(kOpen));
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
    log::error(fmt::format("{} was right, which could not be recorded: {}", words_.pin, error.what()));
  }
}

void PinAttempt::not_judged() noexcept {
  try {
    if (recorded_before_) {
      refusals_.record(*recorded_before_);
    } else {
      refusals_.clear(same_pin_.front());
    }
  } catch (const std::exception& error) {
    log::error(fmt::format("{} was not judged, which could not be recorded: {}", words_.pin, error.what()));
  }
}

void PinAttempt::record(const std::string& reason, Error& failure) const {
  const PinRefusal refusal{.subject = same_pin_.front(), .at = clock_.now(), .reason = reason};
  try {
    refusals_.record(refusal);
    if (again_) forget_others();
  } catch (const std::exception& error) {
    unrecorded().record(refusal);
    // What the person must hear first is still what became of the login.
    failure.with("not_recorded", error.what());
    log::error(fmt::format("{}: what became of it could not be recorded: {}", words_.pin, error.what()));
  }
}

void PinAttempt::failed(TokenFailure failure) {
  const std::string code = return_code_name(failure.code());
  const AboutPin about = return_code(failure.code()).about_pin;
  failure.once_only().with("token", words_.uri);
  if (about == AboutPin::not_judged) {
    not_judged();
    throw failure;
  }
  if (about == AboutPin::wrong) {
    record(code, failure);
    failure.hint(fmt::format(
        "{} is not tried again; {}", words_.pin,
        failure.code() == CKR_PIN_LOCKED ? "the security officer unlocks it with the vendor's tool" : words_.next));
    throw failure;
  }
  if (about == AboutPin::unclear && unclear_before_.empty()) {
    record(fmt::format("{}{}", kUnclear, code), failure);
    failure.hint(
        fmt::format("that may mean a wrong PIN: after a second answer like this one {} is not tried again "
                    "until somebody says so; look at the module's own log; {}",
                    words_.pin, words_.next));
    throw failure;
  }
  Error refused{ErrorKind::denied,
                unclear_before_.empty()
                    ? fmt::format("{}; modules report a wrong PIN so, and it is not tried again", failure.message())
                    : fmt::format("{}; it is the second attempt in a row without a clear answer, the first was {}; "
                                  "that may mean a wrong PIN, and it is not tried again",
                                  failure.message(), unclear_before_)};
  for (const auto& [name, value] : failure.details()) refused.with(name, value);
  record(unclear_before_.empty() ? code : fmt::format("{}{}{}", code, kAfter, unclear_before_), refused);
  throw refused.hint(words_.next);
}

}  // namespace hsmbridge::pkcs11
