#pragma once

#include "base/error.h"
#include "base/json.h"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::commandline {

enum class Format { text, json };
enum class Verbosity { quiet, normal, verbose, debug };

// Where a command's words go. Results to standard output, everything else to standard error. Text that came from
// outside (labels, names) has its control characters escaped, so that it cannot drive a terminal. Thread rule: may be
// called from several threads.
class Output {
 public:
  // `program` is what messages begin with.
  Output(std::string_view program, Format format, Verbosity verbosity);

  Format format() const { return format_; }
  bool json() const { return format_ == Format::json; }
  Verbosity verbosity() const { return verbosity_; }
  // Whether a person watches: progress, questions and colours only then. Colours also honour NO_COLOR and TERM=dumb.
  bool stdout_is_terminal() const { return stdout_terminal_; }
  bool stderr_is_terminal() const { return stderr_terminal_; }
  bool colours() const { return colours_; }

  // The result as text (text format only) or as one JSON object on one line; `schema` comes first in it,
  // for example "hsmbridge.key/1". A command calls `result` once, or once a line for streams and batches.
  void result(std::string_view schema, const Json& object, std::string_view text);
  // Bytes as they are, in both formats: a PEM or DER that the user asked for on standard output.
  void raw(std::string_view bytes);
  // A line on standard error, unless --quiet: what was done, the command to type next. Text format only.
  void note(std::string_view line);
  // A line on standard error in both formats, also under --quiet: "PROGRAM: warning: …".
  void warning(std::string_view line);
  // An Error on standard error: message, details, hint; or with --json one object.
  void report(const Error& error);
  // A line on standard error that the next words of any kind replace, when a person watches and did not say --quiet;
  // "" takes the last one away.
  void transient(std::string_view line);

 private:
  std::string program_;
  Format format_;
  Verbosity verbosity_;
  bool stdout_terminal_;
  bool stderr_terminal_;
  bool colours_;
};

// A result of many rows, written while they come, so that memory does not grow with it: their text, or one JSON object on
// one line whose first member behind `schema` is the array `rows`. Nothing is written before add() or finish(), so that
// what fails first leaves nothing half-written.
class ResultRows {
 public:
  ResultRows(Output& output, std::string_view schema, std::string_view rows);
  // `rows`: a JSON array, of which --json writes the elements. Each of the two is only asked for when it is written.
  void add(const std::function<Json()>& rows, const std::function<std::string()>& text);
  // The members behind the rows; `nothing`: the text where no row was added.
  void finish(const Json& behind, std::string_view nothing);

 private:
  void begin();

  Output& output_;
  std::string schema_, rows_;
  bool begun_ = false;
  bool any_ = false;
};

// Asks on the controlling terminal (standard input and standard error must be one) for the word "yes" or "y". In a pipe
// it throws refused with `without_terminal` ("give --yes to …") as the hint.
bool confirm(Output& output, std::string_view question, std::string_view without_terminal);

// Rows under aligned headings, two spaces apart, no trailing blanks. A table wider than the terminal (80 columns in a
// pipe) is not cut: the last column runs on. Cells are escaped by `safe`.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);
  void row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  std::string text() const;
  // For a table that is printed as it grows: the rows since the last call, under the headings the first time, as wide as
  // those before them. Forgets them.
  std::string more();

 private:
  std::string print(std::vector<std::size_t>& width, bool with_headings) const;

  std::vector<std::vector<std::string>> rows_;
  std::vector<std::string> headings_;
  std::vector<std::size_t> printed_;  // widths, once some were
};

// Lines "Name:    value" with the values aligned; a value with newlines goes on below itself. Empty values are left
// out.
class Fields {
 public:
  void add(std::string name, std::string value);
  std::string text() const;

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
};

// `text` with control characters and broken UTF-8 as \xHH. Newlines too.
std::string safe(std::string_view text);
// Columns a UTF-8 text takes on a terminal, one a code point (wide characters are not known here).
std::size_t columns(std::string_view text);
// `text` broken at blanks so that no line is longer than `width`; following lines begin with `indent` blanks.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

}  // namespace hsmbridge::commandline
