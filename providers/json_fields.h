#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/unicode.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What every provider does with a JSON answer: reading it as one, and its members, whose form services take lightly.
// Thread rule: values and plain functions.
namespace hsmbridge::providers {

// What an answer may hold: its beginning may be shown, or not even that.
enum class Holds { facts, secrets };

// How a service keeps to the types of its members.
enum class Types {
  exact,  // another type than expected throws corrupt
  words,  // numbers and truth values for texts, and texts for them, are taken; anything else throws corrupt
  loose,  // whole numbers for texts, and texts for numbers and truth values; anything else counts as absent
};

enum class Form {
  plain,
  lower,
  upper,
  line,  // a status: printable, 60 octets at most
  id,    // goes into paths and the journal: 1 to 200 printable ASCII characters without blanks, else corrupt
};

// The members of an object, each named by its path from the outside in, "revocation.status"; "a|b" is a, or b where a is
// absent or counts so. What is null or not there is absent: an empty text, nothing, no entries. Refers to the JSON. Everything throws
// corrupt naming the path for what `types` does not let pass.
class Members {
 public:
  Members(const Json& json, Types types) : json_(json), types_(types) {}

  Members(Json&&, Types) = delete;  // it would refer to what is gone

  const Json& json() const { return json_; }
  const Json* find(std::string_view path) const;
  Members inside(const Json& json) const { return {json, types_}; }
  Members inside(Json&&) const = delete;

  // Of "a|b" the first that is not empty.
  std::string text(std::string_view path, Form form = Form::plain) const;
  // Throws corrupt where it is absent or empty.
  std::string needed(std::string_view path, Form form = Form::plain) const;
  std::optional<std::int64_t> number(std::string_view path) const;
  std::optional<bool> truth(std::string_view path) const;
  // RFC 3339, or a date alone. What cannot be read counts as absent, but with Types::exact.
  std::optional<Instant> date(std::string_view path) const;
  // Of base64; nothing for an empty text too.
  std::optional<Bytes> octets(std::string_view path) const;
  // Those of a list, without nulls; ids without empty texts too.
  std::vector<std::string> texts(std::string_view path, Form form = Form::plain) const;
  std::vector<std::int64_t> numbers(std::string_view path) const;
  // Those that are texts in JSON too: others may be anybody's.
  std::vector<std::string> only_texts(std::string_view path) const;
  // At most so many: going through them must not take minutes.
  const Json::Array& list(std::string_view path, std::size_t most = 10'000) const;
  // A value that is not a member by a path; nothing where it counts as absent. `path` for messages.
  std::optional<std::string> word(const Json& value, std::string_view path, Form form = Form::plain) const;
  // What `read` (Members -> T) makes of each entry.
  template <class Read>
  auto each(std::string_view path, Read read) const {
    std::vector<decltype(read(*this))> result;
    for (const Json& entry : list(path)) result.push_back(read(inside(entry)));
    return result;
  }

 private:
  // What `read` makes of the first of "a|b" of which it makes something.
  template <class T, class Read>
  std::optional<T> first(std::string_view path, Read read) const {
    for (std::size_t begin = 0; begin <= path.size();) {
      const std::size_t end = std::min(path.find('|', begin), path.size());
      if (const Json* const value = find(path.substr(begin, end - begin))) {
        if (std::optional<T> found = read(*value)) return found;
      }
      begin = end + 1;
    }
    return std::nullopt;
  }
  std::optional<std::int64_t> whole(const Json& value, std::string_view path) const;
  std::nullopt_t other(std::string_view path, std::string_view expected) const;

  const Json& json_;
  const Types types_;
};

// Runs a reader (Members -> T) of a JSON answer of `whose` ("the TSB"). Anything but JSON is a proxy or a cut
// connection, so the service may be fine later: throws unavailable. JSON of another shape is corrupt, with `what` the
// answer is called.
template <class Read>
auto read_answer(std::string_view whose, std::string_view what, std::string_view body, Types types, Read read,
                 Holds holds = Holds::facts) {
  Json json;
  try {
    json = Json::parse(body);
  } catch (const Error& error) {
    Error no_json(ErrorKind::unavailable,
                  fmt::format("the answer of {} ({}) is not JSON: {}", whose, what, error.message()));
    if (holds == Holds::facts) no_json.with("begins", printable(body.substr(0, 60)));
    throw Error(std::move(no_json));
  }
  try {
    return read(Members(json, types));
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt,
                fmt::format("the answer of {} ({}) cannot be read: {}", whose, what, error.message())};
  }
}

// What may be said in a message: never more than a screen.
std::string shown(std::string_view words);

}  // namespace hsmbridge::providers
