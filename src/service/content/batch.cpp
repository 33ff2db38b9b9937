#include "service/content/batch.h"

#include "base/error.h"
#include "base/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::service {

namespace {

Error bad(unsigned line, const std::string& what) {
  return Error{ErrorKind::invalid_input, fmt::format("line {}: {}", line, what)};
}

std::string column_of(std::string name, const std::vector<std::string>& columns, unsigned line) {
  std::replace(name.begin(), name.end(), '_', '-');
  if (std::find(columns.begin(), columns.end(), name) == columns.end()) {
    throw bad(line, fmt::format("there is no column \"{}\"", name)).hint(fmt::format("{}", fmt::join(columns, ", ")));
  }
  return name;
}

struct CsvLine {
  unsigned line = 0;
  std::vector<std::string> cells;
};

// RFC 4180 §2, with LF alone allowed at a line's end. A quoted cell may hold line ends.
std::vector<CsvLine> read_csv(std::string_view text) {
  std::vector<CsvLine> lines;
  unsigned line = 1;
  std::size_t at = 0;
  while (at < text.size()) {
    CsvLine row{line, {}};
    for (bool more = true; more;) {
      std::string cell;
      if (at < text.size() && text[at] == '"') {
        const unsigned began = line;
        for (++at;; ++at) {
          if (at >= text.size()) throw bad(began, "a quoted cell is not closed");
          if (text[at] == '"') {
            if (at + 1 >= text.size() || text[at + 1] != '"') break;
            ++at;
          }
          if (text[at] == '\n') ++line;
          cell += text[at];
        }
        ++at;
        if (at < text.size() && text[at] != ',' && text[at] != '\n' && text[at] != '\r') {
          throw bad(line, "unexpected text after a closing quote");
        }
      } else {
        while (at < text.size() && text[at] != ',' && text[at] != '\n') {
          if (text[at] == '"') throw bad(line, "a quote stands inside a cell that does not begin with one");
          cell += text[at++];
        }
        if (!cell.empty() && cell.back() == '\r') cell.pop_back();
      }
      row.cells.push_back(std::move(cell));
      if (at < text.size() && text[at] == '\r') ++at;
      more = at < text.size() && text[at] == ',';
      if (at < text.size()) ++at;
    }
    ++line;
    const bool blank = row.cells.size() == 1 && row.cells.front().empty();
    if (!blank) lines.push_back(std::move(row));
  }
  return lines;
}

void add_cell(BatchRow& row, const std::string& column, std::string_view cell) {
  while (!cell.empty()) {
    const std::size_t end = std::min(cell.find('|'), cell.size());
    if (end != 0) row.values[column].emplace_back(cell.substr(0, end));
    cell.remove_prefix(std::min(end + 1, cell.size()));
  }
}

std::vector<BatchRow> rows_of_csv(std::string_view text, const std::vector<std::string>& columns) {
  const auto lines = read_csv(text);
  std::vector<BatchRow> rows;
  if (lines.empty()) return rows;
  std::vector<std::string> names;
  for (const std::string& cell : lines.front().cells) names.push_back(column_of(cell, columns, lines.front().line));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const CsvLine& line = lines[i];
    if (line.cells.size() != names.size()) {
      throw bad(line.line, fmt::format("{} cells under {} columns", line.cells.size(), names.size()));
    }
    BatchRow row;
    row.line = line.line;
    for (std::size_t c = 0; c < names.size(); ++c) add_cell(row, names[c], line.cells[c]);
    rows.push_back(std::move(row));
  }
  return rows;
}

void add_json(BatchRow& row, const std::string& column, const Json& value) {
  if (value.is_string()) {
    if (!value.as_string().empty()) row.values[column].push_back(value.as_string());
  } else if (value.is_integer()) {
    row.values[column].push_back(std::to_string(value.as_integer()));
  } else if (value.is_bool()) {
    row.values[column].emplace_back(value.as_bool() ? "true" : "false");  // which takes back what is typed
  } else if (value.is_array()) {
    for (const Json& element : value.as_array()) row.values[column].push_back(element.as_string());
  } else if (!value.is_null()) {
    throw Error{ErrorKind::invalid_input, fmt::format("\"{}\" is neither a text, a number nor a list", column)};
  }
}

std::vector<BatchRow> rows_of_json(std::string_view text, const std::vector<std::string>& columns) {
  std::vector<BatchRow> rows;
  for (unsigned line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    BatchRow row;
    row.line = line;
    try {
      const Json object = Json::parse(one);
      for (const auto& [name, value] : object.as_object()) add_json(row, column_of(name, columns, line), value);
    } catch (const Error& error) {
      if (error.message().rfind("line ", 0) == 0) throw;
      throw bad(line, error.message());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::vector<std::string> BatchRow::all(std::string_view column) const {
  const auto found = values.find(column);
  return found == values.end() ? std::vector<std::string>{} : found->second;
}

std::string BatchRow::text_or(std::string_view column, std::string_view fallback) const {
  const auto found = values.find(column);
  if (found == values.end()) return std::string(fallback);
  if (found->second.size() != 1) {
    throw Error{ErrorKind::invalid_input, fmt::format("column {} must have one value", column)};
  }
  return found->second.front();
}

std::vector<BatchRow> read_batch(std::string_view text, const std::vector<std::string>& columns) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) text.remove_prefix(kByteOrderMark.size());
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) throw Error{ErrorKind::invalid_input, "the file is empty"};
  auto rows = text[first] == '{' ? rows_of_json(text, columns) : rows_of_csv(text, columns);
  if (rows.empty()) throw Error{ErrorKind::invalid_input, "the file has column names and no row"};
  return rows;
}

std::vector<BatchRow> rows_in(const std::string& file, const std::vector<std::string>& columns) {
  const Bytes content = read_file(file);
  try {
    return read_batch(as_text(content), columns);
  } catch (Error& error) {
    throw error.prefix(file);
  }
}

}  // namespace hsmbridge::service
