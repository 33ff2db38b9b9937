#pragma once

#include "base/error.h"
#include "base/json.h"
#include "base/unicode.h"

#include <fmt/core.h>

#include <string_view>

// What every provider does with an answer before anybody looks at its content. Thread rule: plain functions.
namespace hsmbridge::providers {

// What an answer may hold: its beginning may be shown, or not even that.
enum class Holds { facts, secrets };

// Runs a reader of a JSON answer of `whose` ("the TSB"). No JSON at all is a proxy or a cut connection, so the service
// may be fine later: throws unavailable. JSON of another shape is corrupt, with `what` the answer is called.
template <class Read>
auto read_answer(std::string_view whose, std::string_view what, std::string_view body, Read read,
                 Holds holds = Holds::facts) {
  Json json;
  try {
    json = Json::parse(body);
  } catch (const Error& error) {
    Error no_json(ErrorKind::unavailable, fmt::format("{}'s answer ({}) is no JSON: {}", whose, what, error.message()));
    if (holds == Holds::facts) no_json.with("begins", printable(body.substr(0, 60)));
    throw Error(std::move(no_json));
  }
  try {
    return read(json);
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt, fmt::format("{}'s answer ({}) cannot be read: {}", whose, what, error.message())};
  }
}

}  // namespace hsmbridge::providers
