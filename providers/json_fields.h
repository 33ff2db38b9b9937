#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/unicode.h"

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What every provider does with a JSON answer: reading it as one, and its members whose form services take lightly.
// Thread rule: plain functions.
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

// A member that is there and not null.
const Json* member(const Json& json, std::string_view name);
// A number, or a text that is one. Throws corrupt naming the member.
std::int64_t number_of(const Json& json, std::string_view name);
// The entries of a list; none where it is absent or null. Throws corrupt for anything else, and for more than `most`:
// going through them must not take minutes.
const Json::Array& list(const Json& json, std::string_view name, std::size_t most = 10'000);
const Json::Array& list_of(const Json& json, std::string_view name, std::size_t most = 10'000);
// A time of RFC 3339 or a date alone. Nothing for what cannot be read: that is no reason to give up the answer.
std::optional<Instant> date(const Json& json, std::string_view name);
// What may be said in a message: never more than a screen.
std::string shown(std::string_view words);

}  // namespace hsmbridge::providers
