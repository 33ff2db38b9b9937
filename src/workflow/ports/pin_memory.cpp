#include "workflow/ports/pin_memory.h"

#include <fmt/core.h>

#include <tuple>

namespace hsmbridge::workflow {
namespace {

constexpr std::string_view kOpen = "open";
constexpr std::string_view kOpenAfter = "open after ";
constexpr std::string_view kUnclear = "unclear: ";
constexpr std::string_view kAfter = " after ";
constexpr std::string_view kAgain = " again";

AttemptState with_answers(PinStanding standing, std::string_view answers) {
  const bool twice = answers.ends_with(kAgain);
  if (twice) answers.remove_suffix(kAgain.size());
  return {standing, std::string(answers), twice ? 2U : 1U};
}

}  // namespace

bool may_be_same(const PinSubject& one, const PinSubject& other) {
  return one.token_serial == other.token_serial && one.user_type == other.user_type &&
         (one.distinction == other.distinction || one.distinction.empty() || other.distinction.empty());
}

std::string AttemptState::answers() const {
  // The reason of a refusal that a person overrode may say it already.
  return fmt::format("{}{}", reason, unclear == 2 && !reason.ends_with(kAgain) ? kAgain : "");
}

std::string AttemptState::words() const {
  switch (standing) {
    case PinStanding::attempt_open:
      return std::string(kOpen);
    case PinStanding::unclear:
      return fmt::format("{}{}", kUnclear, answers());
    case PinStanding::second_open:
      return fmt::format("{}{}", kOpenAfter, answers());
    case PinStanding::refused:
      break;
  }
  return reason;
}

AttemptState AttemptState::from_words(std::string_view words) {
  if (words == kOpen) return {PinStanding::attempt_open};
  if (words.starts_with(kOpenAfter)) return with_answers(PinStanding::second_open, words.substr(kOpenAfter.size()));
  if (words.starts_with(kUnclear)) return with_answers(PinStanding::unclear, words.substr(kUnclear.size()));
  const bool in_a_row = words.find(kAfter) != std::string_view::npos;
  return {PinStanding::refused, std::string(words), !in_a_row ? 0U : words.ends_with(kAgain) ? 3U : 2U};
}

std::optional<PinRefusal> worse(std::optional<PinRefusal> one, std::optional<PinRefusal> other) {
  if (!one || !other) return one ? one : other;
  const auto rank = [](const PinRefusal& refusal) {
    return std::tuple(refusal.state.standing, !refusal.recorded_by, refusal.at);
  };
  return rank(*other) > rank(*one) ? other : one;
}

}  // namespace hsmbridge::workflow
