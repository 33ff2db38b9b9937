#include "tools/commandline/output.h"

#include "base/unicode.h"
#include "workflow/engine/lane_pauses.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <utility>

namespace hsmbridge::commandline {

namespace {

// What is on the terminal now: of the process, as its standard error is.
struct Terminal {
  std::mutex mutex;
  // The cursor is behind a line that the next words written here replace. Warnings, and a prompt for a PIN, are written
  // elsewhere and stand behind it.
  bool transient = false;
};
Terminal& terminal() {
  static Terminal one;
  return one;
}

constexpr std::string_view kEraseLine = "\r\x1b[K";

enum class Stays { yes, until_the_next_words };

// Writes everything or throws: a result that was cut (`| head`, a full disk) must not look like success.
void write_out(std::FILE* stream, std::string_view text, Stays stays = Stays::yes) {
  const std::lock_guard lock(terminal().mutex);
  if (std::exchange(terminal().transient, stays != Stays::yes && !text.empty())) {
    std::fwrite(kEraseLine.data(), 1, kEraseLine.size(), stderr);
  }
  if (std::fwrite(text.data(), 1, text.size(), stream) != text.size() || std::fflush(stream) != 0) {
    if (stream == stdout) throw Error{ErrorKind::unavailable, "standard output could not be written"};
  }
}

bool wants_colours() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') && term != nullptr && std::string_view(term) != "dumb";
}

void pad(std::string& line, std::size_t until) {
  const std::size_t have = columns(line);
  if (have < until) line.append(until - have, ' ');
}

}  // namespace

std::string safe(std::string_view text) {
  return printable(text);
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string result;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t wide = columns(word);
    if (used != 0 && used + 1 + wide > width) {
      result += '\n';
      result.append(indent, ' ');
      used = indent;
    } else if (used != 0) {
      result += ' ';
      ++used;
    }
    result += word;
    used += wide;
  }
  return result;
}

Output::Output(std::string_view program, Format format, Verbosity verbosity)
    : program_(program),
      format_(format),
      verbosity_(verbosity),
      stdout_terminal_(::isatty(STDOUT_FILENO) == 1),
      stderr_terminal_(::isatty(STDERR_FILENO) == 1),
      colours_(stdout_terminal_ && format == Format::text && wants_colours()) {}

void Output::result(std::string_view schema, const Json& object, std::string_view text) {
  if (format_ == Format::text) {
    write_out(stdout, text);
    return;
  }
  Json whole = Json::object({{"schema", Json(schema)}});
  for (const auto& [name, value] : object.as_object()) whole.set(name, value);
  write_out(stdout, whole.dump() + "\n");
}

void Output::raw(std::string_view bytes) {
  write_out(stdout, bytes);
}

void Output::note(std::string_view line) {
  if (format_ == Format::json || verbosity_ == Verbosity::quiet) return;
  write_out(stderr, printable_lines(line) + "\n");
}

void Output::warning(std::string_view line) {
  write_out(stderr, fmt::format("{}: warning: {}\n", program_, printable_lines(line)));
}

void Output::report(const Error& error) {
  if (format_ == Format::json) {
    Json details = Json(Json::Array{});
    for (const auto& [name, value] : error.details()) {
      details.push(Json::object({{"name", Json(safe(name))}, {"value", Json(safe(value))}}));
    }
    Json object = Json::object({{"schema", Json("hsmbridge.error/1")},
                                {"kind", Json(to_string(error.kind()))},
                                {"message", Json(printable_lines(error.message()))},
                                {"details", std::move(details)},
                                {"hint", Json(printable_lines(error.hint()))}});
    write_out(stderr, object.dump() + "\n");
    return;
  }
  std::string text = fmt::format("{}: {}\n", program_, printable_lines(error.message()));
  // What the engine is told about a lane means nothing to a person.
  const auto is_shown = [](std::string_view name) { return name != workflow::kLaneDetail; };
  std::size_t widest = 0;
  for (const auto& [name, value] : error.details()) {
    if (is_shown(name)) widest = std::max(widest, columns(safe(name)));
  }
  for (const auto& [name, value] : error.details()) {
    if (!is_shown(name)) continue;
    std::string line = fmt::format("  {}:", safe(name));
    pad(line, widest + 4);
    text += fmt::format("{}{}\n", line, safe(value));
  }
  if (!error.hint().empty()) text += fmt::format("  → {}\n", printable_lines(error.hint()));
  write_out(stderr, text);
}

