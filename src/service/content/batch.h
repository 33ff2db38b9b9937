#pragma once

#include "base/json.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

// Many orders in one file (`csr create --from`, `enroll --from`).
namespace hsmbridge::service {

// What one row says: the values of each column that is not empty.
struct BatchRow {
  unsigned line = 0;  // in the file, counted from 1
  std::map<std::string, std::vector<std::string>, std::less<>> values;

  bool has(std::string_view column) const { return values.find(column) != values.end(); }
  // The values, or none.
  std::vector<std::string> all(std::string_view column) const;
  // The one value, or the fallback. Throws invalid_input when there are several.
  std::string text_or(std::string_view column, std::string_view fallback) const;
};

// CSV (RFC 4180: a first line of column names, quotes doubled inside quotes, "|" between several values of a cell, a
// column may repeat) or JSON lines (one object a line, its members text, number, true, or a list of texts); which one
// is told by the first character. "_" and "-" mean the same in a column's name.
// Throws invalid_input naming the line: nothing of a file that is only half understood may be carried out.
std::vector<BatchRow> read_batch(std::string_view text, const std::vector<std::string>& columns);
// The same of a file, which every error names; throws what read_file throws too.
std::vector<BatchRow> rows_in(const std::string& file, const std::vector<std::string>& columns);

}  // namespace hsmbridge::service
