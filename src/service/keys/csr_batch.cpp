#include "service/keys/csr_batch.h"

#include "service/content/csr.h"
#include "service/keys/in_order.h"
#include "workflow/engine/lane_pauses.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <utility>

namespace hsmbridge::service {

namespace {

// Threads for each session of the token: while one row signs, others wait for the audit log, are built and are verified.
// Most of them sleep.
constexpr unsigned kThreadsOfSession = 8;
constexpr unsigned kMostThreads = 128;

unsigned threads_for(const workflow::KeyRing& ring) {
  return std::min(ring.sessions() * kThreadsOfSession, kMostThreads);
}

NewCsr csr_of(const BatchRow& row, const NewCsr& typed, const std::string& folder) {
  NewCsr wanted = typed;
  wanted.key = row.text_or("key", typed.key);
  wanted.new_key = row.text_or("new-key", typed.new_key);
  if (row.has("key") && !row.has("new-key")) wanted.new_key.clear();
  if (row.has("new-key") && !row.has("key")) wanted.key.clear();
  wanted.spec = row.text_or("spec", typed.spec);
  wanted.out = row.text_or("out", "");
  if (wanted.out.empty()) {
    const std::string& name = wanted.new_key.empty() ? wanted.key : wanted.new_key;
    if (name.empty() || name.find('/') != std::string::npos || name.front() == '.') {
      throw Error{ErrorKind::invalid_input, "no file name follows from the key's name"}.hint("add a column out");
    }
    wanted.out = name + ".csr";
  }
  if (!folder.empty()) wanted.out = (std::filesystem::path(folder) / wanted.out).string();
  wanted.wishes = wishes_of(row, typed.wishes);
  return wanted;
}

// Rows that make keys, one after the other, and how many of them are over: who may mean one of their keys waits.
class KeyMakers {
 public:
  void one_is_over() {
    {
      const std::lock_guard lock(mutex_);
      ++over_;
    }
    changed_.notify_all();
  }
  void wait_for(std::size_t makers) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return over_ >= makers; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t over_ = 0;
};

// Whether the token is worth another row. A refused PIN is not tried again. Other trouble of the token may be one key's
// (modules have one word for many things), so it takes as many rows in a row as are under way at once.
class TokenTrouble {
 public:
  explicit TokenTrouble(unsigned most) : most_(most) {}

  // Gives the row's number among those that were begun.
  std::size_t begin_row() {
    const std::lock_guard lock(mutex_);
    if (end_) throw end_->restated(end_->kind(), "not begun, because of the token: " + end_->message());
    return ++begun_;
  }
  void met(const Error& error) {
    if (!workflow::says_lane_is_down(error)) return;
    const std::lock_guard lock(mutex_);
    if (in_a_row_++ == 0) begun_before_ = begun_;
    if (!end_ && (error.kind() != ErrorKind::unavailable || in_a_row_ >= most_)) end_ = error;
  }
  // What was begun before the trouble may have been signed before it too.
  void works(std::size_t row) {
    const std::lock_guard lock(mutex_);
    if (row > begun_before_) in_a_row_ = 0;
  }

 private:
  const unsigned most_;
  std::mutex mutex_;
  unsigned in_a_row_ = 0;
  std::size_t begun_ = 0;
  std::size_t begun_before_ = 0;  // the first trouble of those in a row
  std::optional<Error> end_;
};

struct Prepared {
  CsrRow row;
  bool makes_key = false;
  std::size_t waits_for = 0;  // so many makers of keys
};

bool is_label(const std::string& selector) {
  return !selector.starts_with("id=") && !selector.starts_with("pkcs11:");
}

// The labels of keys that rows make, and the first row of each.
std::map<std::string, std::size_t> labels_made(const std::vector<BatchRow>& rows, const NewCsr& typed) {
  std::map<std::string, std::size_t> made;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const BatchRow& row = rows[i];
    try {
      if (row.has("new-key") || !row.has("key")) made.emplace(row.text_or("new-key", typed.new_key), i);
    } catch (const Error&) {
      // The row itself says what is wrong.
    }
  }
  return made;
}

// One file has one, however it is typed.
std::string one_name_of(const std::string& file) {
  std::error_code unreadable;
  const auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(file), unreadable);
  return unreadable ? file : path.string();
}

