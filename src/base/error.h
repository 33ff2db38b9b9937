#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge {

// What the caller may do next; not what went wrong inside.
enum class ErrorKind {
  invalid_input,    // the caller must change something first
  not_found,        // the thing named does not exist
  ambiguous,        // more than one thing matches the name
  conflict,         // it exists already, or something else holds it
  denied,           // wrong PIN, wrong API key, not permitted
  refused,          // a person, a policy or a CA said no
  unavailable,      // try again later, nothing happened
  outcome_unknown,  // it may have happened: look before repeating
  corrupt,          // what we read back is not what we wrote
  internal,         // our own mistake
};

// The kind as it is written in --json output and in the journal, for example "invalid_input".
std::string_view to_string(ErrorKind kind);
// The inverse; `internal` for a word that is none of them.
ErrorKind error_kind_from(std::string_view word);

// The one exception type of this project. The message says what happened and to what; the hint says what to do next;
// details are named facts (a candidate key, the provider's error code) for a person and for --json.
// Never put a PIN, a key or an API key in any of them.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);

  // Adds a named fact. A name may repeat (one "candidate" a key).
  Error& with(std::string name, std::string value) &;
  Error&& with(std::string name, std::string value) &&;
  // Says what to do next. The last one given counts.
  Error& hint(std::string what_to_do) &;
  Error&& hint(std::string what_to_do) &&;
  // Puts "context: " before the message, as an Error travels up to a caller who knows more.
  Error& prefix(std::string_view context) &;
  // Another kind or message, with the same details and hint.
  Error restated(ErrorKind kind, std::string message) const;

  ErrorKind kind() const noexcept { return kind_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& hint() const noexcept { return hint_; }
  const std::vector<std::pair<std::string, std::string>>& details() const noexcept { return details_; }
  // The first detail of that name, or "".
  std::string_view detail(std::string_view name) const noexcept;
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_;
  std::string hint_;
  std::vector<std::pair<std::string, std::string>> details_;
};

// Runs `work`, and puts "context: " before the message of an Error that it throws.
template <class Work>
auto prefixed(std::string_view context, Work work) {
  try {
    return work();
  } catch (Error& error) {
    throw error.prefix(context);
  }
}

// The exception in flight as an Error: itself, or `internal` with its what(). Call inside a catch block only.
Error current_error();

}  // namespace hsmbridge