void Output::transient(std::string_view line) {
  const char* const term = std::getenv("TERM");
  const bool can_erase = term != nullptr && std::string_view(term) != "dumb";
  if (!stderr_terminal_ || !can_erase || verbosity_ == Verbosity::quiet) return;
  write_out(stderr, printable_lines(line), Stays::until_the_next_words);
}

ResultRows::ResultRows(Output& output, std::string_view schema, std::string_view rows)
    : output_(output), schema_(schema), rows_(rows) {}

void ResultRows::begin() {
  if (std::exchange(begun_, true)) return;
  output_.raw(fmt::format("{{\"schema\":{},{}:[", Json(schema_).dump(), Json(rows_).dump()));
}

void ResultRows::add(const std::function<Json()>& rows, const std::function<std::string()>& text) {
  if (!output_.json()) {
    any_ = true;
    return output_.raw(text());
  }
  begin();
  std::string more;
  const Json page = rows();
  for (const Json& row : page.as_array()) {
    if (std::exchange(any_, true)) more += ',';
    more += row.dump();
  }
  output_.raw(more);
}

void ResultRows::finish(const Json& behind, std::string_view nothing) {
  if (!output_.json()) {
    if (!any_) output_.raw(nothing);
    return;
  }
  begin();
  std::string end = "]";
  for (const auto& [name, value] : behind.as_object()) end += fmt::format(",{}:{}", Json(name).dump(), value.dump());
  output_.raw(end + "}\n");
}

bool confirm(Output& output, std::string_view question, std::string_view without_terminal) {
  if (::isatty(STDIN_FILENO) != 1 || !output.stderr_is_terminal()) {
    write_out(stderr, printable_lines(question) + "\n");
    throw Error{ErrorKind::refused, "there is no terminal to confirm this, so nothing was done"}.hint(
        std::string(without_terminal));
  }
  write_out(stderr, fmt::format("{} [yes/NO] ", printable_lines(question)));
  std::string answer;
  if (!std::getline(std::cin, answer)) return false;
  return answer == "yes" || answer == "y" || answer == "YES" || answer == "Y";
}

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

void Table::row(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = safe(cell);
  cells.resize(headings_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> width;
  return print(width, true);
}

std::string Table::more() {
  std::string text = print(printed_, printed_.empty());
  rows_.clear();
  return text;
}

std::string Table::print(std::vector<std::size_t>& width, bool with_headings) const {
  width.resize(headings_.size(), 0);
  const auto measure = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) width[i] = std::max(width[i], columns(cells[i]));
  };
  measure(headings_);
  for (const auto& cells : rows_) measure(cells);
  std::string result;
  const auto print = [&](const std::vector<std::string>& cells) {
    std::string line;
    std::size_t at = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (!cells[i].empty()) pad(line, at);
      line += cells[i];
      at += width[i] + 2;
    }
    result += line;
    result += '\n';
  };
  if (with_headings) print(headings_);
  for (const auto& cells : rows_) print(cells);
  return result;
}

void Fields::add(std::string name, std::string value) {
  if (!value.empty()) rows_.emplace_back(std::move(name), std::move(value));
}

std::string Fields::text() const {
  std::size_t widest = 0;
  for (const auto& [name, value] : rows_) widest = std::max(widest, columns(name));
  std::string result;
  for (const auto& [name, value] : rows_) {
    std::string line = name + ":";
    pad(line, widest + 3);
    std::string_view rest = value;
    for (;;) {
      const std::size_t end = rest.find('\n');
      line += safe(rest.substr(0, end));
      result += line;
      result += '\n';
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
      line.assign(widest + 3, ' ');
    }
  }
  return result;
}

}  // namespace hsmbridge::commandline