// The labels by which rows name keys that are there now: not those that a row makes.
std::vector<std::string> labels_named(const std::vector<BatchRow>& rows, const NewCsr& typed,
                                      const std::map<std::string, std::size_t>& made) {
  std::set<std::string> named;
  for (const BatchRow& row : rows) {
    try {
      named.insert(row.text_or("key", typed.key));
    } catch (const Error&) {
      // The row itself says what is wrong.
    }
  }
  std::vector<std::string> labels;
  for (const std::string& label : named) {
    if (!label.empty() && is_label(label) && !made.contains(label)) labels.push_back(label);
  }
  return labels;
}

// What rows are, seen in their order.
class Rows {
 public:
  Rows(const std::vector<BatchRow>& rows, const NewCsr& typed, const std::string& folder,
       const std::map<std::string, std::size_t>& made)
      : rows_(rows), typed_(typed), folder_(folder), made_(made) {}

  Prepared prepare(std::size_t i) {
    Prepared prepared;
    prepared.row.line = rows_[i].line;
    NewCsr& wanted = prepared.row.wanted;
    try {
      wanted = csr_of(rows_[i], typed_, folder_);
      if (!written_.insert(one_name_of(wanted.out)).second) {
        throw Error{ErrorKind::conflict, fmt::format("{} is the file of an earlier row", wanted.out)};
      }
      prepared.makes_key = !wanted.new_key.empty();
      // Rows are begun together: whether the key was there already would be a matter of luck.
      if (const auto made = made_.find(wanted.key); !wanted.key.empty() && made != made_.end() && i < made->second) {
        throw Error{ErrorKind::conflict, fmt::format("key {} is made by a later row", wanted.key)}.hint(
            "put this row after the one that makes the key");
      }
      if (prepared.makes_key || may_be_made(wanted.key)) prepared.waits_for = makers_;
      if (prepared.makes_key) {
        ++makers_;
        labels_.insert(wanted.new_key);
      }
    } catch (...) {
      prepared.row.error = current_error();
    }
    return prepared;
  }

 private:
  // A label says which key it means, an id or a URI may mean any.
  bool may_be_made(const std::string& selector) const { return !is_label(selector) || labels_.contains(selector); }

  const std::vector<BatchRow>& rows_;
  const NewCsr& typed_;
  const std::string& folder_;
  const std::map<std::string, std::size_t>& made_;  // by rows
  std::set<std::string> written_;
  std::set<std::string> labels_;
  std::size_t makers_ = 0;
};

}  // namespace

std::vector<std::string> csr_columns() {
  std::vector<std::string> columns = {"key", "new-key", "spec", "out"};
  columns.insert(columns.end(), ask_columns().begin(), ask_columns().end());
  return columns;
}

void make_csrs(workflow::KeyRing& ring, Logbook& log, const std::vector<BatchRow>& rows, const NewCsr& typed,
               const CsrRun& run, const std::string& folder, const std::function<void(const CsrRow&)>& told) {
  // One attempt for all rows: a thousand rows must not spend a thousand PINs.
  ring.login();
  const unsigned threads = threads_for(ring);
  CsrMaker maker(ring, log, run);
  KeyMakers makers;
  TokenTrouble trouble(std::max(threads, kThreadsOfSession));
  const auto made = labels_made(rows, typed);
  Rows in_file(rows, typed, folder, made);
  try {
    if (const auto labels = labels_named(rows, typed, made); labels.size() > 1) maker.look_for(labels);
  } catch (const Error&) {
    // Each row asks again and says what is wrong.
  }
  const auto work = [&](Prepared prepared) {
    CsrRow row = std::move(prepared.row);
    try {
      if (row.error) return row;
      if (prepared.waits_for > 0) makers.wait_for(prepared.waits_for);
      const std::size_t number = trouble.begin_row();
      row.made = maker.make(row.wanted, CsrMaker::Part::of_batch);
      if (!row.made->already) trouble.works(number);  // one that is there may have asked the token nothing
    } catch (...) {
      row.error = current_error();
      trouble.met(*row.error);
    }
    if (prepared.makes_key) makers.one_is_over();
    return row;
  };
  in_order(
      rows.size(), threads, [&](std::size_t i) { return in_file.prepare(i); }, work, told);
}

}  // namespace hsmbridge::service
