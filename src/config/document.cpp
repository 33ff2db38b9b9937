#include "config/document.h"

#include "base/file_io.h"
#include "base/text.h"
#include "base/trust.h"
#include "config/node.h"
#include "config/paths.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace hsmbridge::config {
namespace {

constexpr std::size_t kLargestFile = 1U << 20U;

// A named pipe would be waited for: by a daemon at SIGHUP, and before it submits a request, for as long as nobody writes.
Descriptor open_configuration(const std::filesystem::path& file) {
  return open_trusted(file,
                      {.because = "it names the modules and programs that are run", .named_pipe = NamedPipe::refused});
}

// Edits (insert, delete, replace) that make one word of the other: for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string_view shape_name(Section::Shape shape) {
  switch (shape) {
    case Section::Shape::absent:
      return "nothing";
    case Section::Shape::nothing:
      return "nothing";
    case Section::Shape::text:
      return "a text";
    case Section::Shape::list:
      return "a list";
    case Section::Shape::mapping:
      return "a section of its own";
  }
  return "";
}

}  // namespace

const Section::Node::Entry* Section::Node::find(std::string_view key) const {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [key](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

void Document::State::raise() {
  if (problems.empty()) return;
  std::stable_sort(problems.begin(), problems.end(),
                   [](const Problem& a, const Problem& b) { return a.place < b.place; });
  std::vector<std::string> lines;
  for (const Problem& problem : problems) {
    std::string line = fmt::format("{}:{}:{}: {}", name, problem.place.line, problem.place.column, problem.what);
    // A key that two getters looked at is wrong once.
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
  }
  problems.clear();
  std::string message;
  for (const std::string& line : lines) {
    if (!message.empty()) message += '\n';
    message += line;
  }
  Error error{ErrorKind::invalid_input, std::move(message)};
  for (std::string& line : lines) error.with("problem", std::move(line));
  throw error;
}

Document Document::read(const std::filesystem::path& file) {
  const Descriptor fd = open_configuration(file);
  const Bytes content = read_all(fd.get(), file, kLargestFile);
  Document document = parse(as_text(content), file.string(), std::filesystem::absolute(file).parent_path());
  struct stat status {};
  document.state_->is_read_once = ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode);
  return document;
}

Bytes Document::sha256_of(const std::filesystem::path& file) {
  return hsmbridge::sha256(read_all(open_configuration(file).get(), file, kLargestFile));
}

Document Document::parse(std::string_view text, std::string name, std::filesystem::path folder) {
  auto state = std::make_shared<State>();
  state->name = std::move(name);
  state->folder = std::move(folder);
  state->sha256 = hsmbridge::sha256(as_bytes(text));
  read_yaml(text, *state);
  return Document(std::move(state));
}

Section Document::root() const {
  return Section(state_, state_->root, "", Place{});
}

const Bytes& Document::sha256() const {
  return state_->sha256;
}

bool Document::is_read_once() const {
  return state_->is_read_once;
}

void Document::finish() {
  state_->finished = true;
  state_->raise();
}

Section::Section(std::shared_ptr<Document::State> state, const Node& node, std::string path, Place place)
    : state_(std::move(state)), node_(&node), path_(std::move(path)), place_(place) {}

Section::Section() : Section(Document::parse("", "(no file)", "/").root()) {}

const std::string& Section::path() const {
  return path_;
}

Place Section::place() const {
  return place_;
}

bool Section::has(std::string_view key) const {
  return node_->find(key) != nullptr;
}

std::vector<std::string> Section::keys() const {
  std::vector<std::string> all;
  for (const Node::Entry& entry : node_->entries) all.push_back(entry.key);
  return all;
}

Section::Shape Section::shape(std::string_view key) const {
  const Node::Entry* entry = node_->find(key);
  return entry == nullptr ? Shape::absent : entry->value.shape;
}

std::string Section::full_name(std::string_view key) const {
  if (key.empty()) return path_;
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

Place Section::place_of(std::string_view key) const {
  const Node::Entry* entry = node_->find(key);
  return entry == nullptr ? place_ : entry->value.place;
}

std::string Section::where(std::string_view key) const {
  const Place place = place_of(key);
  return fmt::format("{}:{}:{}", state_->name, place.line, place.column);
}

void Section::problem(std::string_view key, std::string_view what) {
  state_->add(place_of(key), fmt::format("{}: {}", full_name(key), what));
}

Error Section::error(std::string_view key, std::string_view what) const {
  return Error{ErrorKind::invalid_input, fmt::format("{}: {}: {}", where(key), full_name(key), what)};
}

// The value of a key, when it is there with a value. Marks the key as known.
const Section::Node* Section::look(std::string_view key, Absent absent) const {
  node_->asked.emplace(key);
  const Node::Entry* entry = node_->find(key);
  if (entry == nullptr) {
    if (absent == Absent::problem) {
      state_->add(place_,
                  path_.empty() ? fmt::format("{} is missing", key) : fmt::format("{}: {} is missing", path_, key));
    }
    return nullptr;
  }
  if (entry->value.shape == Shape::nothing) {
    state_->add(entry->place, full_name(key) + ": has no value; leave the key out instead");
    return nullptr;
  }
  return &entry->value;
}

std::optional<std::string> Section::scalar(std::string_view key, Absent absent) {
  const Node* node = look(key, absent);
  if (node == nullptr) return std::nullopt;
  if (node->shape != Shape::text) {
    problem(key, fmt::format("must be one text, found {}", shape_name(node->shape)));
  } else if (node->text.empty()) {
    problem(key, "is empty; leave the key out instead");
  } else if (node->text.find('\0') != std::string::npos) {
    problem(key, "holds a NUL character");
  } else {
    return node->text;
  }
  return std::nullopt;
}

std::optional<std::int64_t> Section::number(std::string_view key, std::int64_t least, std::int64_t most,
                                            Absent absent) {
  const auto text = scalar(key, absent);
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, failure] = std::from_chars(text->data(), end, value);
  if (node_->find(key)->value.quoted || failure != std::errc{} || stop != end) {
    problem(key, "must be a whole number");
  } else if (value < least || value > most) {
    problem(key, most == std::numeric_limits<std::int64_t>::max()
                     ? fmt::format("must be {} or more", least)
                     : fmt::format("must be between {} and {}", least, most));
  } else {
    return value;
  }
  return std::nullopt;
}

std::optional<Duration> Section::period(std::string_view key, Absent absent) {
  const auto text = scalar(key, absent);
  if (!text) return std::nullopt;
  try {
    return parse_duration(*text);
  } catch (const Error& error) {
    problem(key, error.message());
  }
  return std::nullopt;
}

std::optional<SecretSource> Section::source(std::string_view key, SecretUse use, Absent absent) {
  const auto text = scalar(key, absent);
  if (!text) return std::nullopt;
  try {
    return SecretSource::parse(*text, use, state_->folder);
  } catch (const Error& error) {
    problem(key, error.message());
  }
  return std::nullopt;
}

std::optional<std::filesystem::path> Section::path_of(std::string_view key, Absent absent) {
  const auto text = scalar(key, absent);
  if (!text) return std::nullopt;
  try {
    return absolute_path(*text, state_->folder);
  } catch (const Error& error) {
    problem(key, error.message());
  }
  return std::nullopt;
}

std::optional<std::size_t> Section::find_choice(std::string_view key, const std::vector<std::string_view>& words,
                                                Absent absent) {
  const auto text = scalar(key, absent);
  if (!text) return std::nullopt;
  const auto found = std::find(words.begin(), words.end(), *text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  problem(key, fmt::format("'{}' is none of: {}", *text, joined(words)));
  return std::nullopt;
}

std::string Section::text(std::string_view key) {
  return scalar(key, Absent::problem).value_or("");
}

std::int64_t Section::integer(std::string_view key, std::int64_t least, std::int64_t most) {
  return number(key, least, most, Absent::problem).value_or(least);
}

SecretSource Section::secret(std::string_view key, SecretUse use) {
  // What stands in for a source that cannot be read is never used: finish() throws first.
  return source(key, use, Absent::problem).value_or(SecretSource::parse("prompt", use, state_->folder));
}

std::filesystem::path Section::file(std::string_view key) {
  return path_of(key, Absent::problem).value_or("");
}

std::optional<std::string> Section::optional_text(std::string_view key) {
  return scalar(key, Absent::fine);
}

std::optional<std::int64_t> Section::optional_integer(std::string_view key, std::int64_t least, std::int64_t most) {
  return number(key, least, most, Absent::fine);
}

std::optional<Duration> Section::optional_duration(std::string_view key) {
  return period(key, Absent::fine);
}

std::optional<bool> Section::optional_boolean(std::string_view key) {
  const auto text = scalar(key, Absent::fine);
  if (!text) return std::nullopt;
  if (!node_->find(key)->value.quoted && (*text == "true" || *text == "false")) return *text == "true";
  problem(key, "must be true or false");
  return std::nullopt;
}

std::optional<SecretSource> Section::optional_secret(std::string_view key, SecretUse use) {
  return source(key, use, Absent::fine);
}

std::optional<std::filesystem::path> Section::optional_file(std::string_view key) {
  return path_of(key, Absent::fine);
}

std::vector<std::string> Section::texts(std::string_view key) {
  const Node* node = look(key, Absent::fine);
  if (node == nullptr) return {};
  if (node->shape != Shape::list) {
    const auto one = scalar(key, Absent::fine);
    return one ? std::vector<std::string>{*one} : std::vector<std::string>{};
  }
  std::vector<std::string> all;
  for (const Node& item : node->items) {
    if (item.shape != Shape::text || item.text.empty() || item.text.find('\0') != std::string::npos) {
      state_->add(item.place, fmt::format("{}: each entry must be a text", full_name(key)));
    } else {
      all.push_back(item.text);
    }
  }
  return all;
}

std::vector<std::filesystem::path> Section::files(std::string_view key) {
  std::vector<std::filesystem::path> all;
  for (const std::string& text : texts(key)) {
    try {
      all.push_back(absolute_path(text, state_->folder));
    } catch (const Error& error) {
      problem(key, error.message());
    }
  }
  return all;
}

std::vector<SecretSource> Section::secrets(std::string_view key, SecretUse use) {
  std::vector<SecretSource> all;
  const Node* node = look(key, Absent::fine);
  if (node == nullptr) return all;
  if (node->shape != Shape::list) {
    if (auto one = source(key, use, Absent::fine)) all.push_back(std::move(*one));
    return all;
  }
  for (const Node& item : node->items) {
    try {
      all.push_back(SecretSource::parse(item.shape == Shape::text ? item.text : "", use, state_->folder));
    } catch (const Error& error) {
      state_->add(item.place, fmt::format("{}: {}", full_name(key), error.message()));
    }
  }
  return all;
}

std::vector<std::pair<std::string, std::string>> Section::named_texts(std::string_view key) {
  std::vector<std::pair<std::string, std::string>> all;
  auto sub = section(key);
  if (!sub) return all;
  for (const std::string& name : sub->keys()) {
    if (auto value = sub->optional_text(name)) all.emplace_back(name, std::move(*value));
  }
  return all;
}

std::optional<Section> Section::section(std::string_view key) {
  const Node* node = look(key, Absent::fine);
  if (node == nullptr) return std::nullopt;
  if (node->shape != Shape::mapping) {
    problem(key, fmt::format("must be a section of its own, found {}", shape_name(node->shape)));
    return std::nullopt;
  }
  return Section(state_, *node, full_name(key), node_->find(key)->place);
}

std::vector<Section> Section::sections(std::string_view key) {
  std::vector<Section> all;
  const Node* node = look(key, Absent::fine);
  if (node == nullptr) return all;
  if (node->shape != Shape::list) {
    if (auto one = section(key)) all.push_back(std::move(*one));
    return all;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const Node& item = node->items[i];
    std::string name = fmt::format("{}[{}]", full_name(key), i + 1);
    if (item.shape == Shape::mapping) {
      all.push_back(Section(state_, item, std::move(name), item.place));
    } else {
      state_->add(item.place, fmt::format("{}: must be a section of its own, found {}", name, shape_name(item.shape)));
    }
  }
  return all;
}

std::vector<std::pair<std::string, Section>> Section::named_sections() {
  std::vector<std::pair<std::string, Section>> all;
  for (const std::string& name : keys()) {
    if (auto sub = section(name)) all.emplace_back(name, std::move(*sub));
  }
  return all;
}

void Section::finish() {
  for (const Node::Entry& entry : node_->entries) {
    if (node_->asked.find(entry.key) != node_->asked.end()) continue;
    std::string nearest;
    std::size_t best = 3;  // more than two typing mistakes are another word
    for (const std::string& known : node_->asked) {
      const std::size_t edits = distance(entry.key, known);
      if (edits < best && edits < known.size()) {
        best = edits;
        nearest = known;
      }
    }
    std::string what = fmt::format("{}: unknown key", full_name(entry.key));
    if (!nearest.empty()) what += fmt::format(" (did you mean '{}'?)", nearest);
    state_->add(entry.place, std::move(what));
  }
  if (state_->finished) state_->raise();
}

}  // namespace hsmbridge::config
