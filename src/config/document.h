#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "config/secret_source.h"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::config {

// Where a value stands in its file, counted from 1.
struct Place {
  int line = 1;
  int column = 1;
  auto operator<=>(const Place&) const = default;
};

class Section;

// A YAML file, read strictly: a duplicate key, a second document, a merge key, an anchor, an alias, a tag and a key
// that no reader asked for are problems. Problems are collected while the owners read their sections, and reported all
// at once by `finish`, each with file, line and column: who mends a file wants to see everything that is wrong with it.
class Document {
 public:
  // Throws what read_file throws, denied for a file that everybody may write (it names modules and programs to load),
  // and invalid_input for a named pipe, which would be waited for.
  static Document read(const std::filesystem::path& file);
  // SHA-256 of the text that is there now. Throws what `read` throws before it parses.
  static Bytes sha256_of(const std::filesystem::path& file);
  // `name` stands in messages, `folder` is what relative paths start from.
  static Document parse(std::string_view text, std::string name, std::filesystem::path folder);

  Section root() const;
  // SHA-256 of the text that was parsed: by it a file that was changed since is known.
  const Bytes& sha256() const;
  // Whether it was a pipe that this process was handed: there is no text to compare with later.
  bool is_read_once() const;
  // Throws one invalid_input with every problem found, in the order of the file: one line each in the message, and one
  // detail "problem" each. Afterwards a section that reports a problem late throws by itself.
  void finish();

  struct State;

 private:
  explicit Document(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// One mapping of the file, read by its owner. Each getter marks its key as known; a value of a wrong kind becomes a
// problem and the getter returns the fallback or an empty value, so that reading goes on. Values with several words for
// "nothing" (null, ~, no value after the colon) are problems too: leave the key out.
// Copies are cheap and see the same section; it keeps its document alive. Thread rule: one thread at a time.
class Section {
 public:
  // An empty section of an empty file: where a default or a test needs one.
  Section();
  // What every text of an enumerated setting means.
  template <class Value>
  using Choices = std::vector<std::pair<std::string_view, Value>>;

  // The section's name as in "providers.tsb"; "" for the whole file.
  const std::string& path() const;
  Place place() const;
  bool has(std::string_view key) const;
  // The keys, in the order of the file.
  std::vector<std::string> keys() const;

  // A key that must be there and not be empty; its absence is a problem at the section's own line.
  std::string text(std::string_view key);
  std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most);
  SecretSource secret(std::string_view key, SecretUse use = SecretUse::any);
  // A path, made absolute against the folder of the file; a leading "~/" is the home folder.
  std::filesystem::path file(std::string_view key);
  template <class Value>
  Value choice(std::string_view key, const Choices<Value>& choices) {
    const auto found = find_choice(key, words_of(choices), Absent::problem);
    return found ? choices[*found].second : choices.front().second;
  }

  // A key that may be left out.
  std::optional<std::string> optional_text(std::string_view key);
  std::optional<std::int64_t> optional_integer(std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<Duration> optional_duration(std::string_view key);
  std::optional<bool> optional_boolean(std::string_view key);  // true or false, nothing else
  std::optional<SecretSource> optional_secret(std::string_view key, SecretUse use = SecretUse::any);
  std::optional<std::filesystem::path> optional_file(std::string_view key);
  template <class Value>
  std::optional<Value> optional_choice(std::string_view key, const Choices<Value>& choices) {
    const auto found = find_choice(key, words_of(choices), Absent::fine);
    return found ? std::optional<Value>(choices[*found].second) : std::nullopt;
  }

  // A list of texts, or one text as a list of one; empty when the key is absent.
  std::vector<std::string> texts(std::string_view key);
  // A list of paths, or one; as `file` makes them absolute.
  std::vector<std::filesystem::path> files(std::string_view key);
  // A list of secret sources, or one.
  std::vector<SecretSource> secrets(std::string_view key, SecretUse use = SecretUse::any);
  // A mapping of names to texts in the order of the file; empty when the key is absent.
  std::vector<std::pair<std::string, std::string>> named_texts(std::string_view key);
  // A sub-section, or nothing.
  std::optional<Section> section(std::string_view key);
  // A list of mappings, or one mapping as a list of one.
  std::vector<Section> sections(std::string_view key);
  // Every key of this section as the name of a sub-section, in the order of the file.
  std::vector<std::pair<std::string, Section>> named_sections();
  // What kind of value stands there. `absent` does not mark the key as known.
  enum class Shape { absent, nothing, text, list, mapping };
  Shape shape(std::string_view key) const;

  // Reports a problem of the owner's own finding at the value of `key` (at the section when it is absent). Write what
  // is wrong with it; the place and the key's full name are put before it.
  void problem(std::string_view key, std::string_view what);
  // The same as an Error, for a reader that looks at a value long after the file was read.
  Error error(std::string_view key, std::string_view what) const;
  // "hsmbridge.yaml:12:3", where the value of `key` stands.
  std::string where(std::string_view key) const;

  // Every key that no getter asked for is a problem. Call it last. Throws only when the document was finished before
  // and this section has a problem: that is how an owner who reads late reports its own.
  void finish();

  struct Node;
  Section(std::shared_ptr<Document::State> state, const Node& node, std::string path, Place place);

 private:
  enum class Absent { fine, problem };
  template <class Value>
  static std::vector<std::string_view> words_of(const Choices<Value>& choices) {
    std::vector<std::string_view> words;
    for (const auto& choice : choices) words.push_back(choice.first);
    return words;
  }
  const Node* look(std::string_view key, Absent absent) const;
  std::optional<std::string> scalar(std::string_view key, Absent absent);
  std::optional<std::size_t> find_choice(std::string_view key, const std::vector<std::string_view>& words,
                                         Absent absent);
  std::optional<std::int64_t> number(std::string_view key, std::int64_t least, std::int64_t most, Absent absent);
  std::optional<Duration> period(std::string_view key, Absent absent);
  std::optional<SecretSource> source(std::string_view key, SecretUse use, Absent absent);
  std::optional<std::filesystem::path> path_of(std::string_view key, Absent absent);
  Place place_of(std::string_view key) const;
  std::string full_name(std::string_view key) const;

  std::shared_ptr<Document::State> state_;
  const Node* node_;
  std::string path_;
  Place place_;
};

}  // namespace hsmbridge::config
