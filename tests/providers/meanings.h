#pragma once

#include "base/error.h"
#include "providers/verdict.h"
#include "support/fake_transport.h"

#include <catch2/catch.hpp>
#include <optional>
#include <variant>
#include <vector>

namespace hsmbridge::test {

// What an answer to a call that is made once means.
enum class Meaning { taken, not_accepted, refused, unknown };
template <class Verdict>
Meaning meaning_of(const Verdict& verdict) {
  if (std::holds_alternative<workflow::NotAccepted>(verdict)) return Meaning::not_accepted;
  if (std::holds_alternative<workflow::RefusedForGood>(verdict)) return Meaning::refused;
  if (std::holds_alternative<workflow::OutcomeUnknown>(verdict)) return Meaning::unknown;
  return Meaning::taken;
}
struct AnswerRow {
  const char* what;
  net::Exchange exchange;
  Meaning meaning;
};
template <class Judge>
void check_meanings(const std::vector<AnswerRow>& rows, Judge judge) {
  for (const AnswerRow& row : rows) {
    CAPTURE(row.what);
    CHECK(meaning_of(judge(row.exchange)) == row.meaning);
  }
}

// What a call that may be repeated ends with; nothing for a success.
inline std::optional<Error> trouble_of(const providers::Dialect& dialect, const net::Exchange& exchange) {
  try {
    providers::Answer(dialect, "GET x", exchange, Instant{}).success();
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  }
}
// Its kind; internal for a success.
inline ErrorKind kind_of_trouble(const providers::Dialect& dialect, const net::Exchange& exchange) {
  const std::optional<Error> trouble = trouble_of(dialect, exchange);
  return trouble ? trouble->kind() : ErrorKind::internal;
}

}  // namespace hsmbridge::test
